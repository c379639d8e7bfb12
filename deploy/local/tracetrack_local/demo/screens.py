"""What the demo shows: the summary as tables, and what is wrong with it."""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tracetrack_local.demo.check import SCOPES, Comparison, count_by_where
from tracetrack_local.demo.figures import ALL
from tracetrack_local.demo.shift import AREAS

MOST_BILLS: Final = 70
MOST_DIFFERENCES: Final = 40
MOST_INSTANCES: Final = 3
GRAMS_PER_KG: Final = 1000

_SCAN_FIGURES = ("total", "applied", "already", "refused", "sacks_registered", "children_linked")


def show_summary(summaries: Mapping[str, Any], console: Console) -> None:
    """Print a day's summaries, by area: scans of each area, bills and exceptions of all."""
    whole = summaries[ALL]
    console.print(_tabulate_scans(summaries, f"End of day {whole['date']}, revision {whole['revision']}"))
    console.print(_tabulate_bills(whole["bills"]["list"]))
    console.print(_tabulate_exceptions(summaries))


def _table(title: str, texts: Iterable[str], numbers: Iterable[str]) -> Table:
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _tabulate_scans(summaries: Mapping[str, Any], title: str) -> Table:
    table = _table(title, ["area"], ["scans", "applied", "already", "refused", "sacks", "children", "bills", "kg"])
    for area in SCOPES:
        summary = summaries[area]
        numbers = [summary["scans"][name] for name in _SCAN_FIGURES]
        numbers += [len(summary["bills"]["list"]), summary["bills"]["totals"]["actual_g"] // GRAMS_PER_KG]
        style = "bold" if area == ALL else None
        table.add_row(area, *(f"{number:,}" for number in numbers), style=style)
    return table


def _tabulate_bills(bills: list[Mapping[str, Any]]) -> Table:
    table = _table("Bills", ["bill", "destination", "status"], ["sacks", "children", "kg", "variance kg"])
    for bill in bills[:MOST_BILLS]:
        weights = [f"{bill[name] / GRAMS_PER_KG:,.0f}" for name in ("actual_g", "variance_g")]
        sacks = f"{bill['sacks']}/{bill['expected_sacks']}"
        table.add_row(bill["bill_no"], bill["destination"], bill["status"], sacks, str(bill["children"]), *weights)
    if len(bills) > MOST_BILLS:
        table.add_row(f"… and {len(bills) - MOST_BILLS} more")
    return table


def _tabulate_exceptions(summaries: Mapping[str, Any]) -> Table:
    exceptions = summaries[ALL]["exceptions"]
    table = _table("Exceptions", ["exception"], ["number"])
    table.add_column("for instance")
    refused = exceptions["refused_by_reason"]
    for reason in sorted(refused, key=lambda reason: -refused[reason]):
        by_area = {area: summaries[area]["exceptions"]["refused_by_reason"].get(reason, 0) for area in AREAS}
        most = sorted((area for area in AREAS if by_area[area]), key=lambda area: -by_area[area])
        table.add_row(
            f"refused: {reason}", f"{refused[reason]:,}", _instances(f"{area} {by_area[area]}" for area in most)
        )
    for name, key in (("sacks under-filled", "sacks_underfilled"), ("sacks over-filled", "sacks_overfilled")):
        sacks = exceptions[key]
        codes = (f"{sack['code']} {sack['children']}/{sack['capacity']}" for sack in sacks)
        table.add_row(name, f"{len(sacks):,}", _instances(codes))
    for name, key, field in (
        ("full sacks on no bill", "sacks_full_unbilled", "code"),
        ("bills left open", "bills_open", "bill_no"),
    ):
        rows = exceptions[key]
        table.add_row(name, f"{len(rows):,}", _instances(row[field] for row in rows))
    gaps = exceptions["gaps"]
    where = (f"{gap['device']} {gap['epoch']}/{gap['from_seq']}-{gap['to_seq']}" for gap in gaps)
    table.add_row("scans that never arrived", f"{sum(gap['missing'] for gap in gaps):,}", _instances(where))
    table.add_row("scans that arrived late", f"{exceptions['late_scans']:,}", "")
    return table


def _instances(texts: Iterable[str]) -> str:
    return ", ".join(islice(texts, MOST_INSTANCES))


def show_comparison(comparison: Comparison, console: Console, path: Path) -> None:
    """
    Print that all figures are as they must be, or those that are not.

    Parameters
    ----------
    comparison
        What was compared.
    console
        Where to print.
    path
        Where all differences are written, if there are any.
    """
    differences = comparison.differences
    checked = f"{comparison.checked:,}"
    if not differences:
        console.print(f"All {checked} figures are as they must be.", style="bold green", highlight=False)
        return
    table = _table("Differences", ["where"], [])
    table.add_column("figure", overflow="fold")
    for name in ("expected", "found"):
        table.add_column(name, justify="right", overflow="fold")
    for difference in differences[:MOST_DIFFERENCES]:
        table.add_row(*difference)
    console.print(table)
    if len(differences) > MOST_DIFFERENCES:
        counts = ", ".join(f"{where} {count}" for where, count in count_by_where(differences).most_common())
        console.print(f"These are the first {MOST_DIFFERENCES}; all are in {path}: {counts}", highlight=False)
    console.print(f"{len(differences):,} of {checked} figures differ.", style="bold red", highlight=False)
