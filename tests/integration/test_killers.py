"""Work that kills whoever handles it: it ends as failed work, and takes none of its neighbours with it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import event

from tests.support.ledgers import accept_command, accept_scans, is_empty, let_lease_run_out, open_ledger
from tests.support.scans import filled
from tests.support.warehouse import Warehouse, executor
from tracetrack_common.db.session import Database
from tracetrack_common.drain import Handled
from tracetrack_common.ledger import Entry, Ledger
from tracetrack_scan_worker.scans import ScanHandler

ENTRIES_AT_ONCE = 32
DEATHS_MOST = 10


class KilledError(BaseException):
    """Stands for the end of the process."""


def die_of(database: Database, statement_of: str, killer: str) -> None:
    """Have whoever writes this identity die in the middle of the statement."""

    def look(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith(statement_of) and killer in str(parameters):
            raise KilledError

    event.listen(database.engine, "before_cursor_execute", look)


def work_until_empty(redis: Redis, ledger: Ledger, handle: Callable[[Sequence[Entry]], Handled]) -> None:
    """Handle what there is, as workers do that come one after the other because each before them died."""
    deaths = 0
    while entries := ledger.take_over(ENTRIES_AT_ONCE) or ledger.take(ENTRIES_AT_ONCE):
        try:
            handled = handle(entries)
        except KilledError:
            deaths += 1
            assert deaths <= DEATHS_MOST
            let_lease_run_out(redis, entries, queue=ledger.keys.queue)
        else:
            ledger.settle(entries, handled.ids, handled.replies)


@pytest.mark.parametrize("per_entry", [1, 7])
def test_a_scan_that_kills_its_worker_is_the_only_one_set_aside(
    warehouse: Warehouse, redis: Redis, database: Database, per_entry: int
) -> None:
    scans = filled("SB00001", 28)
    killer = scans[11]
    for first in range(0, len(scans), per_entry):
        accept_scans(redis, scans[first : first + per_entry])
    ledger = open_ledger(redis)
    die_of(database, "INSERT INTO scan", killer.scan_id)

    work_until_empty(redis, ledger, ScanHandler(database, ledger, most=2_000).handle)

    assert warehouse.rows("SELECT reason, payload ->> 'scan_id' AS scan_id FROM failed_work") == [
        {"reason": "worker_died", "scan_id": killer.scan_id}
    ]
    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == 27
    assert is_empty(redis)


def test_a_command_that_kills_its_worker_is_the_only_one_set_aside(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    wanted = {"area": "lucknow", "capacity": 5, "destination": "Kanpur", "vehicle": None, "description": None}
    commands = [
        warehouse.command("bill.create", {**wanted, "bill_no": f"BILL-{number}"}, by=warehouse.biller)
        for number in range(12)
    ]
    for command in commands:
        accept_command(redis, command)
    die_of(database, "INSERT INTO bill (", "BILL-5")

    work_until_empty(redis, open_ledger(redis, queue="commands"), executor(database).handle)

    assert warehouse.rows("SELECT reason FROM failed_work") == [{"reason": "worker_died"}]
    assert warehouse.value("SELECT count(*) FROM bill") == 11
    assert warehouse.value("SELECT count(*) FROM bill WHERE bill_no = 'BILL-5'") == 0
    assert is_empty(redis, "commands")
