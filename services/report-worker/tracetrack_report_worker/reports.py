"""Making a report: its days, its figures from one snapshot, its file (domain.md, docs/reports.md)."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, BinaryIO

from sqlalchemy import Connection

from tracetrack_common.contracts import Command
from tracetrack_common.domain.business_day import Window, business_date_of, business_window
from tracetrack_common.errors import NotFoundError
from tracetrack_common.job_runner import Made, RunningJob
from tracetrack_report_worker import storage
from tracetrack_report_worker.content import ALL_AREAS
from tracetrack_report_worker.documents import csv_file, json_file, pdf, xlsx
from tracetrack_report_worker.documents.model import Document
from tracetrack_report_worker.history import Scope
from tracetrack_report_worker.report_document import days_in_words, document_of
from tracetrack_report_worker.report_figures import REPORTS

_DAY = timedelta(days=1)
WRITERS: Mapping[str, Callable[[Document, BinaryIO], None]] = {
    "csv": csv_file.write,
    "json": json_file.write,
    "xlsx": xlsx.write,
    "pdf": pdf.write,
}
"""What writes a report, by format."""


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
    named, days = ALL_AREAS if area is None else area.code, days_in_words(first, last)
    document = document_of(title, parts, about=f"{named}, {days}", generated_at=asked_at, zone=zone)
    job.total = sum(len(part.rows) for part in parts)
    job.advance(job.total)
    file_format = job.arguments["format"]
    with job.file() as path, path.open("wb") as file:
        WRITERS[file_format](document, file)
    return Made(f"{job.kind}-{named}-{days.replace(' ', '-')}.{file_format}", {"rows": job.total})


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
