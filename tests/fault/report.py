"""``python -m tests.fault.report``: put the figures of the last full run into `docs/reliability.md` and a chart beside it."""

import html
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fault.case import Figures, describe_s
from tests.fault.conftest import FULL, REPORT

PAGE = Path("docs/reliability.md")
CHART = Path("docs/reliability.svg")
BEGIN, END = "<!-- figures: made by `make fault` -->", "<!-- end of figures -->"

_LABEL, _PLOT, _ROW, _TOP = 330, 520, 20, 46
_FIRST, _EMPTY = "#0b6e4f", "#b35c00"


def main() -> int:
    """Write both; 1 when there is no full run to report."""
    if not REPORT.exists():
        print(f"There is no {REPORT}: run `make fault` first.", file=sys.stderr)  # noqa: T201 - a program that prints
        return 1
    document = json.loads(REPORT.read_text(encoding="utf-8"))
    if document["form"] != FULL:
        print(f"{REPORT} is of the short form: run `make fault` first.", file=sys.stderr)  # noqa: T201 - the same
        return 1
    figures = [Figures(**case) for case in document["cases"]]
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{render_table(figures, document['seed'])}\n{END}{after}", encoding="utf-8")
    CHART.write_text(render_chart([each for each in figures if each.empty_s]), encoding="utf-8")
    return 0


def render_table(figures: Sequence[Figures], seed: int) -> str:
    """Write the table in Markdown."""
    total = {name: sum(getattr(each, name) for each in figures) for name in ("runs", "accepted", "lost", "doubled", "unexplained")}
    lines = [
        f"Seed {seed}: {len(figures)} cases, {total['runs']:,} runs, {total['accepted']:,} accepted scans:"
        f" **{total['lost']} lost, {total['doubled']} doubled, {total['unexplained']} unexplained.**",
        "",
        "| case | runs | accepted | failed work | lost | doubled | unexplained | first success, s | nothing waits, s | also |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in each.cells()) + " |" for each in figures]
    lines += ["", "What each case holds:", "", "| case | promise, and how it is broken |", "|---|---|"]
    lines += [f"| {each.case} | {each.claim} |" for each in figures]
    return "\n".join(lines)


def render_chart(figures: Sequence[Figures]) -> str:
    """Draw, for each case, the median and the longest time to the first success and until nothing waited."""
    longest = max(max(each.empty_s) for each in figures)
    step = next(step for step in (1, 2, 5, 10, 20, 50) if longest / step <= 10)  # noqa: PLR2004 - at most ten lines
    end = (int(longest / step) + 1) * step
    width, height = _LABEL + _PLOT + 30, _TOP + _ROW * len(figures) + 40

    def x(seconds: float) -> float:
        return _LABEL + seconds / end * _PLOT

    parts: list[Any] = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LABEL}" y="16" font-size="13" font-weight="bold">Seconds from the end of a fault</text>',
        f'<circle cx="{_LABEL + 5}" cy="30" r="4" fill="{_FIRST}"/><text x="{_LABEL + 15}" y="34">first success</text>',
        f'<circle cx="{_LABEL + 115}" cy="30" r="4" fill="{_EMPTY}"/><text x="{_LABEL + 125}" y="34">nothing waits any more</text>',
        f'<text x="{_LABEL + 285}" y="34" fill="#555555">dot: median, line: to the longest</text>',
    ]
    for tick in range(0, end + 1, step):
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_TOP}" y2="{height - 30}" stroke="#dddddd"/>'
            f'<text x="{x(tick):.1f}" y="{height - 14}" text-anchor="middle" fill="#555555">{tick}</text>'
        )
    for row, each in enumerate(figures):
        y = _TOP + _ROW * row + _ROW / 2
        parts.append(f'<text x="{_LABEL - 8}" y="{y + 4}" text-anchor="end">{html.escape(each.case)}</text>')
        for offset, colour, times_s in ((-3, _FIRST, each.first_success_s), (4, _EMPTY, each.empty_s)):
            middle = statistics.median(times_s)
            parts.append(
                f'<line x1="{x(middle):.1f}" x2="{x(max(times_s)):.1f}" y1="{y + offset}" y2="{y + offset}" stroke="{colour}"'
                f' stroke-width="2"/><circle cx="{x(middle):.1f}" cy="{y + offset}" r="3.5" fill="{colour}">'
                f"<title>{html.escape(each.case)}: {describe_s(times_s)} s</title></circle>"
            )
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    sys.exit(main())
