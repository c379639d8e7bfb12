"""A document as all formats see it: figures, charts, and sections of typed columns and rows (docs/documents.md)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]

GRAMS_PER_KG = 1000


class Kind(Enum):
    """What a column's cells are, with the number format that shows them in a workbook."""

    TEXT = "@"
    COUNT = "#,##0"
    CHANGE = "+#,##0;-#,##0;0"
    NUMBER = "#,##0.0"
    KG = "#,##0.000"
    DATE = "yyyy-mm-dd"
    TIME = "yyyy-mm-dd hh:mm:ss"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a section.

    Parameters
    ----------
    title
        Its head, without the unit.
    key
        The row's value that it shows: text, a number, a weight in grams (shown in kilograms), a date as `2026-03-02`,
        a time as RFC 3339 or as an aware datetime; None leaves the cell empty.
    kind
        What that is.
    width
        In characters.
    """

    title: str
    key: str
    kind: Kind = Kind.TEXT
    width: int = 14


@dataclass(frozen=True, slots=True)
class Section:
    """A part: a sheet of the workbook, a table on paper.

    Parameters
    ----------
    name
        Its title; at most 31 characters are shown on a sheet.
    columns
        At least one.
    rows
        Gives them anew at every call, so that no format need hold them all.
    starts_page
        Whether it begins on a page of its own.
    on_paper, in_files
        Whether PDF and mail have it, and whether XLSX, CSV and JSON do: a list may be cut up for one of them.
    with_figures
        Whether on paper it stands with the figures, above the charts.
    note
        A sentence above the table, on paper.
    """

    name: str
    columns: Sequence[Column]
    rows: Callable[[], Iterable[Row]]
    starts_page: bool = False
    on_paper: bool = True
    in_files: bool = True
    with_figures: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number or word that stands by itself: label, value as in a column, and what it is."""

    label: str
    value: Any
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, drawn on paper only.

    Parameters
    ----------
    title
        What they are, with the unit.
    bars
        Label and value of each, not below zero; weights in grams.
    kind
        What the values are.
    is_upright
        Columns from left to right, for a course of time; otherwise bars from top to bottom, for names.
    """

    title: str
    bars: Sequence[tuple[str, int]]
    kind: Kind = Kind.COUNT
    is_upright: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A report.

    Parameters
    ----------
    title, subtitle
        What it is, and of what.
    generated_at
        Stands in the files' properties, in place of the clock: the same document is the same bytes.
    zone
        On whose clock times are shown.
    figures
        What stands first.
    charts
        On paper, below the figures.
    sections
        The tables.
    lead
        Sentences that stand above all else on paper.
    """

    title: str
    subtitle: str
    generated_at: datetime
    zone: ZoneInfo
    figures: Sequence[Figure] = ()
    charts: Sequence[Chart] = ()
    sections: Sequence[Section] = ()
    lead: Sequence[str] = ()

    def local(self, time: datetime | str) -> datetime:
        """Give a time on the document's clock."""
        return (datetime.fromisoformat(time) if isinstance(time, str) else time).astimezone(self.zone)

    def head(self, column: Column | Figure) -> str:
        """Give the head of a column, or the label of a figure, with its unit."""
        title = column.title if isinstance(column, Column) else column.label
        match column.kind:
            case Kind.KG:
                return f"{title}, kg"
            case Kind.TIME:
                return f"{title}, {self.zone.key}"
            case _:
                return title

    @property
    def files_sections(self) -> list[Section]:
        """The sections of XLSX, CSV and JSON."""
        return [section for section in self.sections if section.in_files]

    @property
    def paper_sections(self) -> list[Section]:
        """The sections of PDF and mail."""
        return [section for section in self.sections if section.on_paper]
