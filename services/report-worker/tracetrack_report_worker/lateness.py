"""Lateness: telling admins of summaries that are not there by their deadline (domain.md, End of day)."""

from datetime import datetime

from tracetrack_common.db.session import Database
from tracetrack_common.log import get_logger
from tracetrack_common.nights import ALL_AREAS, list_late
from tracetrack_common.notification import notify
from tracetrack_common.settings import Settings

log = get_logger(__name__)


def tell_late(database: Database, settings: Settings, *, now: datetime) -> None:
    """Tell every admin of each summary that is missing past its deadline, once per area and date.

    Parameters
    ----------
    database
        Where summaries and notifications are.
    settings
        For the deadline.
    now
        The current time.
    """
    with database.snapshot() as connection:
        late = list_late(connection, settings, now=now)
    if not late:
        return
    with database.transaction() as connection:
        for each in late:
            area = each.area or ALL_AREAS
            log.warning("eod_summary_late", area=area, date=str(each.business_date))
            notify(
                connection,
                event_key=f"eod-late:{area}:{each.business_date}",
                priority="high",
                title=f"No end-of-day summary of {area} for {each.business_date}",
                body=f"The summary was not there {settings.eod_deadline_minutes} minutes after the day's end."
                " It is made as soon as the report-worker can; `tracetrack eod status` shows how it stands.",
                roles=["admin"],
            )
