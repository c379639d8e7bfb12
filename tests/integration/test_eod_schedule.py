"""The nightly run makes what is due and missing, oldest first, each once (domain.md, End of day)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.eod_summaries import count_rows, make, writing
from tracetrack_common.db.session import Database, StateChangedError
from tracetrack_common.nights import Due
from tracetrack_common.settings import Settings
from tracetrack_report_worker import summary
from tracetrack_report_worker.schedule import list_due, make_due
from tracetrack_report_worker.summary import Made

DAY = date(2026, 3, 2)
END = datetime(2026, 3, 2, 18, 30, tzinfo=UTC)
DUE = END + timedelta(minutes=15)


@pytest.fixture
def areas(database: Database) -> Database:
    """Leave three areas, all created at noon of the day."""
    with database.transaction() as connection:
        connection.execute(text("DELETE FROM area WHERE code NOT IN ('akola', 'jaipur', 'ranchi')"))
        connection.execute(text("UPDATE area SET created_at = :noon"), {"noon": END - timedelta(hours=12)})
    return database


def due_at(database: Database, settings: Settings, now: datetime) -> list[Due]:
    with database.snapshot() as connection:
        return list_due(connection, settings, now=now)


def test_nothing_is_due_before_the_delay_after_the_days_end(areas: Database, settings: Settings) -> None:
    assert due_at(areas, settings, DUE - timedelta(microseconds=1)) == []
    assert make_due(areas, settings, now=DUE - timedelta(microseconds=1)) == []


def test_after_it_every_area_is_due_and_all_of_them_last(areas: Database, settings: Settings) -> None:
    assert due_at(areas, settings, DUE) == [Due(DAY, area) for area in ("akola", "jaipur", "ranchi", None)]


def test_the_delay_is_a_setting(areas: Database, settings: Settings) -> None:
    patient = settings.model_copy(update={"eod_delay_minutes": 120})

    assert due_at(areas, patient, END + timedelta(minutes=119)) == []
    assert len(due_at(areas, patient, END + timedelta(minutes=120))) == 4


def test_what_is_made_is_not_due_again(areas: Database, settings: Settings) -> None:
    made = make_due(areas, settings, now=DUE)

    assert made == [Made(area, DAY, 1, made=True) for area in ("akola", "jaipur", "ranchi", "all")]
    assert make_due(areas, settings, now=DUE + timedelta(minutes=1)) == []
    assert make_due(areas, settings, now=DUE + timedelta(hours=20)) == []


def test_missed_nights_are_made_up_for_oldest_first(areas: Database, settings: Settings) -> None:
    make_due(areas, settings, now=DUE)

    made = make_due(areas, settings, now=DUE + timedelta(days=3))

    days = [DAY + timedelta(days=number) for number in (1, 2, 3)]
    assert [(each.date, each.area) for each in made] == [
        (day, area) for day in days for area in ("akola", "jaipur", "ranchi", "all")
    ]
    assert {each.revision for each in made} == {1}


def test_an_area_starts_on_the_day_it_was_created_and_all_areas_with_the_oldest(
    areas: Database, settings: Settings
) -> None:
    with writing(areas) as history:
        history.set_area_created("ranchi", END + timedelta(days=1))  # 00:00 of the day after the next

    due = due_at(areas, settings, DUE + timedelta(days=2))

    assert [each.business_date for each in due if each.area == "ranchi"] == [DAY + timedelta(days=2)]
    assert [each.business_date for each in due if each.area is None] == [DAY + timedelta(days=n) for n in range(3)]


def test_each_area_has_its_own_midnight(areas: Database, settings: Settings) -> None:
    with writing(areas) as history:
        history.set_zone("ranchi", "America/New_York")

    assert Due(DAY, "ranchi") not in due_at(areas, settings, DUE)
    assert Due(DAY, "ranchi") in due_at(areas, settings, datetime(2026, 3, 3, 5, 15, tzinfo=UTC))


def test_an_area_with_an_unknown_zone_does_not_keep_back_the_others(areas: Database, settings: Settings) -> None:
    with writing(areas) as history:
        history.set_zone("jaipur", "Asia/Atlantis")

    assert [each.area for each in make_due(areas, settings, now=DUE)] == ["akola", "ranchi", "all"]


def test_a_summary_asked_for_before_the_days_end_does_not_count_as_the_nights(
    areas: Database, settings: Settings
) -> None:
    make(areas, settings, "akola", DAY, END - timedelta(minutes=1))

    made = make_due(areas, settings, now=DUE)

    assert made[0] == Made("akola", DAY, 2, made=True)
    assert make_due(areas, settings, now=DUE + timedelta(minutes=1)) == []


def test_one_asked_for_after_the_days_end_counts(areas: Database, settings: Settings) -> None:
    make(areas, settings, "akola", DAY, END)

    assert [each.area for each in make_due(areas, settings, now=DUE)] == ["jaipur", "ranchi", "all"]


def test_two_nightly_runs_at_once_make_each_summary_once(areas: Database, settings: Settings) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: make_due(areas, settings, now=DUE), range(2)))

    assert sorted(each.area for run in runs for each in run if each.made) == ["akola", "all", "jaipur", "ranchi"]
    assert count_rows(areas, "eod_summary") == count_rows(areas, "audit_log") == 4


def test_a_summary_that_cannot_be_made_does_not_keep_back_the_others(
    areas: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_one = summary.make

    def fail_for_jaipur(*args: Any, **kwargs: Any) -> Made:
        if kwargs["area"] == "jaipur":
            raise ValueError("its figures disagree")
        return make_one(*args, **kwargs)

    monkeypatch.setattr(summary, "make", fail_for_jaipur)

    with pytest.raises(ExceptionGroup) as raised:
        make_due(areas, settings, now=DUE)

    assert [str(error) for error in raised.value.exceptions] == ["its figures disagree"]
    assert due_at(areas, settings, DUE) == [Due(DAY, "jaipur")]


def test_a_passing_fault_ends_the_run_and_keeps_what_was_made(
    areas: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_one = summary.make

    def fail_for_jaipur(*args: Any, **kwargs: Any) -> Made:
        if kwargs["area"] == "jaipur":
            raise StateChangedError
        return make_one(*args, **kwargs)

    monkeypatch.setattr(summary, "make", fail_for_jaipur)

    with pytest.raises(StateChangedError):
        make_due(areas, settings, now=DUE)

    assert due_at(areas, settings, DUE) == [Due(DAY, "jaipur"), Due(DAY, "ranchi"), Due(DAY, None)]
