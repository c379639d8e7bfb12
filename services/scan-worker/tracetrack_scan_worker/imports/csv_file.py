"""Reading a CSV file row by row: whatever separator and Unicode encoding it was saved with."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tracetrack_common.errors import InvalidInputError
from tracetrack_scan_worker.imports.rows import CELLS_MOST, TEXT_MOST_CHARS, Row

_SEPARATORS = ",;\t|"
_LINE_MOST_CHARS = 64 * 1024
"""A longer line is no row; it must not be read whole to find that out."""
_NOT_UTF_8 = "not UTF-8 text"
_FIRST_SURROGATE, _LAST_SURROGATE = "\ud800", "\udfff"


def read_rows(path: Path) -> Iterator[Row]:
    """Give the rows of a CSV file.

    A cell whose bytes are no text in the file's encoding is noted as such, so that only its row suffers.

    Raises
    ------
    InvalidInputError
        A line or a quoted cell has no end, so that what follows cannot be told apart.
    """
    with path.open(encoding=_encoding_of(path), errors="surrogateescape", newline="") as file:
        separator = _separator_of(file.readline(_LINE_MOST_CHARS))
        file.seek(0)
        reader = csv.reader(_lines(file), delimiter=separator)
        number = 0
        try:
            for number, cells in enumerate(reader, start=1):
                kept = tuple(cell[:TEXT_MOST_CHARS] for cell in cells[:CELLS_MOST])
                yield Row(number, kept, _notes_on(kept))
        except csv.Error as error:
            raise InvalidInputError(f"After row {number} the file cannot be read: {error}.") from error


def _encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        mark = file.read(2)
    return "utf-16" if mark in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"


def _separator_of(head: str) -> str:
    """Give the separator that the first line has most of."""
    return max(_SEPARATORS, key=head.count)


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(_LINE_MOST_CHARS):
        if len(line) == _LINE_MOST_CHARS:
            raise csv.Error(f"a line has {_LINE_MOST_CHARS} characters or more")
        yield line


def _notes_on(cells: tuple[str, ...]) -> dict[int, str]:
    if "".join(cells).isascii():
        return {}
    return {
        column: _NOT_UTF_8
        for column, cell in enumerate(cells)
        if any(_FIRST_SURROGATE <= character <= _LAST_SURROGATE for character in cell)
    }
