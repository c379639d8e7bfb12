"""The answers to an import's rows, on disk as they come, and the workbook that is made of them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import orjson
import xlsxwriter
from xlsxwriter.format import Format

from tracetrack_scan_worker.imports.steps import BillStep, Said, ScanStep, Step

_CHUNK_BYTES = 1024 * 1024
SHEET_ROWS_MOST = 1_048_575
"""Rows of a sheet below its head; what is more goes on further sheets."""
_HEADS = (("Row", 10), ("Code", 24), ("Belongs to", 20), ("Outcome", 18), ("Feedback", 10), ("What happened", 80))


class Journal:
    """The answers that were given so far.

    Each attempt at an import has a file of its own and begins with what the one before it had committed: a worker that
    was held up and has lost the import spoils nothing.

    Parameters
    ----------
    path
        This attempt's file.
    size
        How many bytes of it count; what is behind them is of a batch whose transaction was not committed.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        self.size = size

    @classmethod
    def continue_from(cls, before: Path, path: Path, size: int) -> Self | None:
        """Go on with what an earlier attempt has written; None where that is not there any more."""
        try:
            with before.open("rb") as old, path.open("wb") as new:
                left = size
                while left and (chunk := old.read(min(left, _CHUNK_BYTES))):
                    new.write(chunk)
                    left -= len(chunk)
        except FileNotFoundError:
            return None
        return None if left else cls(path, size)

    def write(self, lines: bytes) -> None:
        """Write answers behind those that were committed; they count when `size` says so."""
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.truncate(self.size)
            file.seek(self.size)
            file.write(lines)

    def lines(self) -> Iterator[Sequence[Any]]:
        """Give what was written: code, what it belongs to, row, outcome, feedback, sentence."""
        if self.size == 0:
            return
        with self.path.open("rb") as file:
            while file.tell() < self.size:
                yield orjson.loads(file.readline())


def encode_answers(steps: Sequence[Step], answers: Sequence[Said]) -> bytes:
    """Give the lines of the answers to some rows."""
    return b"".join(
        orjson.dumps([*_names(step), *answer], option=orjson.OPT_APPEND_NEWLINE)
        for step, answer in zip(steps, answers, strict=True)
    )


def write_workbook(lines: Iterable[Sequence[Any]], path: Path) -> None:
    """Make the result workbook, in constant memory."""
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "tmpdir": str(path.parent),
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        head = book.add_format({"bold": True, "bottom": 1})
        row = SHEET_ROWS_MOST
        sheet = None
        for code, target, number, outcome, feedback, sentence in lines:
            if sheet is None or row == SHEET_ROWS_MOST:
                sheet, row = _start_sheet(book, head), 0
            row += 1
            sheet.write_number(row, 0, number)
            for column, cell in enumerate((code, target, outcome, feedback, sentence), start=1):
                sheet.write_string(row, column, cell)
        if sheet is None:
            _start_sheet(book, head)


def _start_sheet(book: xlsxwriter.Workbook, head: Format) -> Any:
    sheet = book.add_worksheet("Rows" if not book.worksheets() else None)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, SHEET_ROWS_MOST, len(_HEADS) - 1)
    for column, (title, width) in enumerate(_HEADS):
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, title, head)
    return sheet


def _names(step: Step) -> tuple[str, str]:
    match step:
        case ScanStep():
            return step.code, step.target or ""
        case BillStep():
            return step.arguments["bill_no"], ""
        case Said():
            return "", ""
