"""Printing: a summary's documents besides the workbook, each made once and kept, so that every download is the same.

They are made after the summary was stored, from what was stored, each in a transaction of its own: typesetting takes
seconds, and no fault of it may cost a summary. What a crash leaves out is made at the next tick.
"""

import io
from collections.abc import Callable, Mapping
from datetime import date
from hashlib import sha256
from time import monotonic

import orjson

from tracetrack_common.db.session import Database
from tracetrack_common.log import get_logger
from tracetrack_report_worker import storage
from tracetrack_report_worker.documents import csv_file, pdf
from tracetrack_report_worker.documents.model import Row
from tracetrack_report_worker.documents.pdf import UnprintableError
from tracetrack_report_worker.paper import document_of

log = get_logger(__name__)

_LONGEST_RUN_S = 30.0
"""The nightly run waits in the same pool; what is left is made at the next tick."""


def print_missing(database: Database, *, business_date: date | None = None) -> int:
    """Make the documents that summaries do not have yet, those of the newest first; give how many were made.

    Parameters
    ----------
    database
        Where the summaries are.
    business_date
        Of this day only.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        As the statements raise it; what was made until then stays.
    ExceptionGroup
        Some could not be typeset; all others were.
    """
    with database.snapshot() as connection:
        missing = storage.list_unprinted(connection, formats=[*_PRINTERS], business_date=business_date)
    until_s = monotonic() + _LONGEST_RUN_S
    made, errors = 0, []
    for summary_id, format_ in missing:
        if monotonic() > until_s:
            break
        with database.snapshot() as connection:
            content = storage.read_content(connection, summary_id)
        try:
            document = _PRINTERS[format_](content)
        except UnprintableError as error:
            log.exception("document_unprintable", summary_id=summary_id, format=format_)
            errors.append(error)
            continue
        with database.transaction() as connection:
            made += storage.insert_document(
                connection,
                summary_id=summary_id,
                format_=format_,
                content=document,
                sha256=sha256(document).digest(),
            )
    if errors:
        raise ExceptionGroup("documents that could not be made", errors)
    return made


def _print_json(content: Row) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _print_csv(content: Row) -> bytes:
    output = io.BytesIO()
    csv_file.write(document_of(content), output)
    return output.getvalue()


def _print_pdf(content: Row) -> bytes:
    output = io.BytesIO()
    pdf.write(document_of(content), output)
    return output.getvalue()


_PRINTERS: Mapping[str, Callable[[Row], bytes]] = {"json": _print_json, "csv": _print_csv, "pdf": _print_pdf}
