"""What the rows of a table ask for: a scan, a bill, or a word on why nothing can be done (domain.md, Bulk)."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tracetrack_common.domain.codes import CODE_MAX_CHARS, normalise
from tracetrack_common.domain.scans import Feedback, Kind
from tracetrack_scan_worker.imports.rows import Row

_BILL_NO = re.compile(r"[A-Z0-9/-]{3,50}", re.ASCII)


class ScanStep(NamedTuple):
    """A row that is a scan; `code` and `target` are normalised."""

    number: int
    kind: Kind
    code: str
    target: str | None


class BillStep(NamedTuple):
    """A row that is a new bill: the arguments of ``bill.create`` but its area, and what to add to the sentence."""

    number: int
    arguments: Mapping[str, Any]
    remark: str


class Said(NamedTuple):
    """What is said of a row: its outcome as a word, how that is to be taken, and a sentence."""

    number: int
    outcome: str
    feedback: Feedback
    sentence: str


Step = ScanStep | BillStep | Said


class RowError(Exception):
    """A row cannot be taken.

    Parameters
    ----------
    outcome
        Why, as a word.
    sentence
        Why, and what to do.
    """

    def __init__(self, outcome: str, sentence: str) -> None:
        super().__init__(sentence)
        self.outcome = outcome
        self.sentence = sentence

    def at(self, number: int) -> Said:
        """Say it of a row."""
        return refuse(number, self.outcome, self.sentence)


def refuse(number: int, outcome: str, sentence: str) -> Said:
    """Say of a row that it was not taken."""
    return Said(number, outcome, Feedback.STOP, sentence)


class Cells:
    """The cells of a row by their heads.

    Parameters
    ----------
    row
        The row.
    columns
        Where each head stands.
    """

    def __init__(self, row: Row, columns: Mapping[str, int]) -> None:
        self._row = row
        self._columns = columns

    def text(self, head: str) -> str:
        """Give a cell's text, trimmed; empty when there is none.

        Raises
        ------
        RowError
            The cell holds no text that can be trusted.
        """
        column = self._columns.get(head, len(self._row.cells))
        return read_text(self._row, column) if column < len(self._row.cells) else ""

    def code(self, head: str) -> str:
        """Give a code, normalised; empty when there is none.

        Raises
        ------
        RowError
            The cell holds no code, or a number, which may have lost the zeros before it.
        """
        column = self._columns.get(head, len(self._row.cells))
        return normalise(read_code(self._row, column)) if column < len(self._row.cells) else ""


def read_text(row: Row, column: int) -> str:
    """Give the text of a cell that there is, trimmed; see `Cells.text`."""
    text = row.cells[column].strip()
    note = row.notes.get(column, "a number")
    if text and note != "a number":
        raise RowError("unreadable", f"Column {letter_of(column)} holds {note}.")
    return text


def read_code(row: Row, column: int) -> str:
    """Give the code in a cell that there is, as it was typed; see `Cells.code`."""
    text = read_text(row, column)
    if text and column in row.notes:
        raise RowError(
            "unreadable",
            f"{text} in column {letter_of(column)} is a number, so zeros before it may be lost;"
            " format the column as text and type it again.",
        )
    if len(text) > CODE_MAX_CHARS:
        raise RowError("invalid_code", f"A code has at most {CODE_MAX_CHARS} characters.")
    return text


def read_bill_no(code: str) -> str:
    """Give a normalised code that is a bill's number (domain.md, Bills).

    Raises
    ------
    RowError
        It is none.
    """
    if not _BILL_NO.fullmatch(code):
        raise RowError(
            "no_bill", f"A bill's number has 3 to 50 letters, digits, - and /; {code[:60] or 'nothing'} is none."
        )
    return code


def letter_of(column: int) -> str:
    """Name a column as a spreadsheet does.

    Examples
    --------
    >>> letter_of(0), letter_of(27)
    ('A', 'AB')
    """
    before, last = divmod(column, 26)
    return (letter_of(before - 1) if before else "") + chr(ord("A") + last)
