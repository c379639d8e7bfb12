"""A table of any length as XLSX, written row by row: memory stays the same (domain.md, Bulk).

Text is always written as text, so that nothing in it is a formula or a link.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import xlsxwriter

SHEET_ROWS = 1_000_000
"""Of data, on a sheet; Excel takes 1,048,576 rows. What is more goes on further sheets, each with the head."""
XLSX_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_CELL_MOST = 32_767
_SAFE_INTEGER = 10**15
"""Above it Excel would round."""


class XlsxTable:
    """A workbook that holds one table; use it as a context manager.

    Parameters
    ----------
    path
        Where it goes.
    name
        Of its sheets.
    columns
        The head.
    created_at
        Stands in the file's properties.
    """

    def __init__(self, path: Path, name: str, columns: Sequence[str], *, created_at: datetime) -> None:
        self._book = xlsxwriter.Workbook(str(path), {**XLSX_OPTIONS, "tmpdir": str(path.parent)})
        self._book.set_properties({"title": name, "created": created_at.replace(tzinfo=None)})
        self._head = self._book.add_format({"bold": True, "bottom": 1})
        self._name = name
        self._columns = columns
        self._sheets = 0
        self._rows = 0
        self._start_sheet()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sheet.autofilter(0, 0, self._rows, len(self._columns) - 1)
        self._book.close()

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows below those that are there."""
        for row in rows:
            if self._rows == SHEET_ROWS:
                self._sheet.autofilter(0, 0, self._rows, len(self._columns) - 1)
                self._start_sheet()
            self._rows += 1
            for place, value in enumerate(row):
                self._write_cell(place, value)

    def _start_sheet(self) -> None:
        self._sheets += 1
        self._rows = 0
        self._sheet = self._book.add_worksheet(self._name if self._sheets == 1 else f"{self._name} {self._sheets}")
        self._sheet.freeze_panes(1, 0)
        for place, column in enumerate(self._columns):
            self._sheet.write_string(0, place, column, self._head)

    def _write_cell(self, place: int, value: Any) -> None:
        if value is None:
            return
        if isinstance(value, bool):
            self._sheet.write_boolean(self._rows, place, value)
        elif isinstance(value, int | float) and abs(value) < _SAFE_INTEGER:
            self._sheet.write_number(self._rows, place, value)
        else:
            shown = value if isinstance(value, str) else orjson.dumps(value).decode()
            self._sheet.write_string(self._rows, place, shown[:_CELL_MOST])
