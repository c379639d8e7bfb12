"""Nothing reaches the failed work that a retry would have cured, and what is at fault stands alone in it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tests.support.faults import failing_first, refusing
from tests.support.ledgers import accept_command, accept_scans, is_empty, let_lease_run_out, open_ledger
from tests.support.scans import child, filled
from tests.support.warehouse import Warehouse, executor
from tracetrack_common.commands import CommandExecutor
from tracetrack_common.contracts import Command, Origin
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.domain.scans import Scan
from tracetrack_common.drain import Drainer, Handled
from tracetrack_common.ledger import Entry, Ledger
from tracetrack_common.settings import Settings
from tracetrack_scan_worker.apply import Applied, Applier
from tracetrack_scan_worker.scans import ScanHandler

BILL = {"bill_no": "B-1", "area": "lucknow", "capacity": 2, "destination": "Delhi", "vehicle": None}
CURED = {
    "a serialization failure": "40001",
    "a deadlock": "40P01",
    "a lock that is not given": "55P03",
    "a statement timeout": "57014",
    "a full disk": "53100",
    "no memory": "53200",
    "too many connections": "53300",
    "a server that shuts down": "57P01",
    "a server that crashed": "57P02",
    "a server that starts": "57P03",
    "a demoted server": "25006",
    "a broken connection": "08006",
    "an error of the disk": "58030",
    "a process that was held up": "25P03",
}
RACES = {"a unique key": "23505", "a check or a partition": "23514", "a foreign key": "23503"}
"""What a constraint says of a row that another transaction's was faster than, as it says of one that is wrong."""
ROUNDS_MOST = 60


class WorkerDied(BaseException):
    """The worker's process is gone."""


def drain_scans(database: Database, redis: Redis) -> None:
    ledger = open_ledger(redis)
    Drainer(ledger, ScanHandler(database, ledger, most=100).handle, summon=lambda: None, lease_s=5.0).drain()


def drain_commands(database: Database, redis: Redis) -> None:
    Drainer(open_ledger(redis, queue="commands"), executor(database).handle, summon=lambda: None, lease_s=5.0).drain()


@pytest.mark.parametrize("sqlstate", CURED.values(), ids=CURED)
def test_what_another_try_cures_is_tried_again_until_it_is(
    warehouse: Warehouse, redis: Redis, database: Database, sqlstate: str
) -> None:
    accept_scans(redis, filled("SB00001", 2))
    accept_command(redis, warehouse.command("bill.create", BILL | {"description": None}, by=warehouse.biller))
    fault = f"RAISE EXCEPTION 'for a moment' USING ERRCODE = '{sqlstate}'"

    with failing_first(warehouse, "scan", fault, times=2):
        drain_scans(database, redis)
    with failing_first(warehouse, "bill", fault, times=2):
        drain_commands(database, redis)

    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == 2
    assert warehouse.value("SELECT count(*) FROM bill") == 1
    assert warehouse.value("SELECT count(*) FROM failed_work") == 0


def test_a_connection_that_is_lost_in_the_middle_costs_another_try(
    warehouse: Warehouse, redis: Redis, database: Database, settings: Settings
) -> None:
    accept_scans(redis, filled("SB00001", 2))
    accept_command(redis, warehouse.command("bill.create", BILL | {"description": None}, by=warehouse.biller))
    cut = "PERFORM pg_terminate_backend(pg_backend_pid())"
    other = Warehouse(Database(settings, application_name="tests-other"))

    with failing_first(other, "scan", cut, times=2):
        drain_scans(database, redis)
    with failing_first(other, "bill", cut, times=2):
        drain_commands(database, redis)

    assert other.value("SELECT children FROM bag WHERE code = 'SB00001'") == 2
    assert other.value("SELECT count(*) FROM bill") == 1
    assert other.value("SELECT count(*) FROM failed_work") == 0
    other.database.close()


@pytest.mark.parametrize("sqlstate", RACES.values(), ids=RACES)
@pytest.mark.parametrize("scans", [1, 20])
def test_a_constraint_that_decided_for_another_transaction_is_asked_once_more(
    warehouse: Warehouse, redis: Redis, database: Database, sqlstate: str, scans: int
) -> None:
    accept_scans(redis, filled("SB00001", scans))
    accept_command(redis, warehouse.command("bill.create", BILL | {"description": None}, by=warehouse.biller))
    fault = f"RAISE EXCEPTION 'another was faster' USING ERRCODE = '{sqlstate}'"

    with failing_first(warehouse, "scan", fault, times=1):
        drain_scans(database, redis)
    with failing_first(warehouse, "bill", fault, times=1):
        drain_commands(database, redis)

    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == scans
    assert warehouse.value("SELECT count(*) FROM bill") == 1
    assert warehouse.value("SELECT count(*) FROM failed_work") == 0


def test_what_is_wrong_in_itself_is_failed_work_at_once_and_says_why_in_a_line(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    accept_scans(redis, [child("CH12345", "SB00001")._replace(area_id=99)])
    accept_scans(redis, [good := child("CH12346", "SB00002")])

    drain_scans(database, redis)

    failed = warehouse.row("SELECT reason, detail, attempts FROM failed_work")
    assert (failed["reason"], failed["attempts"]) == ("not_applicable", 1)
    assert failed["detail"].startswith("ForeignKeyViolation: ")
    assert "CH12345" not in failed["detail"]
    assert warehouse.value("SELECT CAST(scan_id AS text) FROM scan") == good.scan_id
    assert is_empty(redis)


def test_a_pool_that_has_no_connection_to_give_and_a_process_without_memory_are_passing() -> None:
    assert is_transient(PoolTimeoutError("QueuePool limit of size 5 overflow 5 reached"))
    assert is_transient(MemoryError())
    assert not is_transient(ValueError("wrong for ever"))


def test_a_scan_that_kills_its_workers_takes_no_other_into_the_failed_work(
    warehouse: Warehouse, redis: Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = filled("SB00001", 20)
    killers = {scans[3].scan_id, scans[11].scan_id}
    accept_scans(redis, scans[:10])
    for scan in scans[10:]:
        accept_scans(redis, [scan])
    apply = Applier.apply

    def die(applier: Applier, given: Sequence[Scan], origins: Mapping[str, Origin]) -> Applied:
        if killers & {scan.scan_id for scan in given}:
            raise WorkerDied
        return apply(applier, given, origins)

    monkeypatch.setattr(Applier, "apply", die)
    work_until_done(redis, "scans", lambda ledger: ScanHandler(database, ledger, most=100).handle)

    failed = warehouse.rows("SELECT reason, payload ->> 'scan_id' AS scan_id FROM failed_work")
    assert {row["scan_id"] for row in failed} == killers
    assert {row["reason"] for row in failed} == {"worker_died"}
    assert warehouse.value("SELECT count(*) FROM scan") == 18
    assert is_empty(redis)


def test_a_command_that_kills_its_workers_takes_no_other_into_the_failed_work(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    by = warehouse.biller
    harmless = [warehouse.command("harmless", {"number": number}, by=by) for number in range(6)]
    killers = [warehouse.command("killer", {}, by=by) for _ in range(2)]
    for command in (*harmless[:2], killers[0], *harmless[2:4], killers[1], *harmless[4:]):
        accept_command(redis, command)

    def kill(_: Connection, command: Command) -> dict[str, Any]:
        if command.name == "killer":
            raise WorkerDied
        return {}

    def handler(ledger: Ledger) -> Callable[[Sequence[Entry]], Handled]:
        handlers = {"harmless": kill, "killer": kill}
        return CommandExecutor(database, queue="commands", handlers=handlers, ledger=ledger).handle

    work_until_done(redis, "commands", handler)

    failed = warehouse.rows("SELECT reason, payload ->> 'command_id' AS command_id FROM failed_work")
    assert {row["command_id"] for row in failed} == {command.command_id for command in killers}
    assert {row["reason"] for row in failed} == {"worker_died"}
    assert warehouse.value("SELECT count(*) FROM command") == 6
    assert is_empty(redis, "commands")


def test_a_database_that_hangs_until_its_workers_are_killed_is_held_against_no_scan(
    warehouse: Warehouse, redis: Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept_scans(redis, filled("SB00001", 5))
    hangs = 40
    was_applied = Applier.was_applied
    apply = Applier.apply

    def hang() -> None:
        nonlocal hangs
        if hangs:
            hangs -= 1
            raise WorkerDied

    def apply_hanging(applier: Applier, given: Sequence[Scan], origins: Mapping[str, Origin]) -> Applied:
        hang()
        return apply(applier, given, origins)

    def look_hanging(applier: Applier, scan_id: str) -> bool:
        hang()
        return was_applied(applier, scan_id)

    monkeypatch.setattr(Applier, "apply", apply_hanging)
    monkeypatch.setattr(Applier, "was_applied", look_hanging)
    work_until_done(redis, "scans", lambda ledger: ScanHandler(database, ledger, most=100).handle)

    assert hangs == 0
    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == 5
    assert warehouse.value("SELECT count(*) FROM failed_work") == 0


def test_a_defect_of_one_table_fails_what_needs_it_and_nothing_else(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    accept_scans(redis, filled("SB00001", 3))
    with refusing(warehouse, "bag_link", "true"):
        drain_scans(database, redis)

    assert warehouse.value("SELECT count(*) FROM failed_work WHERE reason = 'not_applicable'") == 3
    assert warehouse.value("SELECT count(*) FROM scan") == 0
    assert is_empty(redis)


def work_until_done(
    redis: Redis, queue: str, handler: Callable[[Ledger], Callable[[Sequence[Entry]], Handled]]
) -> None:
    """Have one worker after the other take what there is, each until it dies, until nothing is left."""
    for number in range(ROUNDS_MOST):
        ledger = open_ledger(redis, consumer=f"worker-{number}", queue=queue)
        handle = handler(ledger)
        while entries := ledger.take_over(32) or ledger.take(32):
            try:
                handled = handle(entries)
            except WorkerDied:
                let_lease_run_out(redis, entries, queue=queue)
                break
            ledger.settle(entries, handled.ids, handled.replies, handled.deliveries)
        else:
            return
    raise AssertionError(f"after {ROUNDS_MOST} workers there is still something left")
