"""What operators look at: readiness, counts, queues."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from redis import asyncio as aioredis
from redis.exceptions import RedisError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from tracetrack_common import tally
from tracetrack_common.celery_app import DRAIN_TASKS
from tracetrack_common.domain.scans import Feedback, Outcome
from tracetrack_common.errors import UnavailableError
from tracetrack_common.ledger import LedgerKeys, LedgerState, queue_state_commands, read_queue_state
from tracetrack_gateway import storage
from tracetrack_gateway.backpressure import Backpressure
from tracetrack_gateway.nights import NightReader
from tracetrack_gateway.snapshots import Snapshots

_STATS_TTL_S = 1.0
_METRICS_WAIT_S = 0.5
"""How long metrics wait for Postgres, which may hang: they must be there then above all."""
_LOOK = text("SELECT 1 FROM scan LIMIT 1")


Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this process can do its work.

    Parameters
    ----------
    parts
        What each part it needs says; ``ok`` when it answers.
    ledgers
        Every ledger's state, by queue; empty when Redis does not answer.
    """

    parts: Mapping[str, str]
    ledgers: Mapping[str, LedgerState] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether every part answers."""
        return set(self.parts.values()) == {"ok"}


class Operations:
    """Answers how the system is.

    Parameters
    ----------
    redis
        The ledgers.
    snapshots
        The totals.
    backpressure
        What is refused.
    nights
        Which summaries are late.
    lease_s
        Seconds after which an entry counts as abandoned.
    """

    def __init__(
        self,
        redis: aioredis.Redis,
        snapshots: Snapshots,
        backpressure: Backpressure,
        nights: NightReader,
        *,
        lease_s: float,
    ) -> None:
        self._redis = redis
        self._snapshots = snapshots
        self.backpressure = backpressure
        self._lease_ms = int(lease_s * 1000)
        self._totals: tuple[dict[str, Any], float] | None = None
        self._failed_work = _LastKnown[dict[str, int]](lambda: snapshots.read(storage.count_failed_work), {})
        self._late_summaries = _LastKnown(nights.count_late, 0)
        self.cache_hits = 0
        self.cache_misses = 0

    async def ledgers(self) -> dict[str, LedgerState]:
        """Give the state of every ledger.

        Raises
        ------
        redis.exceptions.RedisError
            Redis does not answer.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for queue in DRAIN_TASKS:
            queue_state_commands(pipeline, LedgerKeys(queue), self._lease_ms)
        answers = await pipeline.execute(raise_on_error=False)
        each = len(answers) // len(DRAIN_TASKS)
        return {
            queue: read_queue_state(answers[number * each : (number + 1) * each])
            for number, queue in enumerate(DRAIN_TASKS)
        }

    async def readiness(self) -> Readiness:
        """Tell whether this process can do its work, within three seconds whatever hangs."""
        ledgers, database = await asyncio.gather(self._check_redis(), self._check_database())
        if isinstance(ledgers, str):
            return Readiness({"redis": ledgers, "database": database})
        return Readiness({"redis": "ok", "database": database}, ledgers)

    async def stats(self) -> dict[str, Any]:
        """Give counts and queue state; the ledgers are live, the counts at most a second old.

        Raises
        ------
        redis.exceptions.RedisError, sqlalchemy.exc.SQLAlchemyError
            A part does not answer.
        """
        ledgers = await self.ledgers()
        if self._totals is not None and self._totals[1] > time.monotonic():
            self.cache_hits += 1
        else:
            self.cache_misses += 1
            self._totals = (await self._snapshots.read(_count), time.monotonic() + _STATS_TTL_S)
        return {
            "ledger": {
                queue: waiting_document(state) | {"undelivered": state.undelivered} for queue, state in ledgers.items()
            },
            "backpressure": {
                "load": round(self.backpressure.load, 4),
                "refusing": self.backpressure.refusing,
                "refused_scans": self.backpressure.refused_scans,
            },
            **self._totals[0],
        }

    async def failed_work(self) -> dict[str, int]:
        """Give how much failed work is open, by queue; while Postgres does not answer, as it was when it last did."""
        return await self._failed_work.read()

    async def late_summaries(self) -> int:
        """Give how many end-of-day summaries are missing past their deadline; the same while Postgres is silent."""
        return await self._late_summaries.read()

    async def _check_redis(self) -> dict[str, LedgerState] | str:
        try:
            return await self.ledgers()
        except (RedisError, OSError) as error:
            return str(error) or type(error).__name__

    async def _check_database(self) -> str:
        try:
            await self._snapshots.read(lambda connection: connection.scalar(_LOOK))
        except UnavailableError as error:
            return error.detail
        except SQLAlchemyError as error:
            return str(getattr(error, "orig", error)).strip().splitlines()[0]
        return "ok"


class _LastKnown(Generic[Known]):
    """What Postgres says, or said when it last answered within the time that metrics wait for it."""

    def __init__(self, read: Callable[[], Coroutine[Any, Any, Known]], at_first: Known) -> None:
        self._read = read
        self._known = at_first
        self._reading: asyncio.Task[Known] | None = None

    async def read(self) -> Known:
        reading = self._reading = self._reading or asyncio.create_task(self._read())
        await asyncio.wait({reading}, timeout=_METRICS_WAIT_S)
        if reading.done():
            self._reading = None
            if reading.exception() is None:
                self._known = reading.result()
        return self._known


def waiting_document(state: LedgerState) -> dict[str, Any]:
    """Say how much waits in a ledger."""
    return {"entries": state.entries, "identities": state.identities, "oldest_age_s": state.oldest_age_s}


def _count(connection: Connection) -> dict[str, Any]:
    totals = tally.read(connection)
    failed = storage.count_failed_work(connection)
    by_outcome = {outcome.value: totals.get(f"scan.{outcome}", 0) for outcome in Outcome}
    by_feedback = {feedback.value: 0 for feedback in Feedback}
    for outcome in Outcome:
        by_feedback[outcome.feedback] += by_outcome[outcome.value]
    return {
        "failed_work": sum(failed.values()),
        "scans": {"total": sum(by_outcome.values()), "by_outcome": by_outcome, "by_feedback": by_feedback},
        "bags": {"parents": totals.get("bag.parent", 0), "children": totals.get("bag.child", 0)},
    }
