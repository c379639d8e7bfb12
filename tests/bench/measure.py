"""One run: send, wait for the last commit, check the books, and say who used the processor."""

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import orjson
import psutil
import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class with a small name

from tests.bench.client import Job, Result
from tests.bench.pipelines import REPOSITORY, Pipeline
from tests.bench.workload import expected_duplicates, sacks_needed
from tests.support.servers import EmbeddedServers

SEND_DEADLINE_S = 60.0
COMMIT_DEADLINE_S = 180.0
LOOK_PAUSE_S = 0.02
SACKS = 200_000

_COUNT_LAST = "SELECT count(*) FROM scan WHERE scan_id = ANY(%s::uuid[])"
_COUNT = "SELECT count(*) FROM scan WHERE scan_id >= %s"


class BrokenRunError(Exception):
    """A run that may not count: something was refused, lost or done twice."""


class Books(NamedTuple):
    """What the database says about a run."""

    scans: int
    different: int
    applied: int
    duplicates: int
    links: int
    counted_children: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run gave.

    Parameters
    ----------
    scans
        Scans accepted and committed.
    seconds
        From the first request until the last scan was committed.
    sending_s
        From the first request until the last response.
    latencies_ms
        Of each request, from its last byte out to its response in.
    cpu_us
        Processor time by part, in microseconds per scan.
    """

    scans: int
    seconds: float
    sending_s: float
    latencies_ms: list[float]
    cpu_us: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Committed scans per second."""
        return self.scans / self.seconds


def run(servers: EmbeddedServers, pipeline: Pipeline, *, scans: int, batch: int) -> Run:
    """Send child scans through a pipeline and wait until all are committed.

    Parameters
    ----------
    scans
        How many, about: every device sends the same number of full requests.
    batch
        How many in a request; 1 takes the endpoint for one scan.

    Raises
    ------
    BrokenRunError
        When not every scan was accepted, committed once and counted once.
    """
    devices = max(1, min(len(pipeline.tokens), scans // batch))
    scans = devices * batch * max(1, round(scans / (devices * batch)))
    pids = {name: child.pid for name, child in pipeline.parts.items()}
    pids |= {"postgres": servers.postgres.pid, "valkey": servers.valkey.pid}
    known = {name: pid for name, pid in pids.items() if pid is not None}
    with closing(psycopg2.connect(pipeline.database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        client = Client(pipeline, devices=devices, scans=scans, batch=batch)
        before = {name: cpu_s(pid) for name, pid in known.items()}
        result = client.go()
        if result.accepted != scans:
            raise BrokenRunError(f"{pipeline.name} accepted {result.accepted} of {scans}: {result.first_refusal}")
        committed = wait_for_commit(cursor, result, scans)
        cpu = {name: cpu_s(pid) - before[name] for name, pid in known.items()} | {"client": result.cpu_s}
        check_books(cursor, pipeline, result)
    return Run(
        scans=scans,
        seconds=committed - result.started,
        sending_s=result.ended - result.started,
        latencies_ms=sorted(result.latencies_ms),
        cpu_us={name: seconds / scans * 1e6 for name, seconds in cpu.items()},
    )


class Client:
    """The load client's process, built, connected and waiting for the word."""

    def __init__(self, pipeline: Pipeline, *, devices: int, scans: int, batch: int) -> None:
        needed = sacks_needed(scans, devices)
        if pipeline.next_sack + needed > SACKS:
            raise BrokenRunError(f"{pipeline.name} has used up the {SACKS} codes of sacks: take fewer rounds")
        job = Job(
            host="127.0.0.1",
            port=pipeline.port,
            path="/api/v1/scans" if batch == 1 else "/api/v1/scans/batch",
            tokens=list(pipeline.tokens[:devices]),
            scans=scans,
            batch=batch,
            first_sack=pipeline.next_sack,
            deadline_s=SEND_DEADLINE_S,
        )
        pipeline.next_sack += needed
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        self._say(orjson.dumps(job._asdict()))
        if self._hear() != b"ready\n":
            raise BrokenRunError("the load client did not start")

    def go(self) -> Result:
        """Give the word and wait for the end of sending."""
        self._say(b"go")
        result = Result(**orjson.loads(self._hear()))
        self._process.wait()
        return result

    def _say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def _hear(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def wait_for_commit(cursor: Cursor, result: Result, scans: int) -> float:
    """Wait until all scans of a run are committed, and give the time of the look that found them.

    All are counted only when each device's last one is there: a count of all costs the database more than a look.

    Raises
    ------
    BrokenRunError
        When they are not there in time.
    """
    deadline = result.ended + COMMIT_DEADLINE_S
    found = 0
    while time.monotonic() < deadline:
        if count(cursor, _COUNT_LAST, result.last_ids) == len(result.last_ids):
            seen = time.monotonic()
            if (found := count(cursor, _COUNT, result.id_floor)) >= scans:
                return seen
        time.sleep(LOOK_PAUSE_S)
    raise BrokenRunError(f"after {COMMIT_DEADLINE_S:.0f} s {found} of {scans} scans were committed")


def count(cursor: Cursor, query: str, value: object) -> int:
    """Give the number that a query with one parameter answers."""
    cursor.execute(query, (value,))
    row = cursor.fetchone()
    return 0 if row is None else int(row[0])


def check_books(cursor: Cursor, pipeline: Pipeline, result: Result) -> None:
    """Compare what the database holds with what was sent: each scan once, each effect once.

    Raises
    ------
    BrokenRunError
        When they differ.
    """
    cursor.execute(pipeline.books, {"floor": result.id_floor})
    row = cursor.fetchone()
    assert row is not None
    found = Books(*map(int, row))
    duplicates = sum(expected_duplicates(count) for count in result.accepted_by_device)
    applied = result.accepted - duplicates
    wanted = Books(result.accepted, result.accepted, applied, duplicates, applied, applied)
    if found != wanted:
        raise BrokenRunError(f"{pipeline.name} has {found}, it should have {wanted}")


def cpu_s(pid: int) -> float:
    """Give the processor seconds of a process and all below it, those that have ended included."""
    process = psutil.Process(pid)
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
