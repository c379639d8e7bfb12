"""A document as PDF, typeset by typst in a process of its own, which can neither hold up nor bring down the worker.

The words of a document reach typst as JSON and never as code. It uses the fonts that come with it and the one beside
this module; nothing comes from the network, the machine or the clock, so the same document is the same bytes.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import typst

from tracetrack_report_worker.documents.model import GRAMS_PER_KG, Chart, Column, Document, Kind, Section

_HERE = Path(__file__).parent
_TEMPLATE, _FONTS = _HERE / "paper.typ", _HERE / "fonts"
_LONGEST_S = 120.0
"""Some twenty times what 2,000 bills take (docs/documents.md)."""
_NARROW, _WIDE = 90, 120
"""Characters in a row of a table: with fewer it is narrower than the page, with more it lies across it."""
_LONG_WORD = re.compile(r"(\S{12})(?=\S)")


class UnprintableError(Exception):
    """A document could not be typeset: the fault is in the template or the machine, not in what it says."""


def write(document: Document, file: BinaryIO) -> None:
    """Write a document as PDF.

    Raises
    ------
    UnprintableError
        It could not be typeset, or not in time.
    """
    order = {"paper": paper_of(document), "timestamp": int(document.generated_at.timestamp())}
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = subprocess.run(  # noqa: S603 - this very module, in this Python
            command, input=json.dumps(order).encode(), capture_output=True, timeout=_LONGEST_S, check=True
        )
    except subprocess.CalledProcessError as error:
        raise UnprintableError(error.stderr.decode(errors="replace")[-2000:]) from None
    except subprocess.TimeoutExpired:
        raise UnprintableError(f"it took more than {_LONGEST_S:.0f} s") from None
    file.write(done.stdout)


def typeset(order: dict[str, Any], **options: Any) -> Any:
    """Typeset what `paper_of` gave, in this process; the options are typst's own."""
    return typst.compile(
        _TEMPLATE,
        font_paths=[_FONTS],
        ignore_system_fonts=True,
        sys_inputs={"paper": json.dumps(order["paper"])},
        timestamp=order["timestamp"],
        pdf_tags=False,  # they make 2,000 bills thirteen times as large
        **options,
    )


def paper_of(document: Document) -> dict[str, Any]:
    """Give what the template shows: every value as the text that stands on paper."""
    return {
        "title": document.title,
        "subtitle": document.subtitle,
        "lead": document.lead,
        "figures": [
            {"label": document.head(figure), "shown": show(document, figure.value, figure.kind)}
            for figure in document.figures
        ],
        "charts": [_chart(document, chart) for chart in document.charts],
        "sections": [_section(document, section) for section in document.paper_sections],
    }


def show(document: Document, value: Any, kind: Kind) -> str:
    """Give a value as people read it."""
    match kind:
        case _ if value is None:
            return ""
        case Kind.COUNT:
            return f"{value:,}".replace("-", "\N{MINUS SIGN}")
        case Kind.CHANGE:
            return f"{value:+,}".replace("-", "\N{MINUS SIGN}") if value else "0"
        case Kind.NUMBER:
            return f"{value:,.1f}".replace("-", "\N{MINUS SIGN}")
        case Kind.KG:
            return f"{value / GRAMS_PER_KG:,.3f}".replace("-", "\N{MINUS SIGN}")
        case Kind.TIME:
            return f"{document.local(value):%Y-%m-%d %H:%M}"
        case _:
            return str(value)


def _chart(document: Document, chart: Chart) -> dict[str, Any]:
    bars = [{"label": label, "value": value, "shown": show(document, value, chart.kind)} for label, value in chart.bars]
    return {"title": chart.title, "is_upright": chart.is_upright, "bars": bars}


def _section(document: Document, section: Section) -> dict[str, Any]:
    width = sum(column.width for column in section.columns)
    return {
        "name": section.name,
        "note": section.note,
        "starts_page": section.starts_page,
        "with_figures": section.with_figures,
        "is_narrow": width < _NARROW,
        "is_wide": width > _WIDE,
        "columns": [_column(document, column) for column in section.columns],
        "rows": [
            [_breakable(show(document, row[column.key], column.kind)) for column in section.columns]
            for row in section.rows()
        ],
    }


def _column(document: Document, column: Column) -> dict[str, Any]:
    is_number = column.kind in {Kind.COUNT, Kind.CHANGE, Kind.NUMBER, Kind.KG}
    return {"head": document.head(column), "width": column.width, "is_number": is_number}


def _breakable(text: str) -> str:
    """Let a word that is longer than a cell go on in the next line."""
    return _LONG_WORD.sub("\\1\N{ZERO WIDTH SPACE}", text)


if __name__ == "__main__":
    sys.stdout.buffer.write(typeset(json.load(sys.stdin), format="pdf"))
