"""The nightly run: which summaries are due and missing, and making them (domain.md, End of day)."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.log import get_logger
from tracetrack_common.nights import ALL_AREAS, Due, list_missing
from tracetrack_common.settings import Settings
from tracetrack_report_worker import late, summary
from tracetrack_report_worker.summary import Made

log = get_logger(__name__)

_ACTOR = "system"


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
    """Give the summaries that are due and missing, in the order in which they are to be made."""
    return list_missing(connection, settings, now=now, delay_minutes=settings.eod_delay_minutes)
