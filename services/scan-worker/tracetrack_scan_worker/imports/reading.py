"""Opening an uploaded file as rows."""

from collections.abc import Iterator
from pathlib import Path

from tracetrack_common.tables import TableFormat, sniff
from tracetrack_scan_worker.imports import csv_file, xlsx
from tracetrack_scan_worker.imports.rows import Row


def read_rows(path: Path) -> Iterator[Row]:
    """Give the rows of a file, whichever format it has.

    Raises
    ------
    TraceTrackError
        It cannot be read; see `tables.sniff` and the readers.
    """
    match sniff(path):
        case TableFormat.CSV:
            return csv_file.read_rows(path)
        case TableFormat.XLSX:
            return xlsx.read_rows(path)
