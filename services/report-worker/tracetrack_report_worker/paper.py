"""A summary as a document: the same parts in every format, and on paper a page for each biller."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from tracetrack_report_worker.documents.model import GRAMS_PER_KG, Chart, Column, Document, Figure, Kind, Row, Section
from tracetrack_report_worker.sheets import BILL_ROW_COLUMNS, SHEETS, comparison_columns, comparison_rows, overview

_NOBODY = "(nobody)"
_BILLS, _HOURS, _AREAS = "Bills", "Hours", "Areas"
_PAPER_COLUMNS = tuple(column for column in BILL_ROW_COLUMNS if column.key != "created_by")
_CHANGE_COLUMNS = (
    Column("What", "what", width=46),
    Column("Before", "before", width=22),
    Column("After", "after", width=22),
)
_OFF_PAPER = frozenset({_BILLS, _HOURS})
"""On paper they stand by biller, and as a chart."""


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
        sections=[*_comparison(content), *_changes(content), *_sections(content)],
        lead=_lead(content),
    )


def biller_document(content: Row, biller: str) -> Document:
    """Give a biller's own part of a summary as a document: the bills they created."""
    bills = bills_by_biller(content).get(biller, [])
    actual_g, expected_g = (sum(bill[key] for bill in bills) for key in ("actual_g", "expected_g"))
    return Document(
        title=f"End of day {content['date']}",
        subtitle=f"bills of {biller}, revision {content['revision']}",
        generated_at=datetime.fromisoformat(content["generated_at"]),
        zone=ZoneInfo(content["window"]["zone"]),
        figures=[
            Figure("Your bills", len(bills), Kind.COUNT),
            Figure("Completed", sum(bill["status"] == "completed" for bill in bills), Kind.COUNT),
            Figure("Sacks", sum(bill["sacks"] for bill in bills), Kind.COUNT),
            Figure("Children", sum(bill["children"] for bill in bills), Kind.COUNT),
            Figure("Actual weight", actual_g, Kind.KG),
            Figure("Expected weight", expected_g, Kind.KG),
            Figure("Variance", actual_g - expected_g, Kind.KG),
        ],
        sections=[Section("Bills", _PAPER_COLUMNS, lambda: bills)],
    )


def bills_by_biller(content: Row) -> dict[str, list[Row]]:
    """Give the bills of a summary by who created them, in the order of names."""
    billers: dict[str, list[Row]] = {}
    for bill in content["bills"]["list"]:
        billers.setdefault(bill["created_by"] or _NOBODY, []).append(bill)
    return dict(sorted(billers.items()))


def _lead(content: Row) -> list[str]:
    changes = content.get("changes")
    if changes is None:
        return []
    figures, bills = len(changes["figures"]), len(changes["bills"])
    sentence = (
        f"This replaces revision {changes['since_revision']}. Changed: figures {figures}, bills {bills};"
        " what and why stands under Changes."
    )
    return [sentence]


def _comparison(content: Row) -> Iterable[Section]:
    """Give the section that holds the day against earlier ones; none in a summary from before there was one."""
    if "comparison" in content:
        yield Section("Comparison", comparison_columns(content), partial(comparison_rows, content), with_figures=True)


def _changes(content: Row) -> Iterable[Section]:
    """Give the section that says what changed since the revision before, and what came late; none in the first."""
    changes = content.get("changes")
    if changes is not None:
        yield Section("Changes", _CHANGE_COLUMNS, lambda: _changed_rows(changes))


def _changed_rows(changes: Row) -> Iterable[Row]:
    for figure in changes["figures"]:
        yield _changed(figure["figure"], figure)
    for bill in changes["bills"]:
        if bill["change"] == "changed":
            for name, field in bill["fields"].items():
                yield _changed(f"{bill['bill_no']}: {name}", field)
        else:
            yield {"what": f"{bill['bill_no']} {bill['change']}", "before": None, "after": None}
    for late in changes["late_scans"]:
        what = f"late scans of {late['device'] or 'people'}, {late['area'] or 'no area'}"
        yield {"what": what, "before": None, "after": str(late["scans"])}
    for late in changes["late_commands"]:
        yield {
            "what": f"late: {late['command']} {late['object']}",
            "before": None,
            "after": f"{late['by']}, {late['at']}",
        }


def _changed(what: str, values: Row) -> Row:
    before, after = (None if values[key] is None else str(values[key]) for key in ("before", "after"))
    return {"what": what, "before": before, "after": after}


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
    off_paper = _OFF_PAPER if content["area"] == "all" else {*_OFF_PAPER, _AREAS}
    for sheet in SHEETS:
        yield Section(sheet.name, sheet.columns, partial(sheet.rows, content), on_paper=sheet.name not in off_paper)
    for biller, bills in bills_by_biller(content).items():
        yield _bills_of(f"Bills of {biller}", bills)


def _bills_of(name: str, bills: Sequence[Row]) -> Section:
    sacks, children, actual_g, expected_g = (
        sum(bill[key] for bill in bills) for key in ("sacks", "children", "actual_g", "expected_g")
    )
    weights = f"{actual_g / GRAMS_PER_KG:,.3f} of {expected_g / GRAMS_PER_KG:,.3f} kg"
    note = f"Bills {len(bills):,}, sacks {sacks:,}, children {children:,}, {weights}."
    return Section(name, _PAPER_COLUMNS, lambda: bills, starts_page=True, in_files=False, note=note)
