"""Business days: windows that tile, whatever a zone does at midnight, and which dates are due."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.domain.business_day import (
    Window,
    business_date_of,
    business_window,
    hour_starts,
    missing_dates,
)

# Clock changes at midnight, at a minute past it, by half an hour, by a whole day, and none at all.
ZONES = (
    "Asia/Kolkata",
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "America/St_Johns",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
)
DAY = timedelta(days=1)

zones = st.sampled_from(ZONES)
dates = st.dates(date(1995, 1, 1), date(2036, 12, 31))
instants = st.datetimes(datetime(1995, 1, 2), datetime(2036, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - the zone follows


@given(dates, zones)
def test_windows_of_consecutive_days_tile(day: date, zone: str) -> None:
    assert business_window(day, zone).end == business_window(day + DAY, zone).start


@given(instants, zones)
def test_every_instant_belongs_to_exactly_one_business_day(instant: datetime, zone: str) -> None:
    local = instant.astimezone(ZoneInfo(zone)).date()

    holding = [day for day in (local + n * DAY for n in range(-3, 4)) if instant in business_window(day, zone)]

    assert holding == [business_date_of(instant, zone)]


@given(dates, zones)
def test_a_window_starts_at_the_first_instant_that_shows_its_date(day: date, zone: str) -> None:
    start = business_window(day, zone).start
    place = ZoneInfo(zone)

    assert start.astimezone(place).date() >= day
    assert (start - timedelta(seconds=1)).astimezone(place).date() < day


@given(dates, zones)
def test_every_instant_of_a_window_is_in_the_stretch_of_its_hour(day: date, zone: str) -> None:
    window = business_window(day, zone)
    starts = [start for start, _ in hour_starts(window)]

    assert starts[:1] == ([] if window.is_empty else [window.start])
    assert all(earlier < later for earlier, later in pairwise(starts))
    for (start, hour), end in zip(hour_starts(window), [*starts[1:], window.end], strict=True):
        assert start.astimezone(ZoneInfo(zone)).hour == hour
        assert (end - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).hour == hour


def test_a_day_in_india_runs_from_half_past_six_in_the_evening_utc() -> None:
    assert business_window(date(2026, 3, 1), "Asia/Kolkata") == Window(
        datetime(2026, 2, 28, 18, 30, tzinfo=UTC), datetime(2026, 3, 1, 18, 30, tzinfo=UTC), "Asia/Kolkata"
    )


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23.0),
        ("Europe/Berlin", date(2026, 10, 25), 25.0),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Africa/Cairo", date(2026, 4, 24), 23.0),  # the clock goes from 00:00 to 01:00
        ("America/Havana", date(2026, 11, 1), 25.0),  # the clock goes from 01:00 back to 00:00
        ("Pacific/Apia", date(2011, 12, 30), 0.0),  # the day that Samoa left out
        ("Pacific/Apia", date(2011, 12, 31), 24.0),
    ],
)
def test_a_day_is_as_long_as_the_zone_makes_it(zone: str, day: date, hours: float) -> None:
    window = business_window(day, zone)

    assert window.end - window.start == timedelta(hours=hours)
    assert window.is_empty == (hours == 0)


def test_an_hour_that_comes_twice_is_one_stretch_and_one_that_is_skipped_is_none() -> None:
    autumn = [hour for _, hour in hour_starts(business_window(date(2026, 10, 25), "Europe/Berlin"))]
    spring = [hour for _, hour in hour_starts(business_window(date(2026, 3, 29), "Europe/Berlin"))]

    assert autumn == list(range(24))
    assert spring == [hour for hour in range(24) if hour != 2]


def test_a_day_is_due_when_its_delay_has_passed() -> None:
    first = datetime(2026, 3, 1, 12, tzinfo=UTC)
    end = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
    delay = timedelta(minutes=15)

    def due(now: datetime) -> list[date]:
        return missing_dates(first, "Asia/Kolkata", now=now, delay=delay, made=set())

    assert due(end + delay - timedelta(microseconds=1)) == []
    assert due(end + delay) == [date(2026, 3, 1)]
    assert due(first) == []


@given(first=instants, days=st.integers(0, 60), zone=zones, made=st.sets(st.integers(0, 60)))
def test_missing_are_all_days_that_are_over_and_not_made_oldest_first(
    first: datetime, days: int, zone: str, made: set[int]
) -> None:
    now = first + days * DAY
    delay = timedelta(minutes=15)
    origin = business_date_of(first, zone)
    made_dates = {origin + number * DAY for number in made}

    found = missing_dates(first, zone, now=now, delay=delay, made=made_dates)

    windows = {day: business_window(day, zone) for day in (origin + number * DAY for number in range(63))}
    assert found == [
        day
        for day, window in windows.items()
        if window.end + delay <= now and day not in made_dates and not window.is_empty
    ]
