"""Backpressure: scans are refused while too much waits, before Redis is full (docs/decisions/0006-backpressure.md).

What is in the ledger must fit into Redis' memory, and so must what works it off: leases, replies, messages of the
broker, people's commands. So scans are refused while there is room for those. Devices keep them and come again.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import asyncio as aioredis
from redis.exceptions import RedisError

from tracetrack_common.errors import OverloadedError
from tracetrack_common.ledger import LedgerKeys, LedgerState, queue_state_commands, read_queue_state
from tracetrack_common.log import get_logger
from tracetrack_common.settings import Settings
from tracetrack_gateway.background import end

log = get_logger(__name__)

BULK = "bulk"
FEW = "few"
FEW_SCANS = 20
"""A request with more is bulk: what a device had kept while it was away. Scans of a person at work come one by one."""

_LOOK_S = 0.5
_LOOKS_KEPT = 10
"""Five seconds: the rate at which the ledger empties is taken over them."""
_SPREAD = 0.5
_SPREAD_LEAST_S = 2.0


@dataclass(slots=True)
class Valve:
    """Closes at a load and opens again well below it, so that it does not flap.

    Parameters
    ----------
    closes_at, opens_below
        Loads.
    """

    closes_at: float
    opens_below: float
    is_closed: bool = False

    def follow(self, load: float) -> bool:
        """Take note of a load; tell whether that changed anything."""
        before = self.is_closed
        self.is_closed = load >= (self.opens_below if before else self.closes_at)
        return self.is_closed is not before


class Backpressure:
    """Tells whether there is room for more scans; it knows that from looks beside the requests.

    Parameters
    ----------
    redis
        The gateway's client.
    settings
        The limits.
    rng
        Scatters when refused devices come again.
    """

    def __init__(self, redis: aioredis.Redis, settings: Settings, rng: random.Random | None = None) -> None:
        self._redis = redis
        self._settings = settings
        self._rng = rng or random.Random()  # noqa: S311 - jitter is no secret
        self._valves = {BULK: Valve(0.8, 0.7), FEW: Valve(1.0, 0.9)}
        self._loads: deque[tuple[float, float]] = deque(maxlen=_LOOKS_KEPT)
        self._task: asyncio.Task[None] | None = None
        self.refused_scans = dict.fromkeys(self._valves, 0)

    @property
    def load(self) -> float:
        """How much of the limit is in use; from 1 on no scan is accepted."""
        return self._loads[-1][1] if self._loads else 0.0

    @property
    def refusing(self) -> list[str]:
        """What is refused now: nothing, ``bulk``, or ``few`` too."""
        return [size for size, valve in self._valves.items() if valve.is_closed]

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End looking."""
        if self._task is not None:
            await end(self._task)

    def admit(self, scans: int) -> None:
        """Let scans pass when there is room for them.

        Parameters
        ----------
        scans
            How many there are in the request.

        Raises
        ------
        OverloadedError
            There is none; its `retry_after_s` follows how fast the ledger empties.
        """
        size = FEW if scans <= FEW_SCANS else BULK
        valve = self._valves[size]
        if valve.is_closed:
            self.refused_scans[size] += scans
            raise OverloadedError(
                "Too many scans wait to be applied; nothing was accepted, keep it and send it again later.",
                retry_after_s=self._retry_after_s(valve),
            )

    def note(self, load: float, at: float) -> None:
        """Take note of a load.

        Parameters
        ----------
        load
            As `load_of` gives it.
        at
            Seconds of a clock that never goes back.
        """
        self._loads.append((at, load))
        for size, valve in self._valves.items():
            if valve.follow(load):
                log.warning("backpressure_changed", requests=size, refused=valve.is_closed, load=round(load, 3))

    def _retry_after_s(self, valve: Valve) -> int:
        """Give the seconds until there should be room again, scattered above that."""
        (began, first), (ended, load) = self._loads[0], self._loads[-1]
        emptied = first - load
        most_s = self._settings.retry_after_most_s
        wait_s = (load - valve.opens_below) / emptied * (ended - began) if emptied > 0 else math.inf
        wait_s = min(wait_s, most_s / (1 + _SPREAD))
        wait_s += self._rng.uniform(0, max(_SPREAD_LEAST_S, wait_s * _SPREAD))
        return max(1, min(most_s, math.ceil(wait_s)))

    async def _watch(self) -> None:
        while True:
            try:
                self.note(await self._look(), time.monotonic())
            except (RedisError, OSError) as error:
                # What was seen last stands: a Redis that does not answer accepts nothing anyway.
                log.debug("backpressure_not_seen", reason=str(error))
            except Exception:
                log.exception("backpressure_not_seen")
            await asyncio.sleep(_LOOK_S)

    async def _look(self) -> float:
        pipeline = self._redis.pipeline(transaction=False)
        queue_state_commands(pipeline, LedgerKeys("scans"), int(self._settings.lease_s * 1000))
        pipeline.info("memory")
        *answers, memory = await pipeline.execute(raise_on_error=False)
        # INFO is refused to some users of Redis: its memory is then somebody else's to watch.
        return load_of(read_queue_state(answers), {} if isinstance(memory, Exception) else memory, self._settings)


def load_of(state: LedgerState, memory: Mapping[str, Any], settings: Settings) -> float:
    """Give how much of the nearest limit is in use; 1 is all of it.

    Parameters
    ----------
    state
        Of the scans' ledger.
    memory
        Redis' `INFO memory`; empty where it is not known.
    settings
        The limits.
    """
    loads = [state.identities / settings.ledger_most_scans]
    if settings.ledger_most_age_s is not None:
        loads.append(state.oldest_age_s / settings.ledger_most_age_s)
    if most_memory := int(memory.get("maxmemory", 0)):
        loads.append(int(memory["used_memory"]) / most_memory / settings.redis_most_memory_share)
    return max(loads)
