"""The XLSX document of a summary: a sheet per part, typed cells, frozen heads, filters.

The same content gives the same bytes: nothing in the file comes from the clock or the machine. Text is always written
as text, so that a destination that begins with `=` stays a destination. Rows go to disk one after the other.
"""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from tracetrack_report_worker.sheets import SHEETS, Column, Kind, Row, Sheet, overview

_GRAMS_PER_KG = 1000
_A4 = 9
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_OVERVIEW_COLUMNS = (Column("Figure", "label", width=36), Column("Value", "value", width=28))


def render(content: Row) -> bytes:
    """Write a summary as an XLSX workbook.

    Parameters
    ----------
    content
        As `content.render_summary` gives it.

    Returns
    -------
    bytes
        The file.
    """
    output = io.BytesIO()
    with xlsxwriter.Workbook(output, _OPTIONS) as book:
        book.set_properties(
            {
                "title": f"End of day {content['date']}, {content['area']}, revision {content['revision']}",
                "created": datetime.fromisoformat(content["generated_at"]).replace(tzinfo=None),
            }
        )
        writer = _Writer(book, ZoneInfo(content["window"]["zone"]))
        writer.write_overview(content)
        for sheet in SHEETS:
            writer.write_sheet(sheet, content)
    return output.getvalue()


class _Writer:
    """Writes the sheets of one workbook, with times on the clock of one zone."""

    def __init__(self, book: xlsxwriter.Workbook, zone: ZoneInfo) -> None:
        self._book = book
        self._zone = zone
        self._formats = {kind: book.add_format({"num_format": kind.value}) for kind in Kind}
        self._head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})

    def write_overview(self, content: Row) -> None:
        worksheet = self._start_sheet("Summary", _OVERVIEW_COLUMNS)
        for row, (label, value, kind) in enumerate(overview(content), start=1):
            worksheet.write_string(row, 0, f"{label}{self._unit(kind)}")
            self._write_cell(worksheet, (row, 1), value, kind)

    def write_sheet(self, sheet: Sheet, content: Row) -> None:
        worksheet = self._start_sheet(sheet.name, sheet.columns)
        last = 0
        for last, row in enumerate(sheet.rows(content), start=1):
            for place, column in enumerate(sheet.columns):
                self._write_cell(worksheet, (last, place), row[column.key], column.kind)
        worksheet.autofilter(0, 0, last, len(sheet.columns) - 1)

    def _start_sheet(self, name: str, columns: Sequence[Column]) -> Worksheet:
        worksheet = self._book.add_worksheet(name)
        worksheet.freeze_panes(1, 0)
        worksheet.repeat_rows(0)
        worksheet.set_landscape()
        worksheet.set_paper(_A4)
        worksheet.fit_to_pages(1, 0)
        for place, column in enumerate(columns):
            worksheet.set_column(place, place, column.width)
            worksheet.write_string(0, place, f"{column.title}{self._unit(column.kind)}", self._head)
        return worksheet

    def _unit(self, kind: Kind) -> str:
        match kind:
            case Kind.KG:
                return ", kg"
            case Kind.TIME:
                return f", {self._zone.key}"
            case _:
                return ""

    def _write_cell(self, worksheet: Worksheet, place: tuple[int, int], value: Any, kind: Kind) -> None:
        style = self._formats[kind]
        if value is None:
            worksheet.write_blank(*place, None, style)
            return
        match kind:
            case Kind.TEXT:
                worksheet.write_string(*place, value, style)
            case Kind.TIME:
                local = datetime.fromisoformat(value).astimezone(self._zone).replace(tzinfo=None)
                worksheet.write_datetime(*place, local, style)
            case Kind.KG:
                worksheet.write_number(*place, value / _GRAMS_PER_KG, style)
            case Kind.COUNT:
                worksheet.write_number(*place, value, style)
