"""What each kind of request answers, and how soon, while a part is away, hangs or is full.

`python -m tests.bench.degraded`. The gateway, the workers, PostgreSQL and Valkey run as in operation. For each fault,
requests of every kind are sent, five at once and three times over, with twenty readers beside them; then the fault is
lifted and every kind is asked until it answers as before. Prints the figures of `docs/degraded-modes.md`.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
from redis import Redis

from tests.bench.pipelines import Pipeline, start_ours
from tests.support.hanging import hanging
from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tests.support.system import scan_of
from tests.support.warehouse import PASSWORD, Warehouse
from tracetrack_common.credentials import mirror_all
from tracetrack_common.db.session import Database

MOST_SCANS = 20_000
AT_ONCE = 5
ROUNDS = 3
READERS_BESIDE = 20
_READ_PAUSE_S = 0.5
BACK_WITHIN_S = 120.0
_BIG_BODY_BYTES = 600 * 1024
_HTTP_OK_BELOW = 300


class Ask(NamedTuple):
    """One kind of request; `content` is made anew for each."""

    name: str
    method: str
    path: str
    token: str | None = None
    content: Callable[[], bytes] | None = None
    wait_s: int | None = None


@dataclass
class Answers:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    times_ms: list[float] = field(default_factory=list)
    retry_after_s: set[int] = field(default_factory=set)

    def line(self) -> str:
        """Say it as a cell of a table."""
        statuses = ", ".join(f"{status}" for status, _ in self.statuses.most_common())
        retry = f" (Retry-After {min(self.retry_after_s)}-{max(self.retry_after_s)})" if self.retry_after_s else ""
        return f"{statuses}{retry}: {statistics.median(self.times_ms):,.0f} ms, most {max(self.times_ms):,.0f}"


Fault = Callable[["Stage"], Any]


@dataclass(frozen=True)
class Stage:
    """The running system and those who use it."""

    servers: EmbeddedServers
    pipeline: Pipeline
    asks: Sequence[Ask]

    def redis(self) -> Redis:
        """Give a client of the ledger's Redis."""
        return self.servers.valkey_server.connect()


@contextmanager
def nothing_wrong(_: Stage) -> Iterator[None]:
    """Leave everything as it is."""
    yield


@contextmanager
def killed(name: str, stage: Stage) -> Iterator[None]:
    """Kill a server; it is started again afterwards."""
    getattr(stage.servers, name).kill_group()
    yield
    stage.servers.restart()


@contextmanager
def hung(name: str, stage: Stage) -> Iterator[None]:
    """Stop a server's processes where they stand."""
    with hanging(getattr(stage.servers, name)):
        yield


@contextmanager
def redis_full(stage: Stage) -> Iterator[None]:
    """Let Redis take no more writes."""
    with closing(stage.redis()) as redis:
        limit = str(redis.config_get("maxmemory")["maxmemory"])
        redis.config_set("maxmemory", redis.info("memory")["used_memory"] // 2)
        try:
            yield
        finally:
            redis.config_set("maxmemory", limit)


@contextmanager
def workers_hung(stage: Stage) -> Iterator[None]:
    """Stop all workers where they stand."""
    with hanging(stage.pipeline.parts["worker"], stage.pipeline.parts["commands"]):
        yield


@contextmanager
def too_much_waits(share: float, stage: Stage) -> Iterator[None]:
    """Have nobody apply scans, and fill the ledger up to a share of its limit."""
    batch = next(ask for ask in stage.asks if ask.name == "20 scans")
    with hanging(stage.pipeline.parts["worker"]), closing(stage.redis()) as redis:
        with httpx.Client(base_url=_address(stage), trust_env=False) as client:
            while redis.hlen("tt:ledger:scans:ids") < share * MOST_SCANS:
                _send_now(client, batch)
        time.sleep(1.0)
        yield


FAULTS: dict[str, Fault] = {
    "nothing": nothing_wrong,
    "Redis away": partial(killed, "valkey"),
    "Redis hangs": partial(hung, "valkey"),
    "Redis full": redis_full,
    "Postgres away": partial(killed, "postgres"),
    "Postgres hangs": partial(hung, "postgres"),
    "workers hang": workers_hung,
    "80 % of the ledger's limit": partial(too_much_waits, 0.8),
    "all of the ledger's limit": partial(too_much_waits, 1.0),
}


def main() -> None:
    """Measure every fault, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.degraded", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(FAULTS), help="one fault alone; may be given again")
    wanted = parser.parse_args().only or list(FAULTS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracetrack-degraded-")))
        servers = stack.enter_context(EmbeddedServers(durable=True))
        pipeline = start_ours(servers, folder, ledger_most_scans=str(MOST_SCANS))
        stack.callback(pipeline.stop)
        stage = Stage(servers, pipeline, _asks_of(pipeline, servers))
        for name in wanted:
            print_fault(name, *asyncio.run(measure(stage, FAULTS[name])))


def print_fault(name: str, answers: dict[str, Answers], back_s: dict[str, float]) -> None:
    """Print the rows of one fault."""
    _say(f"\n{name}\n\n| request | answers: median, most | as before after |\n| --- | --- | --- |")
    for ask, given in answers.items():
        _say(f"| {ask} | {given.line()} | {back_s[ask]:.1f} s |")


async def measure(stage: Stage, fault: Fault) -> tuple[dict[str, Answers], dict[str, float]]:
    """Ask everything under a fault; give what was answered, and the seconds until each kind answers as before."""
    answers = {ask.name: Answers() for ask in stage.asks}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=_address(stage), trust_env=False, timeout=60.0, limits=limits) as client:
        with fault(stage):
            read = next(ask for ask in stage.asks if ask.name == "a bag")
            beside = [asyncio.create_task(_read_on(client, read)) for _ in range(READERS_BESIDE)]
            await asyncio.sleep(0.5)
            for _ in range(ROUNDS):
                for ask in stage.asks:
                    await asyncio.gather(*(_send(client, ask, answers[ask.name]) for _ in range(AT_ONCE)))
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        healed = time.monotonic()
        # What has ended is started again at once, as a supervisor does.
        for part in stage.pipeline.parts.values():
            if not part.is_running():
                _say(f"({part.name} had ended and is started again)")
                part.start()
        back = await asyncio.gather(*(_wait_until_back(client, ask, healed) for ask in stage.asks))
    return answers, dict(zip(answers, back, strict=True))


async def _send(client: httpx.AsyncClient, ask: Ask, answers: Answers) -> httpx.Response:
    began = time.perf_counter()
    answer = await client.request(ask.method, ask.path, **_request_of(ask))
    answers.times_ms.append((time.perf_counter() - began) * 1000)
    answers.statuses[answer.status_code] += 1
    if "retry-after" in answer.headers:
        answers.retry_after_s.add(int(answer.headers["retry-after"]))
    return answer


async def _read_on(client: httpx.AsyncClient, ask: Ask) -> None:
    while True:
        await _send(client, ask, Answers())
        await asyncio.sleep(_READ_PAUSE_S)


async def _wait_until_back(client: httpx.AsyncClient, ask: Ask, healed: float) -> float:
    """Give the seconds until a request is answered as when nothing is wrong, with its outcome where it waits for it."""
    wanted = range(200, 202) if ask.wait_s else range(200, _HTTP_OK_BELOW)
    while time.monotonic() < healed + BACK_WITHIN_S:
        with suppress(httpx.HTTPError):
            if (await _send(client, ask, Answers())).status_code in wanted:
                return time.monotonic() - healed
        await asyncio.sleep(0.1)
    raise AssertionError(f"{ask.name} does not come back")


def _send_now(client: httpx.Client, ask: Ask) -> None:
    client.request(ask.method, ask.path, **_request_of(ask)).raise_for_status()


def _request_of(ask: Ask) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if ask.token is not None:
        headers["Authorization"] = f"Bearer {ask.token}"
    if ask.wait_s is not None:
        headers["Prefer"] = f"wait={ask.wait_s}"
    return {"headers": headers, "content": ask.content() if ask.content is not None else None}


def _asks_of(pipeline: Pipeline, servers: EmbeddedServers) -> list[Ask]:
    """Give every kind of request, with credentials and a bag that are there."""
    settings = make_settings(pipeline.database_url, servers.redis_url(0))
    with (
        closing(Database(settings, application_name="bench-degraded")) as database,
        closing(servers.valkey_server.connect()) as redis,
    ):
        admin = Warehouse(database).person("admin")
        with database.snapshot() as connection:
            mirror_all(redis, connection)
    gun = pipeline.tokens[0]
    with httpx.Client(base_url=f"http://127.0.0.1:{pipeline.port}", trust_env=False, timeout=60.0) as client:
        _send_now(client, Ask("", "POST", "/api/v1/scans", gun, _scan, wait_s=30))
    login = orjson.dumps({"username": admin.username, "password": PASSWORD})
    bill = orjson.dumps({"area": "jaipur", "capacity": 5, "destination": "Delhi"})
    return [
        Ask("`/health`", "GET", "/health"),
        Ask("`/ready`", "GET", "/ready"),
        Ask("`/metrics`", "GET", "/metrics"),
        Ask("a scan", "POST", "/api/v1/scans", gun, _scan),
        Ask("a scan, `wait=2`", "POST", "/api/v1/scans", gun, _scan, wait_s=2),
        Ask("20 scans", "POST", "/api/v1/scans/batch", gun, partial(_batch, 20)),
        Ask("200 scans", "POST", "/api/v1/scans/batch", gun, partial(_batch, 200)),
        Ask("200 scans in 600 KB", "POST", "/api/v1/scans/batch", gun, partial(_batch, 200, _BIG_BODY_BYTES)),
        Ask("a command, `wait=2`", "POST", "/api/v1/bills", admin.token, lambda: bill, wait_s=2),
        Ask("a bag", "GET", "/api/v1/bags/SB00001", gun),
        Ask("bills", "GET", "/api/v1/bills", admin.token),
        Ask("`/api/stats`", "GET", "/api/stats", admin.token),
        Ask("a login", "POST", "/api/v1/sessions", None, lambda: login),
    ]


def _scan() -> bytes:
    return orjson.dumps(scan_of("parent", "SB00001"))


def _batch(scans: int, at_least_bytes: int = 0) -> bytes:
    return orjson.dumps({"scans": [scan_of("parent", "SB00001") for _ in range(scans)]}).ljust(at_least_bytes)


def _address(stage: Stage) -> str:
    return f"http://127.0.0.1:{stage.pipeline.port}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
