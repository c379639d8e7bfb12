"""What an imported table holds, told by its heads (domain.md, Bulk)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

from tracetrack_common.contracts import ImportKind
from tracetrack_common.errors import InvalidInputError
from tracetrack_scan_worker.imports.rows import Row

_ROWS_BEFORE_HEADS = 10
"""Titles and blank rows that people put above a table."""
_ROWS_LOOKED_AT = 1_000
"""A bill takes 500 sacks at most, so a sheet of sacks for bills names one within so many rows."""
_NOT_NAME = re.compile(r"[^a-z0-9]")
_BILL_CELL = re.compile(r"\s*bill\s*no\.?\s*[:.\-]?\s*(.*)", re.IGNORECASE | re.DOTALL)

REQUIRED: Mapping[ImportKind, frozenset[str]] = {
    ImportKind.BAGS: frozenset({"qrid"}),
    ImportKind.BILLS: frozenset({"billid", "parentbagcount"}),
    ImportKind.CHILD_TO_PARENT: frozenset({"qrcode"}),
    ImportKind.PARENT_TO_BILL: frozenset({"qrcode"}),
}
"""The heads without which a table of each kind cannot be read, as `simplify` gives them."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose heads were understood.

    Parameters
    ----------
    kind
        What it holds.
    columns
        Where each head stands, from 0.
    rows
        The rows below the heads, blank ones left out.
    """

    kind: ImportKind
    columns: Mapping[str, int]
    rows: Iterator[Row]


def simplify(head: str) -> str:
    """Give a head without case, blanks and marks.

    Examples
    --------
    >>> simplify(" Sr. No. "), simplify("Parent QR_ID")
    ('srno', 'parentqrid')
    """
    return _NOT_NAME.sub("", head.lower())


def bill_no_of(row: Row) -> tuple[int, str] | None:
    """Give the column and the text of the bill's number, where a row names a bill; None where it does not.

    Examples
    --------
    >>> bill_no_of(Row(3, ("Bill No", "b-1"))), bill_no_of(Row(3, ("", "Bill No: b-1")))
    ((1, 'b-1'), (1, 'b-1'))
    >>> bill_no_of(Row(3, ("1", "SB12345")))
    """
    for column, cell in enumerate(row.cells):
        found = _BILL_CELL.fullmatch(cell)
        if found is None:
            continue
        if found[1].strip():
            return column, found[1].strip()
        for after in range(column + 1, len(row.cells)):
            if row.cells[after].strip():
                return after, row.cells[after].strip()
        return column, ""
    return None


def read_table(rows: Iterable[Row], kind: ImportKind | None) -> Table:
    """Find the heads of a table, and what it holds when that was not said.

    Sheets of children and of sacks have the same heads: the one that names a bill is of sacks.

    Raises
    ------
    InvalidInputError
        There are no heads that are understood, or not those that the kind needs.
    """
    below = iter(rows)
    for head in islice(below, _ROWS_BEFORE_HEADS):
        columns: dict[str, int] = {}
        for column, cell in enumerate(head.cells):
            columns.setdefault(simplify(cell), column)
        columns.pop("", None)
        wanted = [kind] if kind is not None else list(ImportKind)
        fitting = [each for each in wanted if REQUIRED[each] <= columns.keys()]
        if not fitting:
            continue
        filled: Iterator[Row] = (row for row in below if not row.is_blank)
        if kind is None and fitting[0] is ImportKind.CHILD_TO_PARENT:
            first = list(islice(filled, _ROWS_LOOKED_AT))
            filled = chain(first, filled)
            if any(bill_no_of(row) for row in first):
                fitting = [ImportKind.PARENT_TO_BILL]
        return Table(fitting[0], columns, filled)
    raise InvalidInputError(
        "No row of heads was found that says what is in the file. Bags: qr_id, type, parent_qr_id. Bills: bill_id,"
        " description, parent_bag_count, expected_weight_kg. Batches: Sr.No., QR Code."
    )
