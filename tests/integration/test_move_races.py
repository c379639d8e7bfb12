"""Undo and relink at the same moment as one another and as scans: each happens wholly or not at all."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.books import assert_counts_follow_history, assert_totals_follow_rows
from tests.support.scans import child, filled, load
from tests.support.settings import make_settings
from tests.support.together import at_once
from tests.support.warehouse import Warehouse, executor
from tracetrack_common.contracts import Command, encode_command
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.domain.scans import Outcome
from tracetrack_common.ledger import Entry
from tracetrack_common.settings import Settings

ROUNDS = 10
CROWD = 12
SACKS = [f"SB{number:05d}" for number in range(1, ROUNDS + 1)]
OTHERS = [code.replace("SB0", "SB1") for code in SACKS]


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[Warehouse]:
    """Give a warehouse in which a crowd can work at once, a connection each."""
    roomy = make_settings(
        settings.database_url.get_secret_value(), settings.redis_url.get_secret_value(), db_pool_size=2 * CROWD
    )
    database = Database(roomy, application_name="tests-crowd")
    yield Warehouse(database)
    database.close()


def undo_newest(warehouse: Warehouse, sack: str) -> Command:
    return warehouse.command("bag.undo", {"code": sack, "child": None}, by=warehouse.biller)


def undo_named(warehouse: Warehouse, sack: str, code: str) -> Command:
    return warehouse.command("bag.undo", {"code": sack, "child": code}, by=warehouse.biller)


def relink(warehouse: Warehouse, code: str, into: str) -> Command:
    return warehouse.command("bag.relink", {"code": code, "parent_code": into}, by=warehouse.biller)


def execute(warehouse: Warehouse, command: Command) -> str:
    """Execute a command as a worker of its own would, again while what fails is transient, and give its status."""
    while True:
        try:
            executor(warehouse.database).handle([Entry(b"0-1", encode_command(command))])
        except Exception as error:
            if not is_transient(error):
                raise
        else:
            return warehouse.outcome(command)[0]


def scan_in(warehouse: Warehouse, code: str, sack: str) -> str:
    (result,) = Warehouse(warehouse.database).apply([child(code, sack)])
    return result.outcome


def together(warehouse: Warehouse, *commands: Command) -> list[str]:
    return at_once([partial(execute, warehouse, command) for command in commands])


def count_of(warehouse: Warehouse, sack: str) -> Any:
    return warehouse.value("SELECT children FROM bag WHERE code = :code", code=sack)


def test_an_undo_and_a_scan_into_the_same_full_sack_leave_it_exactly_full_or_one_short(warehouse: Warehouse) -> None:
    warehouse.apply([scan for code in SACKS for scan in filled(code, 30)])

    for sack in SACKS:
        status, outcome = at_once(
            [partial(execute, warehouse, undo_newest(warehouse, sack)), partial(scan_in, warehouse, f"N{sack}", sack)]
        )

        assert status == "done"
        assert count_of(warehouse, sack) == (30 if outcome == Outcome.APPLIED else 29)
        assert outcome in {Outcome.APPLIED, Outcome.PARENT_FULL}
    assert_counts_follow_history(warehouse)
    assert_totals_follow_rows(warehouse)


def test_of_many_undos_of_one_scan_at_once_one_is_done_and_the_others_are_refused(warehouse: Warehouse) -> None:
    for sack in SACKS:
        scans = filled(sack, 3)
        warehouse.apply(scans)
        commands = [
            warehouse.command("scan.undo", {"scan_id": scans[1].scan_id}, by=warehouse.biller) for _ in range(CROWD)
        ]

        assert sorted(together(warehouse, *commands)) == ["done"] + ["refused"] * (CROWD - 1)
        assert count_of(warehouse, sack) == 2
    assert warehouse.value("SELECT count(*) FROM scan_undo") == ROUNDS
    assert_counts_follow_history(warehouse)


def test_undos_of_the_newest_scan_at_once_each_take_another_child_out(warehouse: Warehouse) -> None:
    for sack in SACKS:
        warehouse.apply(filled(sack, 10))

        statuses = together(warehouse, *[undo_newest(warehouse, sack) for _ in range(CROWD)])

        assert sorted(statuses) == ["done"] * 10 + ["refused"] * (CROWD - 10)
        assert count_of(warehouse, sack) == 0
    assert warehouse.value("SELECT count(*) FROM scan_undo") == 10 * ROUNDS
    assert_counts_follow_history(warehouse)


def test_relinks_into_the_last_place_of_a_sack_at_once_fill_it_exactly(warehouse: Warehouse) -> None:
    for sack, full in zip(SACKS, OTHERS, strict=True):
        scans = filled(sack, 5)
        warehouse.apply([*scans, *filled(full, 28, prefix=f"F{full}")])

        statuses = together(warehouse, *[relink(warehouse, scan.code, full) for scan in scans])

        assert sorted(statuses) == ["done"] * 2 + ["refused"] * 3
        assert (count_of(warehouse, sack), count_of(warehouse, full)) == (3, 30)
    assert_counts_follow_history(warehouse)


def test_two_children_that_change_places_at_once_do_both(warehouse: Warehouse) -> None:
    for sack, other in zip(SACKS, OTHERS, strict=True):
        warehouse.apply([child(f"C{sack}", sack), child(f"C{other}", other)])

        statuses = together(warehouse, relink(warehouse, f"C{sack}", other), relink(warehouse, f"C{other}", sack))

        assert statuses == ["done", "done"]
    assert_counts_follow_history(warehouse)


def test_a_child_that_is_undone_relinked_and_scanned_at_once_is_in_one_sack_or_none(warehouse: Warehouse) -> None:
    for sack, other in zip(SACKS, OTHERS, strict=True):
        code = f"C{sack}"
        warehouse.apply([child(code, sack), child(f"C{other}", other)])

        at_once(
            [
                partial(execute, warehouse, undo_named(warehouse, sack, code)),
                partial(execute, warehouse, relink(warehouse, code, other)),
                partial(scan_in, warehouse, code, other),
            ]
        )

        assert count_of(warehouse, sack) == 0
        assert count_of(warehouse, other) in {1, 2}
    assert_counts_follow_history(warehouse)


def test_a_sack_is_undone_before_its_bill_is_completed_or_not_at_all(warehouse: Warehouse) -> None:
    for sack in SACKS:
        bill_no = f"BILL-{sack}"
        warehouse.bill(bill_no, capacity=1)
        warehouse.apply([*filled(sack, 2), load(sack, bill_no)])
        complete = warehouse.command("bill.complete", {"bill_no": bill_no, "reason": None}, by=warehouse.biller)

        undone, completed = together(warehouse, undo_newest(warehouse, sack), complete)

        noted = warehouse.value(
            "SELECT CAST(after ->> 'children' AS int) FROM audit_log WHERE action = 'bill.complete' AND object = :bill",
            bill=f"bill:{bill_no}",
        )
        assert completed == "done"
        assert count_of(warehouse, sack) == noted == (1 if undone == "done" else 2)
    assert_counts_follow_history(warehouse)


def test_a_sack_is_deleted_or_takes_a_child_and_never_both(warehouse: Warehouse) -> None:
    warehouse.apply([scan for sack in SACKS for scan in filled(sack, 1)])
    for sack in SACKS:
        execute(warehouse, undo_newest(warehouse, sack))
        delete = warehouse.command("bag.delete", {"code": sack}, by=warehouse.biller)

        at_once([partial(execute, warehouse, delete), partial(scan_in, warehouse, f"N{sack}", sack)])

        row = warehouse.row("SELECT children, deleted_at FROM bag WHERE code = :code", code=sack)
        assert row == {"children": 1, "deleted_at": None}
    assert_counts_follow_history(warehouse)
