"""``make fault-report``: put the figures of the last full run into `docs/reliability.md`, and a chart beside it."""

import argparse
import html
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fault.case import HEADINGS, Figures, describe_s
from tests.fault.conftest import FULL, REPORT

PAGE = Path("docs/reliability.md")
CHART = Path("docs/reliability.svg")
BEGIN, END = "<!-- figures: made by `make fault` -->", "<!-- end of figures -->"

_LABEL, _PLOT, _ROW, _TOP = 330, 520, 20, 46
_FIRST, _EMPTY, _GRID = "#0b6e4f", "#b35c00", "#e5e5e5"
_MOST_TICKS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Write both.

    Raises
    ------
    SystemExit
        The figures are not of full runs.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.fault.report", description=__doc__)
    parser.add_argument(
        "runs", nargs="*", type=Path, default=[REPORT], help="the files of a run that was made in parts"
    )
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args(arguments).runs]
    if any(run["form"] != FULL for run in runs):
        parser.error("this is of the short form: run `make fault` first")
    figures = [Figures(**case) for run in runs for case in run["cases"]]
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{render_table(figures, runs[0]['seed'])}\n{END}{after}", encoding="utf-8")
    CHART.write_text(render_chart([each for each in figures if each.empty_s]), encoding="utf-8")
    return 0


def render_table(figures: Sequence[Figures], seed: int) -> str:
    """Write the table in Markdown."""
    total = {
        name: sum(getattr(each, name) for each in figures)
        for name in ("runs", "accepted", "lost", "doubled", "unexplained")
    }
    verdict = f"{total['lost']} lost, {total['doubled']} doubled, {total['unexplained']} unexplained"
    lines = [
        f"Seed {seed}: {len(figures)} cases, {total['runs']:,} runs, {total['accepted']:,} scans: **{verdict}.**",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|---" * len(HEADINGS) + "|",
    ]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in each.cells()) + " |" for each in figures]
    lines += ["", "What each case holds:", "", "| case | promise, and how it is broken |", "|---|---|"]
    lines += [f"| {each.case} | {each.claim} |" for each in figures]
    return "\n".join(lines)


def render_chart(figures: Sequence[Figures]) -> str:
    """Draw, for each case, the median and the longest time to the first success and until nothing waited."""
    longest = max(max(each.empty_s) for each in figures)
    step = next(step for step in (1, 2, 5, 10, 20, 50) if longest / step <= _MOST_TICKS)
    end = (int(longest / step) + 1) * step
    width, height = _LABEL + _PLOT + 30, _TOP + _ROW * len(figures) + 40

    def x(seconds: float) -> float:
        return _LABEL + seconds / end * _PLOT

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(_LABEL, 16, "Seconds from the end of a fault: dot, the median; line, to the longest", weight="bold"),
        _dot(_LABEL + 5, 30, _FIRST, ""),
        _text(_LABEL + 15, 34, "first success"),
        _dot(_LABEL + 115, 30, _EMPTY, ""),
        _text(_LABEL + 125, 34, "nothing waits any more"),
    ]
    for tick in range(0, end + 1, step):
        parts += [
            _line(x(tick), x(tick), _TOP, height - 30, _GRID),
            _text(x(tick), height - 14, str(tick), anchor="middle"),
        ]
    for row, each in enumerate(figures):
        y = _TOP + _ROW * row + _ROW / 2
        parts.append(_text(_LABEL - 8, y + 4, each.case, anchor="end"))
        for offset, colour, times_s in ((-3, _FIRST, each.first_success_s), (4, _EMPTY, each.empty_s)):
            middle = x(statistics.median(times_s))
            parts += [
                _line(middle, x(max(times_s)), y + offset, y + offset, colour),
                _dot(middle, y + offset, colour, f"{each.case}: {describe_s(times_s)} s"),
            ]
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" font-weight="{weight}"'
    return f"<text {place}>{html.escape(text)}</text>"


def _line(x1: float, x2: float, y1: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="2"/>'


def _dot(x: float, y: float, colour: str, title: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{html.escape(title)}</title></circle>'


if __name__ == "__main__":
    sys.exit(main())
