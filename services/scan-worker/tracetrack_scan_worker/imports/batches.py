"""The grammar of batch sheets (domain.md, Bulk): children and then their parent; sacks and then their bill.

A batch that is not closed, or that holds more than its sack has room for, is not taken at all: the likely reason is a
row that is missing or was misread, and its children would end in the next sack. It stops no other batch.
"""

from collections.abc import Iterator
from typing import Protocol

from tracetrack_common.domain.codes import Catalogue, normalise
from tracetrack_common.domain.scans import Feedback, Kind
from tracetrack_scan_worker.imports.heads import Table, bill_no_of
from tracetrack_scan_worker.imports.rows import Row
from tracetrack_scan_worker.imports.steps import (
    Cells,
    RowError,
    Said,
    ScanStep,
    Step,
    read_bill_no,
    read_code,
    refuse,
)

ROWS_MOST = 1_000
"""Rows of a batch, more than any sack or bill takes: what waits for the row that closes it is kept in memory."""
_FIRST = {"1", "1.0"}

_Waiting = list[tuple[int, str | Said]]
"""The rows of a batch that is not closed yet: the code of each, or what is wrong with it."""


class _Grammar(Protocol):
    """What is particular to one kind of sheet."""

    unclosed: str
    """What is said of the rows of a batch that nothing closes."""

    def closes(self, row: Row, cells: Cells) -> bool:
        """Tell whether a row closes a batch."""

    def close(self, row: Row, cells: Cells, waiting: _Waiting) -> Iterator[Step]:
        """Give what a whole batch asks for.

        Raises
        ------
        RowError
            The batch cannot be taken.
        """


def plan_children(table: Table, catalogue: Catalogue) -> Iterator[Step]:
    """Give what a sheet of children and parents asks for, each row once and in their order.

    The parent is what matches a bag type; it is scanned as a sack after its children, so that its row shows the count.
    """
    return _plan(table, _Children(catalogue))


def plan_sacks(table: Table) -> Iterator[Step]:
    """Give what a sheet of sacks and bills asks for, each row once and in their order."""
    return _plan(table, _Sacks())


def _plan(table: Table, grammar: _Grammar) -> Iterator[Step]:
    waiting: _Waiting = []
    is_lost = False
    for row in table.rows:
        cells = Cells(row, table.columns)
        code: str | Said = ""
        try:
            closes = grammar.closes(row, cells)
            if not closes:
                code = _read_member(cells)
        except RowError as error:
            closes, code = False, error.at(row.number)
        if waiting and not closes and _starts_again(cells):
            yield from _refuse_all(
                waiting, "unclosed", f"{grammar.unclosed}, and a new one begins at row {row.number}."
            )
            waiting, is_lost = [], False
        if len(waiting) == ROWS_MOST:
            yield from _refuse_all(waiting, "unclosed", f"{grammar.unclosed} within {ROWS_MOST} rows.")
            waiting, is_lost = [], True
        if not closes:
            waiting.append((row.number, code))
            continue
        try:
            _refuse_lost(is_lost=is_lost)
            steps = list(grammar.close(row, cells, waiting))
        except RowError as error:
            steps = [*_refuse_all(waiting, error.outcome, error.sentence), error.at(row.number)]
        yield from steps
        waiting, is_lost = [], False
    yield from _refuse_all(waiting, "unclosed", f"{grammar.unclosed} before the file ends.")


def _refuse_lost(*, is_lost: bool) -> None:
    """Close nothing where rows of the same batch were refused already.

    Raises
    ------
    RowError
        They were.
    """
    if is_lost:
        raise RowError("too_many", f"More than {ROWS_MOST} rows came before this one; none was taken.")


def _read_member(cells: Cells) -> str:
    code = cells.code("qrcode")
    if not code:
        raise RowError("incomplete", "There is no QR Code.")
    return code


def _starts_again(cells: Cells) -> bool:
    """Tell whether the serial numbers begin anew, which they do with a batch."""
    try:
        return cells.text("srno") in _FIRST
    except RowError:
        return False


def _refuse_all(waiting: _Waiting, outcome: str, sentence: str) -> Iterator[Said]:
    for number, code in waiting:
        yield code if isinstance(code, Said) else refuse(number, outcome, sentence)


class _Children:
    unclosed = "No parent row closes this batch"

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def closes(self, row: Row, cells: Cells) -> bool:
        del row
        return self._catalogue.bag_type_of(cells.code("qrcode")) is not None

    def close(self, row: Row, cells: Cells, waiting: _Waiting) -> Iterator[Step]:
        parent_code = cells.code("qrcode")
        bag_type = self._catalogue.bag_type_of(parent_code)
        room = 0 if bag_type is None else bag_type.capacity
        children = {code for _, code in waiting if isinstance(code, str)}
        if not waiting:
            raise RowError("empty_batch", f"No children stand before {parent_code}.")
        if len(children) > room:
            raise RowError(
                "too_many",
                f"{len(children)} children stand before {parent_code}, which takes {room}; is a parent row missing?",
            )
        for number, code in waiting:
            yield code if isinstance(code, Said) else ScanStep(number, Kind.CHILD, code, parent_code)
        yield ScanStep(row.number, Kind.PARENT, parent_code, None)


class _Sacks:
    unclosed = "No Bill No row closes this batch"

    def closes(self, row: Row, cells: Cells) -> bool:
        del cells
        return bill_no_of(row) is not None

    def close(self, row: Row, cells: Cells, waiting: _Waiting) -> Iterator[Step]:
        del cells
        column, number_text = bill_no_of(row) or (0, "")
        if column in row.notes:
            read_code(row, column)
        bill_no = read_bill_no(normalise(number_text))
        if not waiting:
            raise RowError("empty_batch", f"No sacks stand before bill {bill_no}.")
        for number, code in waiting:
            yield code if isinstance(code, Said) else ScanStep(number, Kind.BILL, code, bill_no)
        sacks = sum(isinstance(code, str) for _, code in waiting)
        yield Said(row.number, "closed", Feedback.OK, f"{sacks} rows for bill {bill_no}")
