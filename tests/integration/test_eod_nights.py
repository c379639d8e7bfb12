"""What is known of a night: due, made, revision, late; who is told when a summary is not there by its deadline."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.support.eod_summaries import make, writing
from tracetrack_common.db.session import Database
from tracetrack_common.nights import Due, Night, list_late, list_nights
from tracetrack_common.settings import Settings
from tracetrack_report_worker.lateness import tell_late
from tracetrack_report_worker.schedule import list_due, make_due

DAY = date(2026, 3, 2)
END = datetime(2026, 3, 2, 18, 30, tzinfo=UTC)
DUE = END + timedelta(minutes=15)
DEADLINE = END + timedelta(minutes=60)
TOLD = text("SELECT username, event_key, priority FROM notification JOIN app_user USING (user_id) ORDER BY 1, 2")
HOUR = timedelta(hours=1)


@pytest.fixture
def areas(database: Database) -> Database:
    """Leave two areas, created at noon of the day."""
    with database.transaction() as connection:
        connection.execute(text("DELETE FROM area WHERE code NOT IN ('akola', 'jaipur')"))
        connection.execute(text("UPDATE area SET created_at = :noon"), {"noon": END - timedelta(hours=12)})
    return database


def nights_at(database: Database, settings: Settings, now: datetime, *, days: int = 7) -> list[Night]:
    with database.snapshot() as connection:
        return list_nights(connection, settings, now=now, days=days)


def late_at(database: Database, settings: Settings, now: datetime) -> list[Due]:
    with database.snapshot() as connection:
        return list_late(connection, settings, now=now)


def told(database: Database) -> Sequence[tuple[str, str, str]]:
    with database.snapshot() as connection:
        return [(row.username, row.event_key, row.priority) for row in connection.execute(TOLD)]


def test_a_night_shows_when_it_is_due_made_and_that_it_is_in_time(areas: Database, settings: Settings) -> None:
    assert nights_at(areas, settings, END - timedelta(seconds=1)) == []
    waiting = nights_at(areas, settings, END)
    make_due(areas, settings, now=DUE)

    made = nights_at(areas, settings, DUE + 10 * HOUR)

    assert [(each.area, each.made_at, each.revision, each.late) for each in waiting] == [
        (area, None, None, False) for area in ("akola", "jaipur", "all")
    ]
    assert made == [
        Night(DAY, area, DUE, DEADLINE, made_at=DUE, revision=1, late=False, mails=mails, mails_sent=mails)
        for area, mails in (("akola", None), ("jaipur", None), ("all", 0))
    ]


def test_a_preliminary_summary_is_a_revision_and_not_the_nights(areas: Database, settings: Settings) -> None:
    make(areas, settings, "akola", DAY, END - HOUR)

    akola = nights_at(areas, settings, DEADLINE)[0]

    assert (akola.revision, akola.made_at, akola.late) == (1, None, True)


def test_one_that_was_made_late_stays_late(areas: Database, settings: Settings) -> None:
    make_due(areas, settings, now=DEADLINE + HOUR)

    assert [each.late for each in nights_at(areas, settings, DEADLINE + 2 * HOUR)] == [True] * 3
    assert late_at(areas, settings, DEADLINE + 2 * HOUR) == []


def test_the_newest_days_come_first_and_no_more_than_asked_for(areas: Database, settings: Settings) -> None:
    nights = nights_at(areas, settings, DUE + timedelta(days=9), days=2)

    assert [each.date for each in nights] == [DAY + timedelta(days=9)] * 3 + [DAY + timedelta(days=8)] * 3


def test_admins_are_told_once_for_each_area_and_date(areas: Database, settings: Settings) -> None:
    with writing(areas) as history:
        history.hire("boss", "admin")
        history.hire("asha")
    make(areas, settings, "akola", DAY, DUE)

    tell_late(areas, settings, now=DEADLINE - timedelta(microseconds=1))
    assert told(areas) == []
    for minute in range(3):
        tell_late(areas, settings, now=DEADLINE + timedelta(minutes=minute))

    assert told(areas) == [("boss", f"eod-late:{area}:{DAY}", "high") for area in ("all", "jaipur")]


def test_the_deadline_is_a_setting(areas: Database, settings: Settings) -> None:
    patient = settings.model_copy(update={"eod_deadline_minutes": 600})

    assert late_at(areas, patient, END + 9 * HOUR) == []
    assert late_at(areas, patient, END + 10 * HOUR) == [Due(DAY, "akola"), Due(DAY, "jaipur"), Due(DAY, None)]


@pytest.mark.parametrize(
    ("day", "start", "hours"),
    [
        (date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        (date(2026, 10, 25), datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
    ],
)
def test_a_day_of_a_clock_change_is_as_long_as_it_is_and_due_after_its_own_end(
    areas: Database, settings: Settings, day: date, start: datetime, hours: int
) -> None:
    end = start + hours * HOUR
    berlin = settings.model_copy(update={"eod_zone": "Europe/Berlin"})
    with writing(areas) as history:
        history.set_area_created("jaipur", end + timedelta(days=9))
        history.set_area_created("akola", start)
        history.set_zone("akola", "Europe/Berlin")
        history.enrol("ako-1", "akola")
        for hour in range(-1, hours + 1):  # on the half hour; the first and the last are not of this day
            history.register(f"SB{hour + 10:05d}", at=start + hour * HOUR + HOUR / 2, device="ako-1")

    with areas.snapshot() as connection:
        before, after = (list_due(connection, berlin, now=end + timedelta(minutes=minutes)) for minutes in (14, 15))
    made = make_due(areas, berlin, now=end + timedelta(minutes=15))

    assert (before, after) == ([], [Due(day, "akola"), Due(day, None)])
    assert [(each.area, each.date, each.revision) for each in made] == [("akola", day, 1), ("all", day, 1)]
    with areas.snapshot() as connection:
        contents = connection.scalars(text("SELECT content FROM eod_summary ORDER BY area_id NULLS LAST")).all()
    for content in contents:
        by_hour = {row["hour"]: row["scans"] for row in content["scans"]["by_hour"]}
        assert content["scans"]["total"] == hours
        assert by_hour[2] == hours - 23
        assert all(count == 1 for hour, count in by_hour.items() if hour != 2)
        assert by_hour[2] in {0, 2}
