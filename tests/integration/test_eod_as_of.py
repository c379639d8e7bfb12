"""A summary shows its day as of the window's end, whenever it is made (domain.md, End of day)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.support.eod_summaries import figures_of, make, make_content, read_content, writing
from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
END = START + timedelta(days=1)
NIGHT = END + timedelta(minutes=15)
MUCH_LATER = END + timedelta(days=3)
JUST_BEFORE = END - timedelta(microseconds=1)


@pytest.fixture
def evening(database: Database) -> Database:
    """Write a bill in process with a sack on it, and a sack with two children beside it."""
    with writing(database) as history:
        history.enrol("ako-1", "akola")
        history.hire("asha")
        history.open_bill("A-1", "akola", at=START + timedelta(hours=8), by="asha")
        history.fill("SB00001", 30, at=START + timedelta(hours=9), device="ako-1")
        history.load("SB00001", "A-1", at=START + timedelta(hours=10), device="ako-1")
        history.fill("SB00002", 2, at=START + timedelta(hours=11), device="ako-1")
        history.open_return("RTN-20260303-0001", "akola", at=START + timedelta(hours=8), by="asha")
    return database


def go_on(database: Database, at: datetime) -> None:
    """Do all that can change a figure: fill, load, take out, take back, complete, open, refuse."""
    with writing(database) as history:
        history.fill("SB00002", 28, at=at, device="ako-1", prefix="L")
        history.load("SB00002", "A-1", at=at, device="ako-1")
        history.take_out("KSB00001N0", at=at)
        history.take_back("SB00001", "RTN-20260303-0001", at=at, device="ako-1")
        history.turn_bill("A-1", "completed", at=at)
        history.open_bill("A-2", "akola", at=at, by="asha")
        history.register("SB00003", at=at, device="ako-1")
        history.scan("parent", "?", at=at, outcome="invalid_code", device="ako-1")


@pytest.mark.parametrize("area", ["akola", None])
@pytest.mark.parametrize("at", [END, END + timedelta(hours=5), MUCH_LATER - timedelta(hours=1)])
def test_what_happens_after_the_windows_end_changes_nothing(
    evening: Database, settings: Settings, area: str | None, at: datetime
) -> None:
    on_time = make_content(evening, settings, area, DAY, NIGHT)
    go_on(evening, at)

    assert not make(evening, settings, area, DAY, MUCH_LATER).made
    assert read_content(evening, area, DAY, 1) == on_time


@pytest.mark.parametrize("area", ["akola", None])
def test_a_summary_made_late_is_the_one_that_would_have_been_made_on_time(
    evening: Database, settings: Settings, area: str | None
) -> None:
    go_on(evening, END)

    late = make_content(evening, settings, area, DAY, MUCH_LATER)

    assert late["revision"] == 1
    (bill,) = late["bills"]["list"]
    assert (bill["status"], bill["sacks"], bill["children"]) == ("processing", 1, 30)
    assert late["exceptions"]["sacks_underfilled"] == [{"code": "SB00002", "children": 2, "capacity": 30}]
    assert late["scans"]["total"] == 33
    assert late["exceptions"]["late_scans"] == 0


def test_what_happens_at_the_last_instant_belongs_to_the_day(evening: Database, settings: Settings) -> None:
    go_on(evening, JUST_BEFORE)

    content = make_content(evening, settings, "akola", DAY, NIGHT)

    bills = {bill["bill_no"]: bill for bill in content["bills"]["list"]}
    assert (bills["A-1"]["status"], bills["A-1"]["sacks"], bills["A-1"]["children"]) == ("completed", 1, 30)
    assert bills["A-2"]["status"] == "new"
    assert {row["code"]: row["children"] for row in content["exceptions"]["sacks_underfilled"]} == {
        "SB00001": 29,
        "SB00003": 0,
    }
    assert content["scans"]["refused"] == 1


def test_the_next_day_begins_where_this_one_ended(evening: Database, settings: Settings) -> None:
    go_on(evening, END)

    next_day = make_content(evening, settings, "akola", DAY + timedelta(days=1), MUCH_LATER)

    assert next_day["scans"]["total"] == 28 + 1 + 1 + 1 + 1
    assert {bill["bill_no"]: bill["status"] for bill in next_day["bills"]["list"]} == {"A-1": "completed", "A-2": "new"}
    assert next_day["bills"]["created"] == 1


def test_an_open_bill_stays_in_the_list_until_it_is_completed(evening: Database, settings: Settings) -> None:
    quiet = make_content(evening, settings, "akola", DAY + timedelta(days=1), END + timedelta(days=2))

    assert [(bill["bill_no"], bill["sacks"]) for bill in quiet["bills"]["list"]] == [("A-1", 1)]
    assert quiet["bills"]["created"] == quiet["scans"]["total"] == 0

    with writing(evening) as history:
        history.turn_bill("A-1", "completed", at=END + timedelta(days=2))
    closing, after = (
        make_content(evening, settings, "akola", DAY + timedelta(days=days), END + timedelta(days=9)) for days in (3, 4)
    )

    assert [bill["status"] for bill in closing["bills"]["list"]] == ["completed"]
    assert after["bills"]["list"] == []


def test_a_late_scan_makes_the_next_revision_and_leaves_the_first(evening: Database, settings: Settings) -> None:
    first = make_content(evening, settings, "akola", DAY, NIGHT)
    with writing(evening) as history:
        history.put("LATE1", "SB00002", at=JUST_BEFORE, device="ako-1", received=END + timedelta(hours=9))

    second = make_content(evening, settings, "akola", DAY, MUCH_LATER)

    assert second["revision"] == 2
    assert second["exceptions"]["late_scans"] == 1
    assert second["scans"]["children_linked"] == first["scans"]["children_linked"] + 1
    assert read_content(evening, "akola", DAY, 1) == first


def test_a_scan_that_was_received_in_the_night_before_the_run_is_late_too(
    evening: Database, settings: Settings
) -> None:
    with writing(evening) as history:
        history.put("LATE1", "SB00002", at=JUST_BEFORE, device="ako-1", received=END)

    assert make_content(evening, settings, "akola", DAY, NIGHT)["exceptions"]["late_scans"] == 1


def test_late_scans_make_the_same_figures_in_whatever_revision(evening: Database, settings: Settings) -> None:
    with writing(evening) as history:
        history.put("LATE1", "SB00002", at=JUST_BEFORE, device="ako-1", received=END + timedelta(hours=9))
    caught_up = figures_of(make_content(evening, settings, "akola", DAY, MUCH_LATER))
    go_on(evening, MUCH_LATER)

    assert not make(evening, settings, "akola", DAY, MUCH_LATER + timedelta(days=9)).made
    assert figures_of(read_content(evening, "akola", DAY, 1)) == caught_up


def test_a_bill_that_is_entered_after_its_sacks_were_scanned_is_in_process_on_their_day(
    database: Database, settings: Settings
) -> None:
    with writing(database) as history:
        history.enrol("ako-1", "akola")
        history.hire("asha")
        history.fill("SB00001", 30, at=START + timedelta(hours=9), device="ako-1")
        history.open_bill("A-1", "akola", at=END + timedelta(hours=4), by="asha")
        history.load(
            "SB00001", "A-1", at=START + timedelta(hours=10), device="ako-1", received=END + timedelta(hours=5)
        )
        history.turn_bill("A-1", "completed", at=END + timedelta(hours=6))

    content = make_content(database, settings, "akola", DAY, MUCH_LATER)

    (bill,) = content["bills"]["list"]
    assert (bill["status"], bill["sacks"], bill["actual_g"]) == ("processing", 1, 30_000)
    assert content["bills"]["created"] == 0
    assert [row["bill_no"] for row in content["exceptions"]["bills_open"]] == ["A-1"]
    assert content["exceptions"]["sacks_full_unbilled"] == []


def test_an_unfinished_day_can_be_summed_up_and_the_night_makes_a_revision_of_all_of_it(
    evening: Database, settings: Settings
) -> None:
    noon = make_content(evening, settings, "akola", DAY, START + timedelta(hours=12))
    assert not make(evening, settings, "akola", DAY, START + timedelta(hours=13)).made

    night = make(evening, settings, "akola", DAY, NIGHT)

    assert (night.made, night.revision) == (True, 2)
    assert figures_of(read_content(evening, "akola", DAY, 2)) == figures_of(noon)


def test_a_bill_entered_days_later_is_open_on_the_days_between(database: Database, settings: Settings) -> None:
    with writing(database) as history:
        history.enrol("ako-1", "akola")
        history.hire("asha")
        history.fill("SB00001", 30, at=START + timedelta(hours=9), device="ako-1")
        history.open_bill("A-1", "akola", at=END + timedelta(days=2), by="asha")
        history.load("SB00001", "A-1", at=START + timedelta(hours=10), device="ako-1", received=END + timedelta(days=2))

    between = make_content(database, settings, "akola", DAY + timedelta(days=1), MUCH_LATER)

    assert [(bill["status"], bill["sacks"]) for bill in between["bills"]["list"]] == [("processing", 1)]


def test_a_completed_bill_that_is_reopened_at_the_windows_end_was_completed_on_its_day(
    evening: Database, settings: Settings
) -> None:
    with writing(evening) as history:
        history.turn_bill("A-1", "completed", at=JUST_BEFORE)
        history.turn_bill("A-1", "processing", at=END)

    content = make_content(evening, settings, "akola", DAY, NIGHT)

    assert [bill["status"] for bill in content["bills"]["list"]] == ["completed"]
    assert content["exceptions"]["bills_open"] == []


@pytest.mark.parametrize("area", ["akola", None])
@pytest.mark.parametrize("verb", ["edit", "detach", "delete"])
def test_what_a_bill_said_and_held_on_its_day_stays_whatever_becomes_of_it(
    evening: Database, settings: Settings, area: str | None, verb: str
) -> None:
    on_time = make_content(evening, settings, area, DAY, NIGHT)
    with writing(evening) as history:
        if verb == "edit":
            history.edit_bill("A-1", at=END, destination="Agra", capacity=9)
            history.edit_bill("A-1", at=END + timedelta(hours=1), destination="Pune", capacity=8)
        elif verb == "detach":
            history.detach("SB00001", at=END)
        else:
            history.delete_bill("A-1", at=END)

    assert not make(evening, settings, area, DAY, MUCH_LATER).made
    next_day = make_content(evening, settings, area, DAY + timedelta(days=1), MUCH_LATER)

    (then,) = on_time["bills"]["list"]
    assert (then["destination"], then["capacity"], then["sacks"]) == ("Delhi", 2, 1)
    assert [(bill["destination"], bill["capacity"], bill["sacks"]) for bill in next_day["bills"]["list"]] == {
        "edit": [("Pune", 8, 1)],
        "detach": [("Delhi", 2, 0)],
        "delete": [],
    }[verb]


def test_a_bill_that_was_created_and_deleted_in_one_day_is_not_in_its_summary(
    evening: Database, settings: Settings
) -> None:
    with writing(evening) as history:
        history.delete_bill("A-1", at=JUST_BEFORE)

    content = make_content(evening, settings, "akola", DAY, NIGHT)

    assert (content["bills"]["list"], content["bills"]["created"]) == ([], 0)
    assert [row["code"] for row in content["exceptions"]["sacks_full_unbilled"]] == ["SB00001"]
