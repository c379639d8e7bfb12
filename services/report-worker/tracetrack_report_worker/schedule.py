"""The nightly run: which summaries are due and missing, and making them (domain.md, End of day)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError

from sqlalchemy import Connection

from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.domain.business_day import missing_dates
from tracetrack_common.log import get_logger
from tracetrack_common.settings import Settings
from tracetrack_report_worker import late, storage, summary
from tracetrack_report_worker.content import ALL_AREAS
from tracetrack_report_worker.summary import Made

log = get_logger(__name__)

_ACTOR = "system"


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


def make_due(database: Database, settings: Settings, *, now: datetime) -> list[Made]:
    """Make every summary that is due and missing, those of missed nights too: the oldest day first, areas before all.

    A summary that cannot be made does not keep back the others.

    Parameters
    ----------
    database
        Where the history is and the summaries go.
    settings
        For the delay after the day's end, and the zone of the summary over all areas.
    now
        The current time.

    Returns
    -------
    list of Made
        In the order they were made.

    Raises
    ------
    sqlalchemy.exc.DBAPIError, StateChangedError
        What a repetition may cure; what was made until then stays.
    ExceptionGroup
        Some could not be made, for reasons that no repetition cures; all others were.
    """
    with database.snapshot() as connection:
        due = list_due(connection, settings, now=now)
    made: list[Made] = []
    errors: list[Exception] = []
    for each in due:
        try:
            made.append(
                summary.make(
                    database,
                    settings,
                    area=each.area,
                    business_date=each.business_date,
                    now=now,
                    actor=_ACTOR,
                    request_id=None,
                    address=None,
                )
            )
        except Exception as error:
            if is_transient(error):
                raise
            log.exception("eod_summary_failed", area=each.area or ALL_AREAS, date=str(each.business_date))
            errors.append(error)
    if errors:
        raise ExceptionGroup("end-of-day summaries that could not be made", errors)
    return made


def revise_touched(database: Database, settings: Settings, *, now: datetime) -> list[Made]:
    """Make the next revision of every closed day to which something came late, once no more comes.

    A trickle makes one revision: a day is read anew when nothing has come to it for `eod_quiet_minutes`, or
    `eod_quiet_most_minutes` after the first of it came.

    Parameters
    ----------
    database, settings, now
        As of `make_due`.

    Returns
    -------
    list of Made
        In the order they were made; what turned out to say nothing new is among them, not `made`.

    Raises
    ------
    sqlalchemy.exc.DBAPIError, StateChangedError
        What a repetition may cure; what was made until then stays.
    """
    with database.transaction() as connection:
        late.look(connection, zone=settings.eod_zone)
    with database.snapshot() as connection:
        quiet = late.list_quiet(
            connection,
            quiet_since=now - timedelta(minutes=settings.eod_quiet_minutes),
            touched_since=now - timedelta(minutes=settings.eod_quiet_most_minutes),
        )
    revised = []
    for touched in quiet:
        revised.append(
            summary.make(
                database,
                settings,
                area=touched.area,
                business_date=touched.business_date,
                now=now,
                actor=_ACTOR,
                request_id=None,
                address=None,
            )
        )
        with database.transaction() as connection:
            late.settle(connection, touched)
    return revised


def list_due(connection: Connection, settings: Settings, *, now: datetime) -> list[Due]:
    """Give the summaries that are due and missing, in the order in which they are to be made.

    An area's first day is the one it was created in; the first day over all areas is that of the oldest area. An area
    whose zone is not known is left out, and said so in the log.
    """
    areas = storage.list_areas(connection)
    if not areas:
        return []
    made = storage.list_made(connection)
    delay = timedelta(minutes=settings.eod_delay_minutes)
    subjects: list[tuple[int | None, str | None, str, datetime]] = [
        (area.area_id, area.code, area.zone, area.created_at) for area in areas
    ]
    subjects.append((None, None, settings.eod_zone, min(area.created_at for area in areas)))
    due: list[Due] = []
    for area_id, code, zone, since in subjects:
        made_dates = {day for made_id, day in made if made_id == area_id}
        try:
            missing = missing_dates(since, zone, now=now, delay=delay, made=made_dates)
        except ZoneInfoNotFoundError:
            log.exception("eod_zone_unknown", area=code or ALL_AREAS, zone=zone)
            continue
        due += [Due(business_date, code) for business_date in missing]
    return sorted(due, key=lambda each: (each.business_date, each.area is None, each.area or ""))
