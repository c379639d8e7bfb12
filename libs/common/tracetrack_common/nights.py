"""Nights: which end-of-day summaries are due, made, missing and late (domain.md, End of day)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfoNotFoundError

from sqlalchemy import Connection, text

from tracetrack_common.domain.business_day import business_date_of, business_window, missing_dates
from tracetrack_common.log import get_logger
from tracetrack_common.settings import Settings

log = get_logger(__name__)

ALL_AREAS = "all"
"""What the summary over all areas has in place of an area's code."""

_DAY = timedelta(days=1)
_LIST_AREAS = text("SELECT area_id, code, zone, created_at FROM area ORDER BY code")
_LIST_MADE = text("SELECT DISTINCT area_id, business_date FROM eod_summary WHERE generated_at >= window_end")
_LIST_REVISIONS = text("""
    SELECT area_id, business_date, max(revision) AS revision,
        min(generated_at) FILTER (WHERE generated_at >= window_end) AS made_at
    FROM eod_summary WHERE business_date >= :since GROUP BY area_id, business_date
""")
_LIST_SENDINGS = text("""
    WITH newest AS (
        SELECT DISTINCT ON (business_date) business_date, summary_id FROM eod_summary
        WHERE area_id IS NULL AND business_date >= :since ORDER BY business_date, revision DESC
    )
    SELECT business_date, count(*) AS mails, count(*) FILTER (WHERE state = 'sent') AS sent
    FROM newest JOIN eod_sending USING (summary_id) JOIN mail USING (mail_id) GROUP BY business_date
""")


@dataclass(frozen=True, slots=True)
class Due:
    """A summary whose time has come and that is not there.

    Parameters
    ----------
    business_date
        The day.
    area
        The area's code; None for all areas together.
    """

    business_date: date
    area: str | None


@dataclass(frozen=True, slots=True)
class Night:
    """A day that is over, and what became of its summary.

    Parameters
    ----------
    date, area
        The day; the area's code, or `all`.
    due_at
        When the nightly run comes.
    deadline_at
        When it must be there.
    made_at
        When the first one of the whole day was made; None as long as there is none.
    revision
        The newest, a preliminary one as well; None where there is none.
    late
        Whether it came after its deadline, or is missing past it.
    mails, mails_sent
        Of the newest over all areas, which is the one that is mailed: to how many, and how many of those left; None of
        an area's own.
    """

    date: date
    area: str
    due_at: datetime
    deadline_at: datetime
    made_at: datetime | None
    revision: int | None
    late: bool
    mails: int | None
    mails_sent: int | None


class Subject(NamedTuple):
    """What has summaries: an area, or all of them together (None), since a time."""

    area_id: int | None
    code: str | None
    zone: str
    since: datetime


def list_missing(connection: Connection, settings: Settings, *, now: datetime, delay_minutes: int) -> list[Due]:
    """Give the summaries that are not there so long after their day: oldest first, areas by their codes, then all.

    An area's first day is the one it was created in; the first day over all areas is that of the oldest area. An area
    whose zone is not known is left out, and said so in the log.
    """
    made = list_made(connection)
    missing: list[Due] = []
    for subject in list_subjects(connection, settings.eod_zone):
        dates = {day for made_id, day in made if made_id == subject.area_id}
        try:
            days = missing_dates(
                subject.since, subject.zone, now=now, delay=timedelta(minutes=delay_minutes), made=dates
            )
        except ZoneInfoNotFoundError:
            log.exception("eod_zone_unknown", area=subject.code or ALL_AREAS, zone=subject.zone)
            continue
        missing += [Due(day, subject.code) for day in days]
    return sorted(missing, key=lambda each: (each.business_date, each.area is None, each.area or ""))


def list_late(connection: Connection, settings: Settings, *, now: datetime) -> list[Due]:
    """Give the summaries that are not there by their deadline, in the order of `list_missing`."""
    return list_missing(connection, settings, now=now, delay_minutes=settings.eod_deadline_minutes)


def list_nights(
    connection: Connection, settings: Settings, *, now: datetime, days: int, area_id: int | None = None
) -> list[Night]:
    """Give what became of the last days that are over: newest first, areas by their codes, then all.

    Parameters
    ----------
    connection
        A snapshot.
    settings
        For delay, deadline, and the zone over all areas.
    now
        The current time.
    days
        How many days back.
    area_id
        This area's alone.
    """
    since = now.date() - _DAY * (days + 1)  # a day more, since some zone's date is behind
    revisions = {
        (row.area_id, row.business_date): (row.revision, row.made_at)
        for row in connection.execute(_LIST_REVISIONS, {"since": since})
    }
    sendings = {
        row.business_date: (row.mails, row.sent) for row in connection.execute(_LIST_SENDINGS, {"since": since})
    }
    nights: list[Night] = []
    for subject in list_subjects(connection, settings.eod_zone):
        if area_id not in {None, subject.area_id}:
            continue
        try:
            ended = list(_list_ended(subject, now, days))
        except ZoneInfoNotFoundError:
            continue
        for day, end in ended:
            revision, made_at = revisions.get((subject.area_id, day), (None, None))
            deadline_at = end + timedelta(minutes=settings.eod_deadline_minutes)
            mails, mails_sent = sendings.get(day, (0, 0)) if subject.area_id is None else (None, None)
            nights.append(
                Night(
                    date=day,
                    area=subject.code or ALL_AREAS,
                    due_at=end + timedelta(minutes=settings.eod_delay_minutes),
                    deadline_at=deadline_at,
                    made_at=made_at,
                    revision=revision,
                    late=(made_at or now) >= deadline_at,
                    mails=mails,
                    mails_sent=mails_sent,
                )
            )
    return sorted(nights, key=lambda each: (-each.date.toordinal(), each.area == ALL_AREAS, each.area))


def list_made(connection: Connection) -> set[tuple[int | None, date]]:
    """Give the area keys (None: all areas) and dates that have a summary made after their day was over."""
    return {(row.area_id, row.business_date) for row in connection.execute(_LIST_MADE)}


def list_subjects(connection: Connection, zone: str) -> list[Subject]:
    """Give every area, by code, and last all of them together, in a zone of their own."""
    areas = [Subject(*row) for row in connection.execute(_LIST_AREAS)]
    if areas:
        areas.append(Subject(None, None, zone, min(area.since for area in areas)))
    return areas


def _list_ended(subject: Subject, now: datetime, days: int) -> Iterator[tuple[date, datetime]]:
    """Give the last days of a subject that are over, and when each ended; a date that its zone left out is none."""
    today = business_date_of(now, subject.zone)
    day = max(business_date_of(subject.since, subject.zone), today - _DAY * days)
    while day < today:
        window = business_window(day, subject.zone)
        if not window.is_empty:
            yield day, window.end
        day += _DAY
