"""When something that is done again and again is due next, on the clock of a zone (domain.md, End of day)."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Rhythm = Literal["daily", "weekly", "monthly"]

_DAY = timedelta(days=1)


def next_due(rhythm: Rhythm, *, at_minute: int, on_day: int | None, zone: str, after: datetime) -> datetime:
    """Give the first due time after an instant.

    Parameters
    ----------
    rhythm
        Every day, week or month.
    at_minute
        Minutes after local midnight. A time that a clock change skips is due when the clock has passed it; of one that
        comes twice, the first counts.
    on_day
        The day of the week, 1 to 7 from Monday, or of the month: its last one, when it is shorter.
    zone
        An IANA zone.
    after
        The instant.

    Returns
    -------
    datetime
        UTC.

    Examples
    --------
    >>> after = datetime(2026, 1, 31, 12, tzinfo=UTC)
    >>> next_due("monthly", at_minute=390, on_day=31, zone="Asia/Kolkata", after=after).isoformat()
    '2026-02-28T01:00:00+00:00'
    """
    place = ZoneInfo(zone)
    day = after.astimezone(place).date() - _DAY
    while True:
        if _is_due_on(day, rhythm, on_day):
            local = datetime.combine(day, time(at_minute // 60, at_minute % 60), tzinfo=place)
            if (due := local.astimezone(UTC)) > after:
                return due
        day += _DAY


def _is_due_on(day: date, rhythm: Rhythm, on_day: int | None) -> bool:
    match rhythm:
        case "daily":
            return True
        case "weekly":
            return day.isoweekday() == on_day
        case "monthly":
            return on_day is not None and day.day == min(on_day, monthrange(day.year, day.month)[1])
