"""What the sheets of a summary's workbook hold: columns, and where their rows are in the summary.

A part that the system did not make yet when a stored summary was made is empty in its documents.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tracetrack_report_worker.documents.model import Column, Figure, Kind, Row

_PEOPLE = "(people)"
"""In place of a device's name, for scans that people entered."""
_NOWHERE = "(no area)"
_COMPARED = (
    ("Scans", "total"),
    ("Scans applied", "applied"),
    ("Scans already known", "already"),
    ("Scans refused", "refused"),
    ("Sacks scanned", "sacks_scanned"),
    ("Children linked", "children_linked"),
    ("Bills created", "bills_created"),
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: its name, its columns, and where its rows are in a summary."""

    name: str
    columns: Sequence[Column]
    rows: Callable[[Row], Iterable[Row]]


def overview(content: Row) -> list[Figure]:
    """Give the figures that stand first."""
    scans, bills, exceptions = content["scans"], content["bills"], content["exceptions"]
    totals = bills["totals"]
    return [
        Figure("Area", content["area"], Kind.TEXT),
        Figure("Date", content["date"], Kind.TEXT),
        Figure("Revision", content["revision"], Kind.COUNT),
        Figure("Generated", content["generated_at"], Kind.TIME),
        Figure("Day begins", content["window"]["start"], Kind.TIME),
        Figure("Day ends", content["window"]["end"], Kind.TIME),
        Figure("Scans", scans["total"], Kind.COUNT),
        Figure("Scans applied", scans["applied"], Kind.COUNT),
        Figure("Scans already known", scans["already"], Kind.COUNT),
        Figure("Scans refused", scans["refused"], Kind.COUNT),
        Figure("Scans that came after the day's end", exceptions["late_scans"], Kind.COUNT),
        Figure("Sacks scanned", scans.get("sacks_scanned"), Kind.COUNT),
        Figure("Children linked", scans["children_linked"], Kind.COUNT),
        Figure("Sacks registered", scans["sacks_registered"], Kind.COUNT),
        Figure("Bills created", bills["created"], Kind.COUNT),
        Figure("Bills listed, new", bills["by_status"]["new"], Kind.COUNT),
        Figure("Bills listed, processing", bills["by_status"]["processing"], Kind.COUNT),
        Figure("Bills listed, completed", bills["by_status"]["completed"], Kind.COUNT),
        Figure("Sacks on the bills", totals["sacks"], Kind.COUNT),
        Figure("Children on the bills", totals["children"], Kind.COUNT),
        Figure("Actual weight", totals["actual_g"], Kind.KG),
        Figure("Expected weight", totals["expected_g"], Kind.KG),
        Figure("Variance", totals["variance_g"], Kind.KG),
        Figure("Sacks not full", len(exceptions["sacks_underfilled"]), Kind.COUNT),
        Figure("Sacks over-filled", len(exceptions["sacks_overfilled"]), Kind.COUNT),
        Figure("Full sacks on no bill", len(exceptions["sacks_full_unbilled"]), Kind.COUNT),
        Figure("Bills open", len(exceptions["bills_open"]), Kind.COUNT),
        Figure("Counters that never arrived", sum(gap["missing"] for gap in exceptions["gaps"]), Kind.COUNT),
    ]


def comparison_columns(content: Row) -> Sequence[Column]:
    """Give the columns of the comparison: this day, then each earlier one and how many more or fewer there were."""
    days = content["comparison"]
    before, week = days["day_before"]["date"], days["same_weekday"]["date"]
    return (
        Column("Figure", "figure", width=22),
        Column("This day", "today", Kind.COUNT, width=12),
        Column(f"Day before ({before})", "day_before", Kind.COUNT, width=14),
        Column("Change in a day", "day_before_change", Kind.CHANGE, width=12),
        Column(f"A week before ({week})", "same_weekday", Kind.COUNT, width=14),
        Column("Change in a week", "same_weekday_change", Kind.CHANGE, width=12),
    )


def comparison_rows(content: Row) -> Iterable[Row]:
    """Give a row for each figure that is compared."""
    today = {**content["scans"], "bills_created": content["bills"]["created"]}
    for label, key in _COMPARED:
        row = {"figure": label, "today": today[key]}
        for name, day in content["comparison"].items():
            row |= {name: day[key], f"{name}_change": today[key] - day[key]}
        yield row


def _billers(content: Row) -> Iterable[Row]:
    for part in content.get("billers", ()):
        yield {**part, **part["by_status"], **part["totals"], "bills": len(part["bill_nos"])}


def _areas(content: Row) -> Iterable[Row]:
    for part in content.get("by_area", ()):
        totals = part["totals"]
        yield {
            **totals,
            **part,
            "area": part["area"] or _NOWHERE,
            "billed_sacks": totals["sacks"],
            "billed_children": totals["children"],
        }


def _devices(content: Row) -> Iterable[Row]:
    return ({**_NO_PARTS, **row, "device": row["device"] or _PEOPLE} for row in content["scans"]["by_device"])


def _hours(content: Row) -> Iterable[Row]:
    return ({**_NO_PARTS, **row} for row in content["scans"]["by_hour"])


def _counts(counts: Mapping[str, int]) -> Iterable[Row]:
    return ({"name": name, "scans": scans} for name, scans in counts.items())


def _sacks(content: Row) -> Iterable[Row]:
    exceptions = content["exceptions"]
    for key, label in (("sacks_underfilled", "not full"), ("sacks_overfilled", "over-filled")):
        for row in exceptions[key]:
            yield {**row, "exception": label}
    for row in exceptions["sacks_full_unbilled"]:
        yield {**row, "exception": "full, on no bill", "capacity": None}


_BILL_COLUMNS = (
    Column("Bill", "bill_no", width=20),
    Column("Area", "area", width=16),
    Column("Created by", "created_by", width=20),
    Column("Created", "created_at", Kind.TIME, width=22),
    Column("Status", "status", width=12),
)
_SACK_COLUMNS = (
    Column("Sacks", "sacks", Kind.COUNT, width=10),
    Column("Expected sacks", "expected_sacks", Kind.COUNT, width=10),
)
_SCAN_COLUMNS = (
    Column("Scans", "scans", Kind.COUNT, width=9),
    Column("Applied", "applied", Kind.COUNT, width=9),
    Column("Sacks scanned", "sacks", Kind.COUNT, width=9),
    Column("Children linked", "children", Kind.COUNT, width=9),
)
_NO_PARTS = {"sacks": None, "children": None}
_WEIGHT_COLUMNS = (
    Column("Actual", "actual_g", Kind.KG, width=13),
    Column("Expected", "expected_g", Kind.KG, width=13),
    Column("Variance", "variance_g", Kind.KG, width=13),
)
BILL_ROW_COLUMNS = (
    *_BILL_COLUMNS,
    Column("Destination", "destination", width=30),
    *_SACK_COLUMNS,
    Column("Children", "children", Kind.COUNT, width=10),
    *_WEIGHT_COLUMNS,
)
SHEETS = (
    Sheet(
        "Bills",
        BILL_ROW_COLUMNS,
        lambda content: content["bills"]["list"],
    ),
    Sheet(
        "Billers",
        (
            Column("Biller", "biller", width=18),
            Column("Bills created", "created", Kind.COUNT, width=8),
            Column("Bills listed", "bills", Kind.COUNT, width=8),
            Column("New", "new", Kind.COUNT, width=7),
            Column("Processing", "processing", Kind.COUNT, width=11),
            Column("Completed", "completed", Kind.COUNT, width=11),
            Column("Sacks", "sacks", Kind.COUNT, width=9),
            Column("Children", "children", Kind.COUNT, width=9),
            *_WEIGHT_COLUMNS,
        ),
        _billers,
    ),
    Sheet(
        "Areas",
        (
            Column("Area", "area", width=16),
            *_SCAN_COLUMNS,
            Column("Bills", "bills", Kind.COUNT, width=8),
            Column("Sacks on bills", "billed_sacks", Kind.COUNT, width=9),
            Column("Children on bills", "billed_children", Kind.COUNT, width=9),
            *_WEIGHT_COLUMNS,
        ),
        _areas,
    ),
    Sheet(
        "Devices",
        (
            Column("Device", "device", width=24),
            Column("Area", "area", width=16),
            *_SCAN_COLUMNS,
        ),
        _devices,
    ),
    Sheet(
        "Hours",
        (Column("Hour", "hour", Kind.COUNT), *_SCAN_COLUMNS),
        _hours,
    ),
    Sheet(
        "Kinds",
        (Column("Kind", "name"), Column("Scans", "scans", Kind.COUNT)),
        lambda content: _counts(content["scans"]["by_kind"]),
    ),
    Sheet(
        "Outcomes",
        (Column("Outcome", "name", width=20), Column("Scans", "scans", Kind.COUNT)),
        lambda content: _counts(content["scans"]["by_outcome"]),
    ),
    Sheet(
        "Refused",
        (Column("Reason", "name", width=20), Column("Scans", "scans", Kind.COUNT)),
        lambda content: _counts(content["exceptions"]["refused_by_reason"]),
    ),
    Sheet(
        "Sacks",
        (
            Column("Sack", "code", width=22),
            Column("Exception", "exception", width=18),
            Column("Children", "children", Kind.COUNT),
            Column("Capacity", "capacity", Kind.COUNT),
        ),
        _sacks,
    ),
    Sheet("Open bills", (*_BILL_COLUMNS, *_SACK_COLUMNS), lambda content: content["exceptions"]["bills_open"]),
    Sheet(
        "Gaps",
        (
            Column("Device", "device", width=24),
            Column("Epoch", "epoch", Kind.COUNT),
            Column("From", "from_seq", Kind.COUNT),
            Column("To", "to_seq", Kind.COUNT),
            Column("Missing", "missing", Kind.COUNT),
        ),
        lambda content: content["exceptions"]["gaps"],
    ),
)
