"""Who holds what: work that takes longer than its lease, and workers that stood still."""

from collections.abc import Callable
from typing import Any

from redis import Redis
from sqlalchemy import text

from tests.fault.case import Case
from tests.fault.sabotage import at_some_moment, find_pool, find_process, standing_still
from tests.fault.test_duplicates import await_held_back
from tests.fault.waves import new_child, new_sack
from tests.support.waiting import eventually
from tracetrack_common.ledger import GROUP, LedgerKeys

STREAM = LedgerKeys("scans").stream
LEASES = 1.6
PROBE_S = 0.3


def holder_of(redis: Redis, code: str) -> tuple[str, int] | None:
    """Give who holds the entry with a scan of this code, and how often it was handed out."""
    for entry_id, fields in redis.xrange(STREAM):
        if code.encode() in fields[b"e"]:
            pending = redis.xpending_range(STREAM, GROUP, min=entry_id, max=entry_id, count=1)
            return (pending[0]["consumer"].decode(), pending[0]["times_delivered"]) if pending else None
    return None


def test_work_that_takes_longer_than_its_lease(case: Case) -> None:
    """Promised: what one worker holds no other takes. Broken by a row lock that holds a worker up beyond its lease."""
    for _ in case.runs(short=1, full=5):
        sack, child = new_sack(), new_child()
        case.submit("parent", sack)
        case.await_empty()
        with case.database() as database, case.system.redis() as redis:
            with database.transaction() as connection:
                connection.execute(text("SELECT FROM bag WHERE code = :code FOR UPDATE"), {"code": sack})
                case.submit("child", child, sack)
                await_held_back(connection, 1)
                first = eventually(lambda: holder_of(redis, child))
                look_for(case, LEASES * case.lease_s, lambda: holder_of(redis, child), first)
        case.await_recovery()
    case.close_books()


def look_for(case: Case, seconds: float, look: Callable[[], Any], expected: object) -> None:
    """Hold that what is seen stays as it is, while the other worker is kept busy with scans of its own."""
    for _ in range(max(1, round(seconds / PROBE_S))):
        case.probe()
        assert look() == expected
        at_some_moment(case.rng, within_s=2 * PROBE_S)


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
