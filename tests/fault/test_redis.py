"""Redis killed, emptied, hung, full, demoted, and cut off from everybody."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from redis.exceptions import RedisError

from tests.fault.case import Case
from tests.fault.conftest import DEVICES, MakeCase
from tests.fault.fleet import Fleet
from tests.fault.sabotage import WORKERS, at_some_moment, count_restarts, find_process, kill, standing_still
from tests.support.system import RunningSystem, scan_of
from tests.support.waiting import eventually
from tracetrack_local import ports

WHILE_APPLYING_S = 0.25
HUNG_S = 30.0
FULL_S = 10.0
QUEUE = "scans"
"""Celery's list of messages in Redis has the queue's name."""
SUMMONED_WITHIN_S = 60.0
MEGABYTE = 1024 * 1024


@contextmanager
def nobody_exits(case: Case) -> Iterator[None]:
    """Hold that every process that talks to Redis lives on."""
    names = (*WORKERS, "gateway", "beat")
    before = count_restarts(case.system, *names)
    yield
    assert count_restarts(case.system, *names) == before


def test_redis_restart(case: Case) -> None:
    """Promised: what was accepted is on Redis' disk. Broken by SIGKILL of Redis into a backlog, and its restart."""
    with nobody_exits(case):
        for _ in case.runs(short=2, full=20):
            with case.backlog():
                at_some_moment(case.rng, within_s=WHILE_APPLYING_S)
                kill(find_process(case.system, "valkey"))
            case.send(200)
            case.await_recovery()
    case.close_books()


def test_summons_lost(case: Case) -> None:
    """Promised: a lost Celery message costs seconds. Broken by SIGKILL of who has it, and by emptying the queue."""
    for _ in case.runs(short=1, full=20):
        worker = find_process(case.system, "scan-worker")
        with standing_still(worker):
            # Redis hands the first message to the connection of the worker that stands still, and it dies with it.
            case.send(200)
            case.fleet.await_accepted()
            kill(worker)
            with case.system.redis() as redis:
                redis.delete(QUEUE)
        case.await_empty(within_s=SUMMONED_WITHIN_S)
    case.close_books()


@pytest.mark.full
def test_redis_emptied(make_case: MakeCase, system: RunningSystem, admin: httpx.Client, tmp_path: Path) -> None:
    """Promised: a lost Redis disk costs a resend. Broken by FLUSHALL into a backlog, with devices as in service."""
    with Fleet(system, tmp_path, size=DEVICES, resends=True).at_work(admin) as fleet:
        case = make_case(system, fleet)
        with nobody_exits(case):
            for _ in case.runs(short=1, full=10):
                with case.backlog():
                    at_some_moment(case.rng, within_s=WHILE_APPLYING_S)
                    with system.redis() as redis:
                        redis.flushall()
                case.await_recovery()
                eventually(lambda: fleet.waiting == 0, within_s=120)
        case.close_books()


@pytest.mark.full
def test_redis_hung(case: Case) -> None:
    """Promised: a Redis that hangs is answered with 503 within 3 s, nothing accepted. Broken by SIGSTOP, 30 s."""
    slowest_s = 0.0
    with nobody_exits(case):
        for _ in case.runs(short=1, full=2):
            with case.backlog(), standing_still(find_process(case.system, "valkey")):
                until = time.monotonic() + HUNG_S
                while time.monotonic() < until:
                    slowest_s = max(slowest_s, refused_s(case))
            case.await_recovery()
    case.figures.also["slowest 503 s"] = round(slowest_s, 2)
    case.close_books()


def refused_s(case: Case) -> float:
    """Submit a scan that must be refused with 503; give the seconds until the answer."""
    with case.system.client(case.fleet.probe_token) as device:
        began = time.monotonic()
        answer = device.post("/api/v1/scans", json=scan_of("parent", "MISPRINT-HUNG"))
        took_s = time.monotonic() - began
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    return took_s


@pytest.mark.full
def test_redis_connections_killed(case: Case) -> None:
    """Promised: nothing is lost with a connection. Broken by CLIENT KILL of all, again and again, under load."""
    kills = 0
    with nobody_exits(case):
        for _ in case.runs(short=1, full=5):
            with case.backlog(), case.system.redis() as redis:
                case.send()
                for _ in range(20):
                    at_some_moment(case.rng, within_s=WHILE_APPLYING_S)
                    kills += redis.client_kill_filter(_type="normal", skipme=True)
            case.await_recovery()
    case.figures.also["connections killed"] = kills
    case.close_books()


@pytest.mark.full
def test_redis_full(case: Case) -> None:
    """Promised: a full Redis refuses and loses nothing; no worker exits for good. Broken by maxmemory under load."""
    with nobody_exits(case):
        for _ in case.runs(short=1, full=3):
            with case.backlog(), case.system.redis() as redis:
                before = str(redis.config_get("maxmemory")["maxmemory"])
                case.send()
                redis.config_set("maxmemory", 1 * MEGABYTE)
                eventually(lambda: refused_s(case), within_s=FULL_S)
                at_some_moment(case.rng, within_s=FULL_S)
                redis.config_set("maxmemory", before)
            case.await_recovery()
    case.close_books()


@pytest.mark.full
def test_redis_demoted(case: Case) -> None:
    """Promised: a failover costs a pause. Broken by REPLICAOF a dead address under load, and back."""
    with nobody_exits(case):
        for _ in case.runs(short=1, full=3):
            with case.backlog(), case.system.redis() as redis:
                case.send()
                redis.replicaof("127.0.0.1", ports.choose_free())
                eventually(lambda: refused_s(case), within_s=FULL_S)
                at_some_moment(case.rng, within_s=FULL_S)
                promote(redis)
            case.await_recovery()
    case.close_books()


def promote(redis: object) -> None:
    """Make a replica a primary again; it may be busy with looking for the other."""

    def ask() -> bool:
        try:
            return bool(redis.execute_command("REPLICAOF", "NO", "ONE"))  # type: ignore[attr-defined]
        except RedisError:
            return False

    eventually(ask)
