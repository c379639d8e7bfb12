"""When a scheduled report is due: on the local clock, whatever the clock does."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.domain.rhythm import Rhythm, next_due

_INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
_ZONES = st.sampled_from(["Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
_RHYTHMS = st.one_of(
    st.tuples(st.just("daily"), st.none()),
    st.tuples(st.just("weekly"), st.integers(1, 7)),
    st.tuples(st.just("monthly"), st.integers(1, 31)),
)


@given(_RHYTHMS, st.integers(0, 1439), _ZONES, _INSTANTS)
def test_due_times_only_go_forward_and_leave_no_period_out(
    when: tuple[Rhythm, int | None], at_minute: int, zone: str, after: datetime
) -> None:
    rhythm, on_day = when
    due = [after]
    for _ in range(4):
        due.append(next_due(rhythm, at_minute=at_minute, on_day=on_day, zone=zone, after=due[-1]))

    longest = {"daily": 1, "weekly": 7, "monthly": 31}[rhythm]
    for earlier, later in itertools.pairwise(due):
        assert timedelta(0) < later - earlier <= timedelta(days=longest, hours=2)
    for each in due[1:]:
        local = each.astimezone(ZoneInfo(zone))
        assert rhythm != "weekly" or local.isoweekday() == on_day


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-03-28T12:00:00+01:00", "2026-03-29T03:30:00+02:00"),  # 02:30 is skipped: when the clock has passed it
        ("2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00"),  # it comes twice: the first
        ("2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"),  # and not the second
    ],
)
def test_clock_changes(after: str, expected: str) -> None:
    due = next_due("daily", at_minute=150, on_day=None, zone="Europe/Berlin", after=datetime.fromisoformat(after))

    assert due == datetime.fromisoformat(expected)
