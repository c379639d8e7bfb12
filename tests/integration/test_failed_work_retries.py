"""Nothing reaches the failed work that a retry would have cured, and what is at fault stands alone in it."""

import pytest
from redis import Redis
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tests.support.faults import failing_first, refusing
from tests.support.ledgers import accept_command, accept_scans, is_empty, open_ledger
from tests.support.scans import child, filled
from tests.support.warehouse import Warehouse, executor
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.drain import Drainer
from tracetrack_common.settings import Settings
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


def test_a_defect_of_one_table_fails_what_needs_it_and_nothing_else(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    accept_scans(redis, filled("SB00001", 3))
    with refusing(warehouse, "bag_link", "true"):
        drain_scans(database, redis)

    assert warehouse.value("SELECT count(*) FROM failed_work WHERE reason = 'not_applicable'") == 3
    assert warehouse.value("SELECT count(*) FROM scan") == 0
    assert is_empty(redis)
