"""Business days: the window of a date in a zone, and which dates are due (domain.md, End of day).

A business day is a local calendar day. Its window starts at the first instant that shows its date (or a later one) on a
clock in the zone, and ends where the next one starts. So the windows of consecutive dates tile the time line whatever
the zone does at midnight: a midnight that a clock change skips, one that comes twice, a date that is left out.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of time, `[start, end)`.

    Parameters
    ----------
    start, end
        UTC. They are the same for a date that the zone left out of its calendar.
    zone
        The IANA zone whose day it is.
    """

    start: datetime
    end: datetime
    zone: str

    @property
    def is_empty(self) -> bool:
        """Whether no instant is in it."""
        return self.start == self.end

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


def business_window(business_date: date, zone: str) -> Window:
    """Give the window of a business day.

    Parameters
    ----------
    business_date
        The local date.
    zone
        An IANA zone.

    Raises
    ------
    zoneinfo.ZoneInfoNotFoundError
        There is no such zone.
    OverflowError
        The date is too near to the first or last one that can be written.

    Examples
    --------
    >>> window = business_window(date(2026, 3, 1), "Asia/Kolkata")
    >>> window.start.isoformat(), window.end.isoformat()
    ('2026-02-28T18:30:00+00:00', '2026-03-01T18:30:00+00:00')
    """
    place = ZoneInfo(zone)
    return Window(_day_start(business_date, place), _day_start(business_date + _DAY, place), zone)


def business_date_of(instant: datetime, zone: str) -> date:
    """Give the one business day whose window an instant is in."""
    place = ZoneInfo(zone)
    day = instant.astimezone(place).date()
    while instant < _day_start(day, place):
        day -= _DAY
    while instant >= _day_start(day + _DAY, place):
        day += _DAY
    return day


def hour_starts(window: Window) -> list[tuple[datetime, int]]:
    """Give the instants of a window at which the hour on a local clock changes, each with the hour it then shows.

    Returns
    -------
    list of (datetime, int)
        In order of time, the first one at the window's start. An hour that a clock change repeats is one stretch where
        the repetition follows at once.
    """
    place = ZoneInfo(window.zone)
    starts: list[tuple[datetime, int]] = []
    instant = window.start
    while instant < window.end:
        hour = instant.astimezone(place).hour
        if not starts or starts[-1][1] != hour:
            starts.append((instant, hour))
        # Offsets from UTC have been whole minutes everywhere since 1972.
        instant += _MINUTE
    return starts


def missing_dates(
    first: datetime, zone: str, *, now: datetime, delay: timedelta, made: AbstractSet[date]
) -> list[date]:
    """Give the business days whose run is due and that have no summary yet.

    Parameters
    ----------
    first
        An instant in the first business day that counts.
    zone
        The zone of the days.
    now
        The current time.
    delay
        How long after a day's end its run comes.
    made
        The days that have their summary.

    Returns
    -------
    list of date
        The oldest first.
    """
    day = business_date_of(first, zone)
    not_due = business_date_of(now - delay, zone)
    missing = []
    while day < not_due:
        if day not in made and not business_window(day, zone).is_empty:
            missing.append(day)
        day += _DAY
    return missing


def _day_start(day: date, place: ZoneInfo) -> datetime:
    midnight = datetime.combine(day, time.min, tzinfo=place)  # fold=0: of two midnights the first
    start = midnight.astimezone(UTC)
    if start.astimezone(place).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return start
    return _first_instant_after_gap(midnight)


def _first_instant_after_gap(midnight: datetime) -> datetime:
    """Find the clock change that skips a midnight: the first instant that shows its date or a later one."""
    # Within a gap fold=1 reads the time by the offset after the change, which is an instant before the change.
    before = midnight.replace(fold=1).astimezone(UTC)
    after = midnight.astimezone(UTC)
    while (seconds := int((after - before).total_seconds())) > 1:
        middle = before + timedelta(seconds=seconds // 2)
        if middle.astimezone(midnight.tzinfo).date() >= midnight.date():
            after = middle
        else:
            before = middle
    return after
