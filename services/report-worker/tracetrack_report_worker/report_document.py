"""A report before it is a file: parts with columns, rows and totals; the same for every format (docs/reports.md)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tracetrack_report_worker.sheets import Column, Kind, Row


@dataclass(frozen=True, slots=True)
class Part:
    """A table of a report.

    Parameters
    ----------
    name
        Its title, and the name of its sheet.
    columns
        What it shows of each row.
    rows
        Values by the columns' keys: weights in grams, times aware.
    totals
        The same of all rows; None where nothing can be added up.
    """

    name: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    totals: Row | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Parameters
    ----------
    kind, title
        Which one.
    area
        The area's code, or `all`.
    zone
        Whose clock and calendar it shows.
    date_from, date_to
        Its first and its last day.
    generated_at
        When it was asked for or due.
    parts
        Its tables.
    """

    kind: str
    title: str
    area: str
    zone: str
    date_from: date
    date_to: date
    generated_at: datetime
    parts: Sequence[Part]


def summed(name: str, columns: Sequence[Column], rows: Sequence[Row]) -> Part:
    """Make a part whose counts and weights are added up; the first column says so."""
    totals: dict[str, Any] = {
        column.key: sum(row[column.key] or 0 for row in rows)
        for column in columns
        if column.kind in {Kind.COUNT, Kind.KG}
    }
    return Part(name, columns, rows, {columns[0].key: "Total", **totals})


def grouped(rows: Iterable[Row], keys: Sequence[str], sums: Sequence[str]) -> list[dict[str, Any]]:
    """Add rows up by some of their values, in the order of these; nothing comes first."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        group = tuple(row[key] for key in keys)
        held = groups.setdefault(group, dict(zip(keys, group, strict=True)) | dict.fromkeys(sums, 0))
        for name in sums:
            held[name] += row[name]
    return [groups[group] for group in sorted(groups, key=_in_order)]


def _in_order(group: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((value is not None, value if value is not None else 0) for value in group)
