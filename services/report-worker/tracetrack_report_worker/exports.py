"""Exports: a whole list as CSV or XLSX, in constant memory, from one snapshot (domain.md, Bulk).

The rows come through a cursor on the server, some thousand at a time, and go to the file as they come.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from tracetrack_common.csv_lines import csv_lines
from tracetrack_common.job_runner import Made, RunningJob
from tracetrack_report_worker.export_lists import LISTS, ExportList
from tracetrack_report_worker.tables import XlsxTable

_ROWS_AT_A_TIME = 2_000


def export(job: RunningJob) -> Made:
    """Make the file of an export; its arguments are ``list``, ``format`` and ``filters``.

    Raises
    ------
    JobCancelledError, JobLostError
        The work shall stop.
    sqlalchemy.exc.DBAPIError
        As the statement raises it.
    """
    exported, file_format = LISTS[job.arguments["list"]], job.arguments["format"]
    with job.snapshot() as connection, job.file() as path:
        rows = _read(job, connection, exported)
        if file_format == "csv":
            with path.open("wb") as file:
                file.write(csv_lines([exported.columns]))
                for some in rows:
                    file.write(csv_lines(some))
        else:
            with XlsxTable(path, job.arguments["list"], exported.columns, created_at=job.row.created_at) as table:
                for some in rows:
                    table.write(some)
    name = f"{job.arguments['list']}-{job.row.created_at:%Y%m%d-%H%M}.{file_format}"
    return Made(name, {"rows": job.done})


def _read(job: RunningJob, connection: Connection, exported: ExportList) -> Iterator[Sequence[Sequence[Any]]]:
    """Give the rows of a list as its route gives them, some at a time, and note them as done once they are written."""
    statement, values = exported.statement(job.arguments.get("filters", {}))
    found = connection.execute(text(statement), values, execution_options={"yield_per": _ROWS_AT_A_TIME})
    for some in found.partitions(_ROWS_AT_A_TIME):
        yield [exported.cells(row) for row in some]
        job.advance(len(some))
