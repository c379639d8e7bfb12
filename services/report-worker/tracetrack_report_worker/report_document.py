"""A report as a document: its parts become sections, what they add up to its figures (docs/documents.md)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tracetrack_report_worker.documents.model import Chart, Column, Document, Figure, Row, Section


@dataclass(frozen=True, slots=True)
class Part:
    """A table of a report.

    Parameters
    ----------
    name
        Its title.
    columns
        What it shows of each row.
    rows
        Values by the columns' keys: weights in grams, times aware.
    sums
        The columns that are added up.
    drawn
        The column that is drawn as bars, on paper.
    """

    name: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    sums: Sequence[Column] = ()
    drawn: Column | None = None


def document_of(title: str, parts: Sequence[Part], *, about: str, generated_at: datetime, zone: str) -> Document:
    """Make the document of a report. What several parts add up is the same sum, and stands among the figures once."""
    figures: dict[str, Figure] = {}
    for part in parts:
        for column in part.sums:
            total = sum(row[column.key] for row in part.rows)
            figures.setdefault(column.title, Figure(column.title, total, column.kind))
    return Document(
        title=title,
        subtitle=about,
        generated_at=generated_at,
        zone=ZoneInfo(zone),
        figures=list(figures.values()),
        charts=[_chart_of(part, part.drawn) for part in parts if part.drawn is not None and part.rows],
        sections=[Section(part.name, part.columns, _giving(part.rows)) for part in parts],
    )


def grouped(rows: Iterable[Row], keys: Sequence[str], sums: Sequence[str]) -> list[dict[str, Any]]:
    """Add rows up by some of their values, in the order of these; what is not known comes first."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        group = tuple(row[key] for key in keys)
        held = groups.setdefault(group, dict(zip(keys, group, strict=True)) | dict.fromkeys(sums, 0))
        for name in sums:
            held[name] += row[name]
    return [groups[group] for group in sorted(groups, key=_in_order)]


def days_in_words(first: date, last: date) -> str:
    """Name the days of a report."""
    return str(first) if first == last else f"{first} to {last}"


def _in_order(group: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((value is not None, value) for value in group)


def _chart_of(part: Part, drawn: Column) -> Chart:
    bars = [(str(row[part.columns[0].key]), int(row[drawn.key])) for row in part.rows]
    return Chart(f"{drawn.title} {part.name[0].lower()}{part.name[1:]}", bars, drawn.kind, is_upright=True)


def _giving(rows: Sequence[Mapping[str, Any]]) -> Any:
    return lambda: rows
