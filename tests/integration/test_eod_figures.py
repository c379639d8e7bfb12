"""The figures of a summary, from histories written by hand (domain.md, End of day)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.support.eod_history import History
from tests.support.eod_summaries import make_content, writing
from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
END = START + timedelta(days=1)
NIGHT = END + timedelta(minutes=15)


def at(hour: int, minute: int = 0) -> datetime:
    """Give a moment of the day by a clock in India."""
    return START + timedelta(hours=hour, minutes=minute)


def write_day(history: History) -> None:
    """Write a day: two areas, three devices, a biller at a screen, one bill of each state."""
    for device, area in (("ako-1", "akola"), ("ako-2", "akola"), ("jai-1", "jaipur")):
        history.enrol(device, area)
    history.hire("asha")
    history.hire("ravi")
    # Akola: a full sack and one with three children go on a bill, which is completed.
    history.open_bill("A-1", "akola", at=at(8), by="asha")
    history.register("SB00001", at=at(9), device="ako-1")
    history.fill("SB00001", 30, at=at(9, 10), device="ako-1")
    history.fill("SB00002", 3, at=at(10), device="ako-2")
    history.load("SB00001", "A-1", at=at(11), device="ako-1")
    history.load("SB00002", "A-1", at=at(11, 5), person="asha")
    history.turn_bill("A-1", "completed", at=at(12))
    # A new bill without sacks, a full sack on no bill, and what was refused.
    history.open_bill("A-2", "akola", at=at(13), by="ravi", capacity=4, destination="Pune")
    history.fill("SB00003", 30, at=at(14), device="ako-2")
    history.scan("child", "KSB00003N0", "SB00003", at=at(14, 1), outcome="duplicate", device="ako-2", children=30)
    history.scan("child", "X0001", "SB00003", at=at(14, 2), outcome="parent_full", device="ako-2", children=30)
    history.scan("child", "KSB00001N0", "SB00002", at=at(14, 3), outcome="linked_elsewhere", device="ako-2")
    history.scan("bill", "SB00003", "NONE-1", at=at(14, 4), outcome="unknown_bill", person="asha")
    # Jaipur: a bill that loses one of its sacks to a return, and stays open.
    history.open_bill("J-1", "jaipur", at=at(8), by="asha", capacity=3)
    history.open_return("RTN-20260302-0001", "jaipur", at=at(8), by="asha")
    for sack, children in (("M444-00001", 30), ("M444-00002", 10)):
        history.fill(sack, children, at=at(15), device="jai-1")
        history.load(sack, "J-1", at=at(16), device="jai-1")
    history.take_back("M444-00002", "RTN-20260302-0001", at=at(17), device="jai-1")


@pytest.fixture
def day(database: Database) -> Database:
    with writing(database) as history:
        write_day(history)
    return database


def test_a_summary_names_its_day(day: Database, settings: Settings) -> None:
    content = make_content(day, settings, "akola", DAY, NIGHT)

    assert set(content) == {
        *("date", "area", "revision", "generated_at", "window"),
        *("scans", "bills", "by_area", "exceptions", "changes"),
    }
    assert content["changes"] is None
    assert content["date"] == "2026-03-02"
    assert content["area"] == "akola"
    assert content["revision"] == 1
    assert content["generated_at"] == NIGHT.isoformat()
    assert content["window"] == {"start": START.isoformat(), "end": END.isoformat(), "zone": "Asia/Kolkata"}


def test_scans_of_an_area(day: Database, settings: Settings) -> None:
    scans = make_content(day, settings, "akola", DAY, NIGHT)["scans"]

    by_hour = {row.pop("hour"): row for row in scans.pop("by_hour")}
    assert scans == {
        "total": 69,
        "applied": 66,
        "already": 1,
        "refused": 2,
        "by_kind": {"bill": 2, "child": 66, "parent": 1},
        "by_outcome": {"applied": 66, "duplicate": 1, "linked_elsewhere": 1, "parent_full": 1},
        "sacks_scanned": 1,
        "children_linked": 63,
        "sacks_registered": 3,
        "by_device": [
            {"device": "ako-1", "area": "akola", "scans": 32, "applied": 32, "sacks": 1, "children": 30},
            {"device": "ako-2", "area": "akola", "scans": 36, "applied": 33, "sacks": 0, "children": 33},
            {"device": None, "area": "akola", "scans": 1, "applied": 1, "sacks": 0, "children": 0},
        ],
    }
    assert list(by_hour) == list(range(24))
    assert {hour: (row["scans"], row["applied"]) for hour, row in by_hour.items() if row["scans"]} == {
        9: (31, 31),
        10: (3, 3),
        11: (2, 2),
        14: (33, 30),
    }


def test_bills_of_an_area(day: Database, settings: Settings) -> None:
    bills = make_content(day, settings, "akola", DAY, NIGHT)["bills"]

    assert bills == {
        "created": 2,
        "by_status": {"new": 1, "processing": 0, "completed": 1},
        "by_biller": [{"biller": "asha", "created": 1}, {"biller": "ravi", "created": 1}],
        "list": [
            {
                "bill_no": "A-1",
                "area": "akola",
                "created_by": "asha",
                "created_at": at(8).isoformat(),
                "status": "completed",
                "destination": "Delhi",
                "capacity": 2,
                "sacks": 2,
                "expected_sacks": 2,
                "children": 33,
                "actual_g": 33_000,
                "expected_g": 60_000,
                "variance_g": -27_000,
            },
            {
                "bill_no": "A-2",
                "area": "akola",
                "created_by": "ravi",
                "created_at": at(13).isoformat(),
                "status": "new",
                "destination": "Pune",
                "capacity": 4,
                "sacks": 0,
                "expected_sacks": 4,
                "children": 0,
                "actual_g": 0,
                "expected_g": 0,
                "variance_g": 0,
            },
        ],
        "totals": {"sacks": 2, "children": 33, "actual_g": 33_000, "expected_g": 60_000, "variance_g": -27_000},
    }


def test_exceptions_of_an_area(day: Database, settings: Settings) -> None:
    assert make_content(day, settings, "akola", DAY, NIGHT)["exceptions"] == {
        "refused_by_reason": {"linked_elsewhere": 1, "parent_full": 1},
        "sacks_underfilled": [{"code": "SB00002", "children": 3, "capacity": 30}],
        "sacks_overfilled": [],
        "sacks_full_unbilled": [{"code": "SB00003", "children": 30}],
        "bills_open": [
            {
                "bill_no": "A-2",
                "area": "akola",
                "created_by": "ravi",
                "created_at": at(13).isoformat(),
                "status": "new",
                "sacks": 0,
                "expected_sacks": 4,
            }
        ],
        "late_scans": 0,
        "gaps": [],
    }


def test_a_returned_sack_is_off_its_bill_which_stays_in_process(day: Database, settings: Settings) -> None:
    content = make_content(day, settings, "jaipur", DAY, NIGHT)

    (bill,) = content["bills"]["list"]
    assert (bill["status"], bill["sacks"], bill["children"], bill["variance_g"]) == ("processing", 1, 30, 0)
    assert content["exceptions"]["sacks_underfilled"] == [{"code": "M444-00002", "children": 10, "capacity": 30}]
    assert content["scans"]["by_kind"] == {"bill": 2, "child": 40, "return": 1}


def test_all_areas_have_what_each_has_and_the_scans_that_belong_to_none(day: Database, settings: Settings) -> None:
    overall = make_content(day, settings, None, DAY, NIGHT)

    assert overall["area"] == "all"
    assert overall["scans"]["total"] == 69 + 43 + 1
    assert overall["scans"]["by_outcome"]["unknown_bill"] == 1
    assert {"device": None, "area": None, "scans": 1, "applied": 0, "sacks": 0, "children": 0} in overall["scans"][
        "by_device"
    ]
    assert [bill["bill_no"] for bill in overall["bills"]["list"]] == ["A-1", "A-2", "J-1"]
    assert overall["bills"]["totals"]["actual_g"] == 63_000


def test_an_area_where_nothing_happened_has_a_summary_of_nothing(day: Database, settings: Settings) -> None:
    content = make_content(day, settings, "hisar", DAY, NIGHT)

    assert content["scans"]["total"] == content["bills"]["created"] == 0
    assert content["scans"]["by_device"] == content["bills"]["list"] == content["exceptions"]["gaps"] == []


def test_a_sack_registered_by_its_first_child_counts_once(database: Database, settings: Settings) -> None:
    with writing(database) as history:
        history.enrol("ako-1", "akola")
        history.put("K0001", "SB00001", at=at(9), device="ako-1")
        history.scan("parent", "SB00001", at=at(9, 1), outcome="known", device="ako-1", children=1)
        history.put("K0002", "SB00001", at=at(9, 2), device="ako-1")
        history.take_out("K0001", at=at(9, 3))
        history.take_out("K0002", at=at(9, 4))
        history.put("K0003", "SB00001", at=at(9, 5), device="ako-1")  # again the first child, of a known sack

    assert make_content(database, settings, "akola", DAY, NIGHT)["scans"]["sacks_registered"] == 1


def test_a_sack_that_holds_more_than_it_may_is_named(database: Database, settings: Settings) -> None:
    with writing(database) as history:
        history.enrol("ako-1", "akola")
        history.fill("SB00001", 31, at=at(9), device="ako-1")

    exceptions = make_content(database, settings, "akola", DAY, NIGHT)["exceptions"]

    assert exceptions["sacks_overfilled"] == [{"code": "SB00001", "children": 31, "capacity": 30}]


def test_a_bag_counts_in_the_area_that_saw_it_first_and_its_scans_where_they_were_made(
    database: Database, settings: Settings
) -> None:
    with writing(database) as history:
        history.enrol("ako-1", "akola")
        history.enrol("jai-1", "jaipur")
        history.register("SB00001", at=at(9), device="ako-1")
        history.put("K0001", "SB00001", at=at(10), device="jai-1")

    akola, jaipur = (make_content(database, settings, area, DAY, NIGHT) for area in ("akola", "jaipur"))

    assert (akola["scans"]["total"], jaipur["scans"]["total"]) == (1, 1)
    assert [row["children"] for row in akola["exceptions"]["sacks_underfilled"]] == [1]
    assert jaipur["exceptions"]["sacks_underfilled"] == []


def test_hours_are_those_of_the_areas_own_zone(database: Database, settings: Settings) -> None:
    with writing(database) as history:
        history.enrol("ako-1", "akola")
        history.set_zone("akola", "America/New_York")
        # 2026-03-08 has no hour 2 in New York: 01:59 is followed by 03:00.
        for minute in (0, 30, 59):
            history.scan(
                "parent", "?", at=datetime(2026, 3, 8, 6, minute, tzinfo=UTC), outcome="invalid_code", device="ako-1"
            )
        history.scan("parent", "?", at=datetime(2026, 3, 8, 7, 0, tzinfo=UTC), outcome="invalid_code", device="ako-1")
        history.scan("parent", "?", at=datetime(2026, 3, 9, 3, 59, tzinfo=UTC), outcome="invalid_code", device="ako-1")
        history.scan("parent", "?", at=datetime(2026, 3, 9, 4, 0, tzinfo=UTC), outcome="invalid_code", device="ako-1")

    content = make_content(database, settings, "akola", date(2026, 3, 8), datetime(2026, 3, 10, tzinfo=UTC))

    assert {row["hour"]: row["scans"] for row in content["scans"]["by_hour"] if row["scans"]} == {1: 3, 3: 1, 23: 1}
    assert content["window"]["zone"] == "America/New_York"


def test_scans_of_one_device_in_two_areas_are_told_apart(database: Database, settings: Settings) -> None:
    with writing(database) as history:
        history.enrol("gun-1", "akola")
        history.scan("parent", "?", at=at(9), outcome="invalid_code", device="gun-1")
        history.move("gun-1", "jaipur")
        history.scan("parent", "?", at=at(10), outcome="invalid_code", device="gun-1")

    rows: list[dict[str, Any]] = make_content(database, settings, None, DAY, NIGHT)["scans"]["by_device"]

    assert [(row["device"], row["area"], row["scans"]) for row in rows] == [
        ("gun-1", "akola", 1),
        ("gun-1", "jaipur", 1),
    ]
