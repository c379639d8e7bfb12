"""Making a report: its days, its figures from one snapshot, its file (domain.md, docs/reports.md)."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from tracetrack_common.contracts import Command
from tracetrack_common.domain.business_day import Window, business_date_of, business_window
from tracetrack_common.errors import NotFoundError
from tracetrack_common.job_runner import Made, RunningJob
from tracetrack_report_worker import storage
from tracetrack_report_worker.content import ALL_AREAS
from tracetrack_report_worker.history import Scope
from tracetrack_report_worker.report_document import Report
from tracetrack_report_worker.report_figures import REPORTS
from tracetrack_report_worker.report_files import WRITERS, name_of

_DAY = timedelta(days=1)


def check_area(connection: Connection, command: Command) -> None:
    """Refuse a report on an area that is not there.

    Raises
    ------
    NotFoundError
        It is not.
    """
    find_area(connection, command.arguments["arguments"].get("area"))


def make_report(job: RunningJob) -> Made:
    """Make the file of a report; its arguments are ``format``, ``area``, and ``period`` or ``date_from, date_to``.

    Raises
    ------
    NotFoundError
        The area is not there any more.
    JobCancelledError, JobLostError
        The work shall stop.
    sqlalchemy.exc.DBAPIError
        As the statements raise it.
    """
    title, figures = REPORTS[job.kind]
    asked_at = job.row.due_at or job.row.created_at
    with job.snapshot() as connection:
        area = find_area(connection, job.arguments.get("area"))
        zone = job.settings.eod_zone if area is None else area.zone
        first, last = days_of(job.arguments, business_date_of(asked_at, zone))
        window = Window(business_window(first, zone).start, business_window(last, zone).end, zone)
        parts = figures(connection, Scope(window, None if area is None else area.area_id))
    report = Report(
        kind=job.kind,
        title=title,
        area=ALL_AREAS if area is None else area.code,
        zone=zone,
        date_from=first,
        date_to=last,
        generated_at=asked_at,
        parts=parts,
    )
    job.total = sum(len(part.rows) for part in parts)
    job.advance(job.total)
    with job.file() as path:
        WRITERS[job.arguments["format"]](report, path)
    return Made(name_of(report, job.arguments["format"]), {"rows": job.total, "parts": len(parts)})


def find_area(connection: Connection, code: str | None) -> storage.Area | None:
    """Give an area, None for all of them.

    Raises
    ------
    NotFoundError
        There is none of this code.
    """
    if code is None:
        return None
    area = storage.find_area(connection, code)
    if area is None:
        raise NotFoundError(f"There is no area {code}.")
    return area


def days_of(arguments: Mapping[str, Any], today: date) -> tuple[date, date]:
    """Give the first and the last day that a report is about.

    Parameters
    ----------
    arguments
        ``period``, or ``date_from`` and ``date_to``.
    today
        The day on which it is asked for or due, on the calendar of its zone.
    """
    match arguments.get("period"):
        case "yesterday":
            return today - _DAY, today - _DAY
        case "last_7_days":
            return today - 7 * _DAY, today - _DAY
        case "last_month":
            last = today.replace(day=1) - _DAY
            return last.replace(day=1), last
        case _:
            return date.fromisoformat(arguments["date_from"]), date.fromisoformat(arguments["date_to"])
