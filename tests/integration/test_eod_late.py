"""What comes late makes the next revision by itself, one for a trickle, and says why (domain.md, End of day)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.support.eod_summaries import count_rows, read_content, writing
from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings
from tracetrack_report_worker.schedule import make_due, revise_touched
from tracetrack_report_worker.summary import Made

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
END = START + timedelta(days=1)
NIGHT = END + timedelta(minutes=15)
MORNING = NIGHT + timedelta(hours=6)
QUIET = timedelta(minutes=11)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"eod_quiet_minutes": 10, "eod_quiet_most_minutes": 60})


@pytest.fixture
def closed(database: Database, settings: Settings) -> Database:
    """Give two days of akola and jaipur that are worked on, over, and made."""
    with writing(database) as history:
        for device, area in (("ako-1", "akola"), ("jai-1", "jaipur")):
            history.enrol(device, area)
        history.hire("asha")
        for area in ("akola", "jaipur"):
            history.set_area_created(area, START - timedelta(hours=20))
        history.open_bill("A-1", "akola", at=START + timedelta(hours=1), by="asha")
        history.register("SB00001", at=START - timedelta(hours=3), device="ako-1")
        history.fill("SB00001", 4, at=START + timedelta(hours=2), device="ako-1")
        history.load("SB00001", "A-1", at=START + timedelta(hours=3), device="ako-1")
        history.register("SB00002", at=START + timedelta(hours=3), device="jai-1")
        for area in ("hisar", "indore", "lucknow", "raipur", "ranchi", "sangaria", "sri_ganganagar", "bathinda"):
            history.set_area_created(area, NIGHT)
    make_due(database, settings, now=NIGHT)
    revise_touched(database, settings, now=NIGHT)
    revise_touched(database, settings, now=NIGHT + QUIET)
    return database


def scan_late(
    database: Database, code: str, *, at: datetime, received: datetime, epoch: int | None = None, seq: int | None = None
) -> None:
    """Have a scan come late; the last look was just before."""
    with writing(database) as history:
        history.put(code, "SB00001", at=at, device="ako-1", received=received, epoch=epoch, seq=seq)
    look_again(database, received)


def look_again(database: Database, at: datetime) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE eod_look SET looked_until = :at"), {"at": at})


def test_nothing_late_makes_no_revision(closed: Database, settings: Settings) -> None:
    assert revise_touched(closed, settings, now=MORNING) == []
    assert count_rows(closed, "eod_touched") == 0


def test_a_late_scan_revises_its_area_and_all_and_nothing_else(closed: Database, settings: Settings) -> None:
    scan_late(closed, "LATE1", at=END - timedelta(hours=1), received=MORNING)

    assert revise_touched(closed, settings, now=MORNING + timedelta(minutes=5)) == []
    assert revise_touched(closed, settings, now=MORNING + QUIET) == [
        Made("akola", DAY, 2, made=True),
        Made("all", DAY, 2, made=True),
    ]
    assert [each.made for each in revise_touched(closed, settings, now=MORNING + 3 * QUIET)].count(True) == 0
    assert count_rows(closed, "eod_touched") == 0


def test_a_trickle_makes_one_revision(closed: Database, settings: Settings) -> None:
    for number in range(10):
        received = MORNING + timedelta(minutes=5 * number)
        scan_late(closed, f"LATE{number}", at=END - timedelta(hours=1), received=received)
        assert revise_touched(closed, settings, now=received + timedelta(minutes=4)) == []

    revised = revise_touched(closed, settings, now=MORNING + timedelta(minutes=45) + QUIET)

    assert [(each.area, each.revision) for each in revised] == [("akola", 2), ("all", 2)]
    assert read_content(closed, "akola", DAY, 2)["exceptions"]["late_scans"] == 10


def test_a_trickle_that_does_not_end_is_not_waited_for_longer_than_an_hour(
    closed: Database, settings: Settings
) -> None:
    made = []
    for number in range(14):
        received = MORNING + timedelta(minutes=5 * number)
        scan_late(closed, f"LATE{number:02d}", at=END - timedelta(hours=1), received=received)
        made += revise_touched(closed, settings, now=received)

    assert [(each.area, each.revision) for each in made if each.made] == [("akola", 2), ("all", 2)]


def test_a_revision_says_what_changed_and_why(closed: Database, settings: Settings) -> None:
    scan_late(closed, "LATE1", at=END - timedelta(hours=1), received=MORNING)
    with writing(closed) as history:
        history.detach("SB00001", at=START + timedelta(hours=5))
    revise_touched(closed, settings, now=MORNING + QUIET)

    changes = read_content(closed, "akola", DAY, 2)["changes"]

    assert changes["since_revision"] == 1
    assert {"figure": "scans.total", "before": 5, "after": 6} in changes["figures"]
    assert {"figure": "exceptions.late_scans", "before": 0, "after": 1} in changes["figures"]
    assert changes["late_scans"] == [{"device": "ako-1", "area": "akola", "scans": 1}]
    (bill,) = changes["bills"]
    assert (bill["bill_no"], bill["change"]) == ("A-1", "changed")
    assert bill["fields"]["sacks"] == {"before": 1, "after": 0}
    assert read_content(closed, "akola", DAY, 1)["changes"] is None


def test_what_happens_after_the_day_touches_nothing(closed: Database, settings: Settings) -> None:
    scan_late(closed, "TODAY", at=MORNING, received=MORNING)
    with writing(closed) as history:
        history.detach("SB00001", at=MORNING)

    assert revise_touched(closed, settings, now=MORNING + QUIET) == []


def test_a_counter_that_comes_late_revises_the_day_whose_gap_it_closes(database: Database, settings: Settings) -> None:
    with writing(database) as history:
        history.enrol("ako-1", "akola")
        for area in ("akola", "jaipur", "hisar", "indore", "lucknow", "raipur", "ranchi", "sangaria"):
            history.set_area_created(area, START - timedelta(hours=20))
        history.scan("parent", "SB00001", at=START - timedelta(hours=3), device="ako-1", epoch=1, seq=1)
        history.scan("parent", "SB00003", at=START + timedelta(hours=3), device="ako-1", epoch=1, seq=4)
    make_due(database, settings, now=NIGHT)
    for now in (NIGHT, NIGHT + QUIET):
        revise_touched(database, settings, now=now)
    assert [gap["missing"] for gap in read_content(database, "akola", DAY, 1)["exceptions"]["gaps"]] == [2]
    scan_late(database, "CH0001", at=START - timedelta(hours=2), received=MORNING, epoch=1, seq=2)

    revised = revise_touched(database, settings, now=MORNING + QUIET)

    wanted = {(area, day, 2) for area in ("akola", "all") for day in (DAY - timedelta(days=1), DAY)}
    assert {(each.area, each.date, each.revision) for each in revised if each.made} == wanted
    assert [gap["missing"] for gap in read_content(database, "akola", DAY, 2)["exceptions"]["gaps"]] == [1]


def test_a_command_that_was_done_late_is_named(closed: Database, settings: Settings) -> None:
    with writing(closed) as history:
        history.turn_bill("A-1", "completed", at=END - timedelta(hours=2))
        history.command("bill.complete", at=END - timedelta(hours=2), done=MORNING, by="asha", bill_no="A-1")
    look_again(closed, MORNING)

    revised = revise_touched(closed, settings, now=MORNING + QUIET)

    assert {each.area for each in revised if each.made} == {"akola", "all"}
    assert read_content(closed, "akola", DAY, 2)["changes"]["late_commands"] == [
        {
            "command": "bill.complete",
            "by": "asha",
            "at": (END - timedelta(hours=2)).isoformat(),
            "object": "A-1",
        }
    ]
