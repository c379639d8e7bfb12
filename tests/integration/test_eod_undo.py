"""What is undone, moved or deleted counts by when it was asked for (domain.md, End of day)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.support.eod_summaries import make, make_content
from tests.support.scans import ORIGIN, child, filled, load, sack
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
END = START + timedelta(days=1)
NIGHT = END + timedelta(minutes=15)
MORNING, EVENING = START + timedelta(hours=9), START + timedelta(hours=20)


@pytest.fixture
def worked(warehouse: Warehouse) -> Warehouse:
    """Have a full sack on a bill, one with a child beside it, and an empty one."""
    gun = warehouse.device()
    do(warehouse, "bill.create", MORNING, bill_no="B-1", area="lucknow", capacity=2, destination="Delhi")
    scans = [*filled("SB00001", 30), load("SB00001", "B-1"), child("CH00001", "SB00002"), sack("SB00003")]
    warehouse.apply([scan._replace(scanned_at=MORNING, device_time=MORNING, device_id=gun.device_id) for scan in scans])
    return warehouse


def do(warehouse: Warehouse, name: str, at: datetime, **arguments: Any) -> None:
    """Have a command done that was received at this moment."""
    if name == "bill.create":
        arguments |= {"vehicle": None, "description": None}
    command = warehouse.command(name, arguments, by=warehouse.biller, origin=replace(ORIGIN, received_at=at))
    warehouse.execute(command)
    status, outcome = warehouse.outcome(command)
    assert status == "done", outcome


def change_everything(warehouse: Warehouse, at: datetime) -> None:
    do(warehouse, "bag.undo", at, code="SB00001", child="C00001030")
    do(warehouse, "bag.relink", at, code="C00001029", parent_code="SB00002")
    do(warehouse, "bag.delete", at, code="SB00003")


def figures(content: dict[str, Any]) -> tuple[int, int, dict[str, int]]:
    (bill,) = content["bills"]["list"]
    underfilled = {row["code"]: row["children"] for row in content["exceptions"]["sacks_underfilled"]}
    return bill["children"], content["scans"]["children_linked"], underfilled


@pytest.mark.parametrize("area", ["lucknow", None])
@pytest.mark.parametrize("at", [END, END + timedelta(hours=9)])
def test_what_is_undone_moved_or_deleted_after_the_days_end_changes_nothing_in_it(
    worked: Warehouse, database: Database, settings: Settings, area: str | None, at: datetime
) -> None:
    on_time = make_content(database, settings, area, DAY, NIGHT)

    change_everything(worked, at)

    assert not make(database, settings, area, DAY, END + timedelta(days=2)).made
    assert figures(on_time) == (30, 31, {"SB00002": 1, "SB00003": 0})


def test_a_summary_made_after_an_undo_of_the_next_day_is_the_one_that_would_have_been_made_on_time(
    worked: Warehouse, database: Database, settings: Settings
) -> None:
    change_everything(worked, END + timedelta(hours=1))

    content = make_content(database, settings, "lucknow", DAY, END + timedelta(days=2))

    assert figures(content) == (30, 31, {"SB00002": 1, "SB00003": 0})


def test_what_is_undone_moved_or_deleted_within_the_day_counts_in_it_and_the_scans_stay_counted(
    worked: Warehouse, database: Database, settings: Settings
) -> None:
    change_everything(worked, EVENING)

    content = make_content(database, settings, "lucknow", DAY, NIGHT)

    assert figures(content) == (28, 31, {"SB00001": 28, "SB00002": 2})


def test_an_undo_of_the_day_that_is_done_after_the_run_makes_a_revision(
    worked: Warehouse, database: Database, settings: Settings
) -> None:
    make(database, settings, "lucknow", DAY, NIGHT)

    do(worked, "bag.undo", EVENING, code="SB00001", child="C00001030")

    content = make_content(database, settings, "lucknow", DAY, END + timedelta(days=1))
    assert (content["revision"], figures(content)[0]) == (2, 29)


def test_a_child_is_in_one_sack_at_any_moment_even_when_an_older_scan_of_it_arrives_after_an_undo(
    worked: Warehouse, database: Database, settings: Settings
) -> None:
    do(worked, "bag.undo", EVENING, code="SB00001", child="C00001030")
    older = child("C00001030", "SB00002", at=MORNING + timedelta(minutes=1))

    worked.apply([older])

    links = worked.rows(
        "SELECT valid_from, valid_until FROM bag_link JOIN bag ON bag_id = child_id WHERE code = 'C00001030'"
        " ORDER BY valid_from"
    )
    assert [tuple(link.values()) for link in links] == [(MORNING, EVENING), (EVENING, None)]
    assert figures(make_content(database, settings, None, DAY, NIGHT))[2]["SB00002"] == 2
