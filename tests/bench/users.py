"""People and devices in a shift: each acts, looks at the answer, takes the next bag in the hand."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from tests.bench.http1 import Connection, Response, request_bytes
from tests.bench.warehouse import FIRST_NEW_SACK, Warehouse
from tests.bench.workload import child_code, device_scans, now_ms, sack_code

WAIT_S = 5
SACKS_PER_USER = 2_000
SCANS_PER_USER = 40_000
OK = 200

# A shift is scanning; now and then somebody looks something up.
MIX: Mapping[str, int] = {"scan": 70, "bag": 15, "bill": 10, "stats": 5}


class Floor(NamedTuple):
    """Where the users work.

    Parameters
    ----------
    host, port
        The gateway.
    device_tokens
        One per user.
    session_token
        For looking things up.
    warehouse
        What can be looked up.
    """

    host: str
    port: int
    device_tokens: Sequence[str]
    session_token: str
    warehouse: Warehouse


@dataclass
class Shift:
    """What happened.

    Parameters
    ----------
    latencies_ms
        By action.
    failures
        Counted by action and what was wrong; a scan that was waited for in vain is one.
    seconds
        How long it lasted.
    """

    latencies_ms: dict[str, list[float]] = field(default_factory=lambda: {action: [] for action in MIX})
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class User:
    """One person with a device.

    Parameters
    ----------
    number
        Which one.
    floor
        Where.
    shift
        Where the latencies go.
    """

    def __init__(self, number: int, floor: Floor, shift: Shift) -> None:
        self._floor = floor
        self._shift = shift
        self._rng = random.Random(number)  # noqa: S311 - a load, no secret
        self._token = floor.device_tokens[number]
        at_ms = now_ms()
        self._scans = device_scans(FIRST_NEW_SACK + number * SACKS_PER_USER, SCANS_PER_USER, at_ms, epoch=at_ms // 1000)
        self._actions: Mapping[str, Callable[[], bytes]] = {
            "scan": self._scan,
            "bag": self._bag,
            "bill": self._bill,
            "stats": self._stats,
        }

    async def work(self, until: float, think_s: float) -> None:
        """Act until the time is up, with pauses of half to one and a half times the given length."""
        connection = await self._connect()
        await asyncio.sleep(self._rng.uniform(0, think_s))
        while time.monotonic() < until:
            action = self._rng.choices(list(MIX), list(MIX.values()))[0]
            request = self._actions[action]()
            started = time.perf_counter()
            try:
                response = await connection.ask(request)
            except OSError as error:
                self._shift.failures[f"{action}: {error}"] += 1
                connection = await self._connect()
            else:
                self._note(action, response, (time.perf_counter() - started) * 1000)
            pause_s = self._rng.uniform(think_s / 2, think_s * 3 / 2)
            await asyncio.sleep(max(0.0, min(pause_s, until - time.monotonic())))
        connection.close()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._floor.host, self._floor.port)
        return connection

    def _note(self, action: str, response: Response, latency_ms: float) -> None:
        self._shift.latencies_ms[action].append(latency_ms)
        if response.status != OK:
            self._shift.failures[f"{action}: {response.status} {response.body[:100].decode(errors='replace')}"] += 1

    def _scan(self) -> bytes:
        now = time.time_ns() // 1_000_000
        sent_at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1000)) + f".{now % 1000:03d}Z"
        scan = {**next(self._scans), "scanned_at": sent_at, "sent_at": sent_at}
        return self._request("POST", "/api/v1/scans", self._token, orjson.dumps(scan), (f"Prefer: wait={WAIT_S}",))

    def _bag(self) -> bytes:
        sack = self._rng.randrange(self._floor.warehouse.sacks)
        code = child_code(sack, self._rng.randrange(30)) if self._rng.random() < 0.5 else sack_code(sack)
        return self._request("GET", f"/api/v1/bags/{code}", self._floor.session_token)

    def _bill(self) -> bytes:
        number = self._rng.randrange(self._floor.warehouse.bills)
        return self._request("GET", f"/api/v1/bills/OLD-{number:05d}", self._floor.session_token)

    def _stats(self) -> bytes:
        return self._request("GET", "/api/stats", self._floor.session_token)

    def _request(self, method: str, path: str, token: str, body: bytes = b"", headers: tuple[str, ...] = ()) -> bytes:
        host = f"{self._floor.host}:{self._floor.port}"
        return request_bytes(method, path, host=host, token=token, body=body, headers=headers)


async def work_shift(floor: Floor, *, seconds: float, think_s: float) -> Shift:
    """Let all users work at once, and give what happened."""
    shift = Shift()
    started = time.monotonic()
    users = [User(number, floor, shift) for number in range(len(floor.device_tokens))]
    await asyncio.gather(*(user.work(started + seconds, think_s) for user in users))
    shift.seconds = time.monotonic() - started
    return shift
