"""A document as an XLSX workbook: a sheet per section, typed cells, frozen heads, filters.

The same document gives the same bytes: nothing in the file comes from the clock or the machine. Text is always written
as text, so that a destination that begins with `=` stays a destination. Rows go to disk one after the other.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any, BinaryIO

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from tracetrack_report_worker.documents.model import GRAMS_PER_KG, Column, Document, Kind, Section

_A4 = 9
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_SHEET_ROWS = 1_000_000
"""Of data, on a sheet; Excel takes 1,048,576 rows. What is more goes on further sheets, each with the head."""
_CELL_MOST, _NAME_MOST = 32_767, 31
_NO_NAME = re.compile(r"[\[\]:*?/\\]")
_FIGURE_COLUMNS = (Column("Figure", "label", width=36), Column("Value", "value", width=28))


def write(document: Document, file: BinaryIO) -> None:
    """Write a document as a workbook.

    Parameters
    ----------
    document
        What it says.
    file
        Where it goes.
    """
    with xlsxwriter.Workbook(file, _OPTIONS) as book:
        book.set_properties(
            {
                "title": f"{document.title}: {document.subtitle}",
                "created": document.generated_at.replace(tzinfo=None),
            }
        )
        writer = _Writer(book, document)
        if document.figures:
            writer.write_figures()
        for section in document.files_sections:
            writer.write_section(section)


class _Writer:
    """Writes the sheets of one workbook."""

    def __init__(self, book: xlsxwriter.Workbook, document: Document) -> None:
        self._book = book
        self._document = document
        self._formats = {kind: book.add_format({"num_format": kind.value}) for kind in Kind}
        self._head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self._names: set[str] = set()

    def write_figures(self) -> None:
        sheet = self._start_sheet("Summary", _FIGURE_COLUMNS)
        for row, figure in enumerate(self._document.figures, start=1):
            sheet.write_string(row, 0, self._document.head(figure))
            self._write_cell(sheet, (row, 1), figure.value, figure.kind)

    def write_section(self, section: Section) -> None:
        sheet, last = self._start_sheet(section.name, section.columns), 0
        for row in section.rows():
            if last == _SHEET_ROWS:
                sheet.autofilter(0, 0, last, len(section.columns) - 1)
                sheet, last = self._start_sheet(section.name, section.columns), 0
            last += 1
            for place, column in enumerate(section.columns):
                self._write_cell(sheet, (last, place), row[column.key], column.kind)
        sheet.autofilter(0, 0, last, len(section.columns) - 1)

    def _start_sheet(self, name: str, columns: Sequence[Column]) -> Worksheet:
        sheet = self._book.add_worksheet(self._free_name(name))
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        for place, column in enumerate(columns):
            sheet.set_column(place, place, column.width)
            sheet.write_string(0, place, self._document.head(column), self._head)
        return sheet

    def _free_name(self, name: str) -> str:
        """Give a name that a sheet can have and none has yet."""
        wanted = _NO_NAME.sub("-", name).strip("'")[:_NAME_MOST] or "Sheet"
        free, number = wanted, 1
        while free.lower() in self._names:
            number += 1
            free = f"{wanted[: _NAME_MOST - len(str(number)) - 1]} {number}"
        self._names.add(free.lower())
        return free

    def _write_cell(self, sheet: Worksheet, place: tuple[int, int], value: Any, kind: Kind) -> None:
        style = self._formats[kind]
        if value is None:
            sheet.write_blank(*place, None, style)
            return
        match kind:
            case Kind.TEXT:
                sheet.write_string(*place, str(value)[:_CELL_MOST], style)
            case Kind.TIME:
                sheet.write_datetime(*place, self._document.local(value).replace(tzinfo=None), style)
            case Kind.DATE:
                sheet.write_datetime(*place, date.fromisoformat(str(value)), style)
            case Kind.KG:
                sheet.write_number(*place, value / GRAMS_PER_KG, style)
            case Kind.COUNT | Kind.CHANGE | Kind.NUMBER:
                sheet.write_number(*place, value, style)
