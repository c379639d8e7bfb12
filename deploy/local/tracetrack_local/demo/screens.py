"""What the demo shows: the summary as tables, and what is wrong with it."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tracetrack_local.demo.check import SCOPES, Comparison, count_by_where
from tracetrack_local.demo.figures import ALL

MOST_BILLS: Final = 60
MOST_DIFFERENCES: Final = 40
GRAMS_PER_KG: Final = 1000


def show_summary(summaries: Mapping[str, Any], console: Console) -> None:
    """Print a day's summaries: scans by area, bills, exceptions."""
    whole = summaries[ALL]
    title = f"End of day {whole['date']}, revision {whole['revision']}"
    console.print(_tabulate_scans(summaries, title))
    console.print(_tabulate_bills(whole))
    console.print(_tabulate_exceptions(summaries))


def _table(title: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _tabulate_scans(summaries: Mapping[str, Any], title: str) -> Table:
    figures = ("total", "applied", "already", "refused", "sacks_registered", "children_linked")
    table = _table(title, ("area",), ("scans", "applied", "already", "refused", "sacks", "children", "bills", "kg"))
    for area in SCOPES:
        summary = summaries[area]
        numbers = [summary["scans"][name] for name in figures]
        numbers += [len(summary["bills"]["list"]), summary["bills"]["totals"]["actual_g"] // GRAMS_PER_KG]
        style = "bold" if area == ALL else None
        table.add_row(area, *(f"{number:,}" for number in numbers), style=style, end_section=area == ALL)
    return table


def _tabulate_bills(summary: Mapping[str, Any]) -> Table:
    bills = summary["bills"]["list"]
    table = _table(
        "Bills",
        ("bill", "destination", "status"),
        ("sacks", "of", "children", "actual kg", "expected kg", "variance kg"),
    )
    for bill in islice(bills, MOST_BILLS):
        weights = [f"{bill[name] / GRAMS_PER_KG:,.0f}" for name in ("actual_g", "expected_g", "variance_g")]
        numbers = [str(bill[name]) for name in ("sacks", "expected_sacks", "children")]
        table.add_row(bill["bill_no"], bill["destination"], bill["status"], *numbers, *weights)
    if len(bills) > MOST_BILLS:
        table.add_row(f"… and {len(bills) - MOST_BILLS} more")
    return table


def _tabulate_exceptions(summaries: Mapping[str, Any]) -> Table:
    reasons = sorted(summaries[ALL]["exceptions"]["refused_by_reason"])
    lists = {
        "under-filled": "sacks_underfilled",
        "over-filled": "sacks_overfilled",
        "full, on no bill": "sacks_full_unbilled",
        "bills open": "bills_open",
    }
    table = _table("Exceptions", ("exception",), SCOPES)
    for reason in reasons:
        table.add_row(reason, *(_count(summaries[a]["exceptions"]["refused_by_reason"].get(reason, 0)) for a in SCOPES))
    for name, key in lists.items():
        table.add_row(name, *(_count(len(summaries[area]["exceptions"][key])) for area in SCOPES))
    gaps = {area: sum(gap["missing"] for gap in summaries[area]["exceptions"]["gaps"]) for area in SCOPES}
    table.add_row("never arrived", *(_count(gaps[area]) for area in SCOPES))
    return table


def _count(number: int) -> str:
    return f"{number:,}" if number else "·"


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print that all figures are as they must be, or those that are not."""
    differences = comparison.differences
    if not differences:
        console.print(
            f"[bold green]All {comparison.checked:,} figures are as they must be.[/bold green]", highlight=False
        )
        return
    table = _table("Differences", ("where", "figure"), ("expected", "found"))
    table.columns[1].no_wrap = False
    for difference in differences[:MOST_DIFFERENCES]:
        table.add_row(*difference)
    console.print(table)
    if len(differences) > MOST_DIFFERENCES:
        counts = ", ".join(f"{where} {count}" for where, count in count_by_where(differences).most_common())
        console.print(f"The first {MOST_DIFFERENCES} of them; all: {counts}", highlight=False)
    console.print(
        f"[bold red]{len(differences):,} of {comparison.checked:,} figures differ.[/bold red]", highlight=False
    )
