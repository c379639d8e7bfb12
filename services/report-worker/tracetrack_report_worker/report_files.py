"""A report as a file: XLSX, CSV or JSON. The same report gives the same bytes: nothing in it comes from the clock."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import xlsxwriter

from tracetrack_common.csv_lines import csv_lines
from tracetrack_report_worker.report_document import Part, Report
from tracetrack_report_worker.sheets import Column, Kind, Row
from tracetrack_report_worker.tables import XLSX_OPTIONS

_GRAMS_PER_KG = 1000
_A4 = 9
SCHEMA = "https://tracetrack.dev/schemas/report-1.json"


def write_json(report: Report, path: Path) -> None:
    """Write a report as JSON; its form stands in docs/reports.md."""
    document = {
        "schema": SCHEMA,
        "report": report.kind,
        "title": report.title,
        "area": report.area,
        "zone": report.zone,
        "date_from": report.date_from,
        "date_to": report.date_to,
        "generated_at": report.generated_at,
        "parts": [
            {
                "name": part.name,
                "columns": [{"key": column.key, "title": column.title} for column in part.columns],
                "rows": [{column.key: row[column.key] for column in part.columns} for row in part.rows],
                "totals": part.totals,
            }
            for part in report.parts
        ],
    }
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2))


def write_csv(report: Report, path: Path) -> None:
    """Write a report as CSV: the parts one below the other, each with its name, its head and its totals."""
    with path.open("wb") as file:
        for place, part in enumerate(report.parts):
            head = [] if place == 0 else [[]]
            file.write(csv_lines([*head, [part.name], [_title(column, report) for column in part.columns]]))
            rows = part.rows if part.totals is None else [*part.rows, part.totals]
            file.write(csv_lines([_csv_cell(row.get(c.key), c.kind, report) for c in part.columns] for row in rows))


def write_xlsx(report: Report, path: Path) -> None:
    """Write a report as a workbook: a sheet for each part, typed cells, frozen heads, filters, totals below."""
    with xlsxwriter.Workbook(str(path), {**XLSX_OPTIONS, "tmpdir": str(path.parent)}) as book:
        created = report.generated_at.replace(tzinfo=None)
        book.set_properties({"title": f"{report.title}, {report.area}", "created": created})
        formats = {
            (kind, bold): book.add_format({"num_format": kind.value, "bold": bold, "top": int(bold)})
            for kind in Kind
            for bold in (False, True)
        }
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        for part in report.parts:
            _write_sheet(book, part, report, formats, head)


def _write_sheet(book: Any, part: Part, report: Report, formats: Mapping[tuple[Kind, bool], Any], head: Any) -> None:
    sheet = book.add_worksheet(part.name)
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)
    dates = f"{report.date_from} to {report.date_to}"
    sheet.set_header(f"&L{_in_header(report.title)}, {report.area}&R{dates}")
    sheet.set_footer("&R&P / &N")
    for place, column in enumerate(part.columns):
        sheet.set_column(place, place, column.width)
        sheet.write_string(0, place, _title(column, report), head)
    for line, row in enumerate(part.rows, start=1):
        _write_row(sheet, line, part, row, {kind: formats[kind, False] for kind in Kind}, report)
    if part.rows:
        sheet.autofilter(0, 0, len(part.rows), len(part.columns) - 1)
    if part.totals is not None:
        _write_row(sheet, len(part.rows) + 1, part, part.totals, {kind: formats[kind, True] for kind in Kind}, report)


def _write_row(sheet: Any, line: int, part: Part, row: Row, formats: Mapping[Kind, Any], report: Report) -> None:
    for place, column in enumerate(part.columns):
        value = row.get(column.key)
        style = formats[column.kind if not isinstance(value, str) else Kind.TEXT]
        if value is None:
            sheet.write_blank(line, place, None, style)
        elif isinstance(value, str):
            sheet.write_string(line, place, value, style)
        elif isinstance(value, datetime):
            sheet.write_datetime(line, place, _local(value, report), style)
        else:
            sheet.write_number(line, place, value / _GRAMS_PER_KG if column.kind is Kind.KG else value, style)


def _title(column: Column, report: Report) -> str:
    match column.kind:
        case Kind.KG:
            return f"{column.title}, kg"
        case Kind.TIME:
            return f"{column.title}, {report.zone}"
        case _:
            return column.title


def _csv_cell(value: Any, kind: Kind, report: Report) -> Any:
    if isinstance(value, datetime):
        return _local(value, report).isoformat(" ", "seconds")
    if kind is Kind.KG and isinstance(value, int):
        return value / _GRAMS_PER_KG
    return value


def _local(value: datetime, report: Report) -> datetime:
    return value.astimezone(ZoneInfo(report.zone)).replace(tzinfo=None)


def _in_header(title: str) -> str:
    return title.replace("&", "&&")


WRITERS: Mapping[str, Callable[[Report, Path], None]] = {"json": write_json, "csv": write_csv, "xlsx": write_xlsx}
"""What writes a report, by format."""


def name_of(report: Report, file_format: str) -> str:
    """Name a report's file."""
    days: list[date] = sorted({report.date_from, report.date_to})
    return f"{report.kind}-{report.area}-{'-to-'.join(map(str, days))}.{file_format}"
