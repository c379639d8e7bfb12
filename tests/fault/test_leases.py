"""Who holds what: work that takes longer than its lease, and workers that stood still."""

import time
from typing import Any, cast

from redis import Redis

from tests.fault.case import Case
from tests.fault.sabotage import at_some_moment, find_pool, find_process, standing_still
from tests.fault.waves import new_child, new_sack
from tests.support.waiting import eventually
from tracetrack_common.ledger import GROUP, LedgerKeys

STREAM = LedgerKeys("scans").stream
LEASES = 1.6
PAUSE_S = 0.3


def holder_of(redis: Redis, code: str) -> tuple[bytes, int] | None:
    """Give who holds the entry with a scan of this code, and how often it was handed out."""
    entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(STREAM))
    for entry_id, fields in entries:
        if code.encode() in fields[b"e"]:
            held = cast(
                "list[dict[str, Any]]", redis.xpending_range(STREAM, GROUP, min=entry_id, max=entry_id, count=1)
            )
            return (held[0]["consumer"], held[0]["times_delivered"]) if held else None
    return None


def test_work_that_takes_longer_than_its_lease(case: Case) -> None:
    """Promised: what one worker holds no other takes. Broken by a Postgres that hangs for longer than the lease."""
    for _ in case.runs(short=1, full=5):
        child = new_child()
        with standing_still(find_process(case.system, "postgres")):
            case.submit("child", child, new_sack())
            watch_holder(case, child)
        case.await_recovery()
    case.close_books()


def watch_holder(case: Case, code: str) -> None:
    """Hold that an entry stays with whoever has it, while the others are called again and again."""
    with case.system.redis() as redis:
        first = eventually(lambda: holder_of(redis, code))
        until = time.monotonic() + LEASES * case.lease_s
        while time.monotonic() < until:
            case.summon()
            assert holder_of(redis, code) == first
            at_some_moment(case.rng, within_s=PAUSE_S)


def test_worker_that_stood_still(case: Case) -> None:
    """Promised: a worker that comes back too late changes nothing. Broken by SIGSTOP of a busy one beyond its lease."""
    for _ in case.runs(short=1, full=10):
        with case.backlog():
            at_some_moment(case.rng, within_s=0.1)
            with standing_still(case.rng.choice(find_pool(case.system, "scan-worker"))):
                case.send(200)
                case.await_empty()
        case.await_recovery()
    assert find_process(case.system, "scan-worker").is_running()
    case.close_books()
