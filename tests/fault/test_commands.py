"""What people ask for: workers and the gateway killed while commands are under way."""

import pytest
from sqlalchemy import text

from tests.fault.case import Case
from tests.fault.office import Office
from tests.fault.sabotage import at_some_moment, find_process, kill, standing_still
from tracetrack_common.ids import uuid7

BILLS = 60

_BILLS = text("SELECT count(*) FROM bill WHERE destination = :destination")
_AUDITED = text(
    "SELECT count(*) FROM audit_log WHERE action = 'bill.create' AND after ->> 'destination' = :destination"
)


@pytest.mark.parametrize("process", ["command-worker", "gateway", "valkey"])
def test_kill_with_commands_under_way(case: Case, process: str) -> None:
    """Promised: a command is done once, however often it is asked. Broken by SIGKILL while bills are being made."""
    destination = f"Kanpur {uuid7()}"
    bill = {"area": "lucknow", "capacity": 5, "destination": destination}
    office = Office(case)
    for _ in case.runs(short=1, full=20):
        with office.asking([("/api/v1/bills", bill)] * BILLS):
            with standing_still(find_process(case.system, "command-worker")):
                case.await_commands(BILLS // 10)
            at_some_moment(case.rng, within_s=0.5)
            kill(find_process(case.system, process))
        case.await_recovery()
    with case.database() as database, database.snapshot() as connection:
        bills = connection.scalar(_BILLS, {"destination": destination}) or 0
        audited = connection.scalar(_AUDITED, {"destination": destination}) or 0
    lost = office.undone()
    case.figures.also |= {"commands": len(office.asked), "lost": len(lost), "doubled": bills - len(office.asked)}
    assert lost == []
    assert bills == audited == len(office.asked)
    case.close_books()
