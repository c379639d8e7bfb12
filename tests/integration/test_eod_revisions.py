"""Summaries are numbered, made once, kept with their document, and audited (domain.md, End of day)."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from tests.support.eod_summaries import count_rows, make, read_content, read_document, writing
from tracetrack_common import audit
from tracetrack_common.db.session import Database, StateChangedError
from tracetrack_common.errors import ConflictError, InvalidInputError, NotFoundError
from tracetrack_common.settings import Settings
from tracetrack_report_worker import summary, workbook
from tracetrack_report_worker.summary import Made

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
END = START + timedelta(days=1)
NIGHT = END + timedelta(minutes=15)


@pytest.fixture
def worked(database: Database) -> Database:
    with writing(database) as history:
        history.enrol("ako-1", "akola")
        history.hire("asha")
        history.open_bill("A-1", "akola", at=START + timedelta(hours=8), by="asha", destination="=1+1")
        history.fill("SB00001", 4, at=START + timedelta(hours=9), device="ako-1")
        history.load("SB00001", "A-1", at=START + timedelta(hours=10), device="ako-1")
    return database


def add_late_scan(database: Database, code: str = "LATE1") -> None:
    with writing(database) as history:
        history.put(code, "SB00001", at=END - timedelta(hours=1), device="ako-1", received=END + timedelta(hours=9))


def before_documents_are_written(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen between the reading of figures and their storing."""
    render = workbook.render

    def act_and_render(content: Any) -> bytes:
        act()
        return render(content)

    monkeypatch.setattr(workbook, "render", act_and_render)


def test_the_same_figures_are_made_once(worked: Database, settings: Settings) -> None:
    assert make(worked, settings, "akola", DAY, NIGHT) == Made("akola", DAY, 1, made=True)

    assert make(worked, settings, "akola", DAY, NIGHT + timedelta(days=1)) == Made("akola", DAY, 1, made=False)
    assert count_rows(worked, "eod_summary") == count_rows(worked, "eod_document") == 1


def test_revisions_go_on_by_one_and_every_one_stays(worked: Database, settings: Settings) -> None:
    made = [make(worked, settings, "akola", DAY, NIGHT)]
    for number in range(2):
        add_late_scan(worked, f"LATE{number}")
        made.append(make(worked, settings, "akola", DAY, NIGHT + timedelta(hours=1 + number)))

    assert [each.revision for each in made] == [1, 2, 3]
    assert [read_content(worked, "akola", DAY, n)["exceptions"]["late_scans"] for n in (1, 2, 3)] == [0, 1, 2]


def test_areas_all_areas_and_days_are_numbered_apart(worked: Database, settings: Settings) -> None:
    wanted = [(area, day) for area in ("akola", "jaipur", None) for day in (DAY, DAY - timedelta(days=1))]

    made = [make(worked, settings, area, day, NIGHT) for area, day in wanted]

    assert [(each.area, each.date, each.revision, each.made) for each in made] == [
        (area or "all", day, 1, True) for area, day in wanted
    ]


@pytest.mark.parametrize("area", ["akola", None])
def test_two_that_start_at_once_make_one(
    worked: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, area: str | None
) -> None:
    both_have_read = threading.Barrier(2, timeout=30)
    before_documents_are_written(monkeypatch, both_have_read.wait)

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: make(worked, settings, area, DAY, NIGHT), range(2)))

    assert sorted((each.revision, each.made) for each in made) == [(1, False), (1, True)]
    assert (
        count_rows(worked, "eod_summary") == count_rows(worked, "eod_document") == count_rows(worked, "audit_log") == 1
    )


def test_an_older_reading_never_stands_above_a_newer_one(
    worked: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtaken: list[Made] = []

    def be_overtaken() -> None:
        if not overtaken:
            overtaken.append(Made("", DAY, 0, made=False))  # the run below comes through here too
            add_late_scan(worked)
            overtaken.append(make(worked, settings, "akola", DAY, NIGHT))

    before_documents_are_written(monkeypatch, be_overtaken)

    slow = make(worked, settings, "akola", DAY, NIGHT)

    assert overtaken[1] == Made("akola", DAY, 1, made=True)
    assert slow == Made("akola", DAY, 1, made=False)
    assert read_content(worked, "akola", DAY, 1)["exceptions"]["late_scans"] == 1


def test_one_that_is_overtaken_time_and_again_gives_up_for_now(
    worked: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter(f"LATE{number}" for number in range(100))
    within = threading.local()

    def be_overtaken() -> None:
        if not getattr(within, "running", False):
            within.running = True
            add_late_scan(worked, next(codes))
            make(worked, settings, "akola", DAY, NIGHT)
            add_late_scan(worked, next(codes))
            within.running = False

    before_documents_are_written(monkeypatch, be_overtaken)

    with pytest.raises(StateChangedError):
        make(worked, settings, "akola", DAY, NIGHT)


def test_the_workbook_is_stored_with_its_digest_and_reads_back(worked: Database, settings: Settings) -> None:
    make(worked, settings, "akola", DAY, NIGHT)

    document, sha256 = read_document(worked, "akola", DAY, 1)

    assert sha256 == hashlib.sha256(document).digest()
    bills = load_workbook(BytesIO(document))["Bills"]
    heads, row = bills.iter_rows(values_only=True)
    shown = dict(zip(heads, row, strict=True))
    assert (shown["Bill"], shown["Destination"], shown["Sacks"], shown["Actual, kg"]) == ("A-1", "=1+1", 1, 4.0)
    assert document == workbook.render(read_content(worked, "akola", DAY, 1))


def test_a_revision_writes_one_audit_row_in_an_unbroken_chain(worked: Database, settings: Settings) -> None:
    make(worked, settings, "akola", DAY, NIGHT)
    add_late_scan(worked)
    made = summary.make(
        worked,
        settings,
        area="akola",
        business_date=DAY,
        now=NIGHT,
        actor="user:1",
        request_id="r-1",
        address="192.0.2.7",
    )
    make(worked, settings, "akola", DAY, NIGHT)

    assert made.revision == 2
    with worked.snapshot() as connection:
        rows = connection.execute(
            text("SELECT actor, action, object, before, after, request_id, address, at FROM audit_log ORDER BY seq")
        ).all()
        assert list(audit.find_broken_rows(connection)) == []
    assert [(row.actor, row.action, row.object) for row in rows] == [
        ("system", "eod.make", "eod:akola:2026-03-02"),
        ("user:1", "eod.make", "eod:akola:2026-03-02"),
    ]
    assert rows[0].before is None
    assert rows[1].before == {key: rows[0].after[key] for key in ("revision", "figures_sha256")}
    assert rows[1].after["revision"] == 2
    assert rows[1].after["xlsx_sha256"] == read_document(worked, "akola", DAY, 2)[1].hex()
    assert (rows[1].request_id, rows[1].address, rows[1].at) == ("r-1", "192.0.2.7", NIGHT)


def test_an_area_that_is_not_there_is_not_found(database: Database, settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="atlantis"):
        make(database, settings, "atlantis", DAY, NIGHT)


def test_a_day_that_has_not_begun_has_no_summary(database: Database, settings: Settings) -> None:
    with pytest.raises(ConflictError, match="has not begun"):
        make(database, settings, "akola", DAY, START - timedelta(microseconds=1))

    assert make(database, settings, "akola", DAY, START).made


@pytest.mark.parametrize("day", [date.min, date.max])
def test_a_date_at_the_end_of_the_calendar_is_refused(database: Database, settings: Settings, day: date) -> None:
    with pytest.raises(InvalidInputError):
        make(database, settings, None, day, NIGHT)


def test_a_scan_that_is_late_by_days_revises_its_own_day_alone(worked: Database, settings: Settings) -> None:
    days = (DAY, DAY + timedelta(days=1))
    for day in days:
        make(worked, settings, "akola", day, NIGHT + timedelta(days=1))
    with writing(worked) as history:
        at, received = END - timedelta(hours=1), NIGHT + timedelta(days=2)
        history.scan("parent", "SB00001", outcome="known", at=at, device="ako-1", received=received)

    made = [make(worked, settings, "akola", day, NIGHT + timedelta(days=3)) for day in days]

    assert [each.revision for each in made] == [2, 1]
