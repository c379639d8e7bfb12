"""Device clocks are wrong; what is made of them (domain.md, Scans)."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.domain.clocks import NO_OFFSET, clock_offset, correct_time

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
moments = st.integers(0, 10**9).map(lambda seconds: RECEIVED + timedelta(seconds=seconds - 5 * 10**8))
device_clocks = st.datetimes(timezones=st.just(UTC))
errors = st.timedeltas(min_value=timedelta(days=-20_000), max_value=timedelta(days=20_000))
delays = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3))


@given(moments, delays, errors)
def test_a_clock_that_is_wrong_by_anything_gives_the_time_it_really_was(
    scanned: datetime, delay: timedelta, error: timedelta
) -> None:
    received = scanned + delay
    offset = clock_offset(received + error, received)

    assert correct_time(scanned + error, offset, received) == scanned


@given(device_clocks, st.one_of(st.none(), device_clocks))
def test_no_corrected_time_ever_lies_after_the_receipt(scanned_at: datetime, sent_at: datetime | None) -> None:
    assert correct_time(scanned_at, clock_offset(sent_at, RECEIVED), RECEIVED) <= RECEIVED


@given(delays)
def test_a_time_in_the_past_is_believed_where_the_device_did_not_say_what_its_clock_shows(ago: timedelta) -> None:
    assert clock_offset(None, RECEIVED) == NO_OFFSET
    assert correct_time(RECEIVED - ago, NO_OFFSET, RECEIVED) == RECEIVED - ago


def test_a_time_in_the_future_becomes_the_receipt() -> None:
    assert correct_time(RECEIVED + timedelta(seconds=1), NO_OFFSET, RECEIVED) == RECEIVED


def test_a_time_beyond_the_calendar_becomes_the_receipt() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    first = datetime.min.replace(tzinfo=UTC)

    assert correct_time(last, timedelta(days=1), RECEIVED) == RECEIVED
    assert correct_time(first, timedelta(days=-1), RECEIVED) == RECEIVED


@given(st.lists(moments, min_size=2, max_size=10), errors)
def test_the_order_of_a_devices_scans_survives_the_correction(scanned: list[datetime], error: timedelta) -> None:
    scanned.sort()
    received = scanned[-1]
    offset = clock_offset(received + error, received)

    corrected = [correct_time(each + error, offset, received) for each in scanned]

    assert corrected == sorted(corrected)
