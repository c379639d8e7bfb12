"""A document as CSV (RFC 4180, UTF-8 with a mark, so that Excel shows Hindi).

One section is one plain table. More of them follow one another in the same file, each below a line with its name and
above an empty one; the figures are the first. Cells that a spreadsheet would take for a formula are neutralised.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from tracetrack_common.csv_lines import cell_of
from tracetrack_report_worker.documents.model import GRAMS_PER_KG, Document, Kind, Section


def write(document: Document, file: BinaryIO) -> None:
    """Write a document as CSV, row by row."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text)
    sections = document.files_sections
    if len(sections) == 1:
        writer.writerows(_table(document, sections[0]))
    else:
        writer.writerows([["Summary"], ["Figure", "Value"]])
        for figure in document.figures:
            writer.writerow([cell_of(document.head(figure)), _cell(document, figure.value, figure.kind)])
        for section in sections:
            writer.writerows([[], [cell_of(section.name)]])
            writer.writerows(_table(document, section))
    text.detach()


def _table(document: Document, section: Section) -> Iterable[Sequence[Any]]:
    yield [cell_of(document.head(column)) for column in section.columns]
    for row in section.rows():
        yield [_cell(document, row[column.key], column.kind) for column in section.columns]


def _cell(document: Document, value: Any, kind: Kind) -> Any:
    match kind:
        case _ if value is None:
            return None
        case Kind.TEXT | Kind.DATE:
            return cell_of(str(value))
        case Kind.TIME:
            return document.local(value).isoformat(timespec="seconds")
        case Kind.KG:
            return f"{value / GRAMS_PER_KG:.3f}"
        case _:
            return value
