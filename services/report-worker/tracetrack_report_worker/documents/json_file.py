"""A document as JSON, as docs/schemas/document.json says: weights in grams, times RFC 3339 in UTC."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson

from tracetrack_report_worker.documents.model import Column, Document, Figure, Kind, Row

_UNITS = {Kind.KG: "g"}
_NAMES = {kind: kind.name.lower() for kind in Kind} | {Kind.KG: "weight"}


def write(document: Document, file: BinaryIO) -> None:
    """Write a document as JSON, row by row."""
    head = {
        "title": document.title,
        "subtitle": document.subtitle,
        "generated_at": _value(document.generated_at),
        "zone": document.zone.key,
        "figures": [_typed(figure.label, figure) | {"value": _value(figure.value)} for figure in document.figures],
    }
    file.write(orjson.dumps(head)[:-1] + b',"sections":[')
    for number, section in enumerate(document.files_sections):
        columns = [{"key": column.key} | _typed(column.title, column) for column in section.columns]
        start = orjson.dumps({"name": section.name, "columns": columns})[:-1]
        file.write((b"," if number else b"") + start + b',"rows":[')
        file.writelines(_rows(section.columns, section.rows()))
        file.write(b"]}")
    file.write(b"]}\n")


def _rows(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[bytes]:
    for number, row in enumerate(rows):
        yield (b"," if number else b"") + orjson.dumps({each.key: _value(row[each.key]) for each in columns})


def _typed(label: str, what: Column | Figure) -> dict[str, str]:
    return {"label": label, "kind": _NAMES[what.kind]} | ({"unit": _UNITS[what.kind]} if what.kind in _UNITS else {})


def _value(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
