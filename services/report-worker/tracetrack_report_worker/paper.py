"""A summary as a document: the same parts in every format, and on paper a page for each biller."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from tracetrack_report_worker.documents.model import Chart, Document, Kind, Row, Section
from tracetrack_report_worker.sheets import BILL_ROW_COLUMNS, SHEETS, overview

_NOBODY = "(nobody)"
_BILLS, _HOURS = "Bills", "Hours"
_PAPER_COLUMNS = tuple(column for column in BILL_ROW_COLUMNS if column.key != "created_by")
_CHARTED = frozenset({_HOURS})
"""On paper a chart says it."""


def document_of(content: Row) -> Document:
    """Give a summary as a document.

    Parameters
    ----------
    content
        As `content.render_summary` gives it.
    """
    area = "all areas" if content["area"] == "all" else str(content["area"])
    return Document(
        title=f"End of day {content['date']}",
        subtitle=f"{area}, revision {content['revision']}",
        generated_at=datetime.fromisoformat(content["generated_at"]),
        zone=ZoneInfo(content["window"]["zone"]),
        figures=overview(content),
        charts=_charts(content),
        sections=[*_sections(content)],
    )


def bills_by_biller(content: Row) -> dict[str, list[Row]]:
    """Give the bills of a summary by who created them, in the order of names."""
    billers: dict[str, list[Row]] = {}
    for bill in content["bills"]["list"]:
        billers.setdefault(bill["created_by"] or _NOBODY, []).append(bill)
    return dict(sorted(billers.items()))


def _charts(content: Row) -> list[Chart]:
    weights: dict[str, int] = {}
    for bill in content["bills"]["list"]:
        weights[bill["area"]] = weights.get(bill["area"], 0) + bill["actual_g"]
    hours = [(f"{row['hour']:02d}", row["scans"]) for row in content["scans"]["by_hour"]]
    charts = [Chart("Scans per hour", hours, is_upright=True)]
    if weights:
        charts.append(Chart("Weight on bills by area, kg", sorted(weights.items()), Kind.KG))
    return charts


def _sections(content: Row) -> Iterable[Section]:
    for sheet in SHEETS:
        is_list = sheet.name == _BILLS
        yield Section(
            sheet.name, sheet.columns, partial(sheet.rows, content), on_paper=not is_list and sheet.name not in _CHARTED
        )
    for biller, bills in bills_by_biller(content).items():
        yield _bills_of(f"Bills of {biller}", bills)


def _bills_of(name: str, bills: Sequence[Row]) -> Section:
    sacks, weight_g = sum(bill["sacks"] for bill in bills), sum(bill["actual_g"] for bill in bills)
    note = f"{len(bills)} bills, {sacks} sacks, {weight_g / 1000:,.3f} kg."
    return Section(name, _PAPER_COLUMNS, lambda: bills, starts_page=True, in_files=False, note=note)
