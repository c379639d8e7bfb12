"""What the sheets of a summary's workbook hold: columns, and where their rows are in the summary."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

Row = Mapping[str, Any]

_PEOPLE = "(people)"
"""In place of a device's name, for scans that people entered."""


class Kind(Enum):
    """What a column's cells are, with the number format that shows them."""

    TEXT = "@"
    COUNT = "#,##0"
    NUMBER = "0"
    KG = "#,##0.000"
    TIME = "yyyy-mm-dd hh:mm:ss"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sheet.

    Parameters
    ----------
    title
        Its head.
    key
        The row's value that it shows; weights are given in grams and shown in kilograms.
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
class Sheet:
    """A sheet: its name, its columns, and where its rows are in a summary."""

    name: str
    columns: Sequence[Column]
    rows: Callable[[Row], Iterable[Row]]


def overview(content: Row) -> list[tuple[str, Any, Kind]]:
    """Give the lines of the first sheet: label, value, and what the value is."""
    scans, bills, exceptions = content["scans"], content["bills"], content["exceptions"]
    totals = bills["totals"]
    return [
        ("Area", content["area"], Kind.TEXT),
        ("Date", content["date"], Kind.TEXT),
        ("Revision", content["revision"], Kind.COUNT),
        ("Generated", content["generated_at"], Kind.TIME),
        ("Day begins", content["window"]["start"], Kind.TIME),
        ("Day ends", content["window"]["end"], Kind.TIME),
        ("Scans", scans["total"], Kind.COUNT),
        ("Scans applied", scans["applied"], Kind.COUNT),
        ("Scans already known", scans["already"], Kind.COUNT),
        ("Scans refused", scans["refused"], Kind.COUNT),
        ("Scans that came after the day's end", exceptions["late_scans"], Kind.COUNT),
        ("Children linked", scans["children_linked"], Kind.COUNT),
        ("Sacks registered", scans["sacks_registered"], Kind.COUNT),
        ("Bills created", bills["created"], Kind.COUNT),
        ("Bills listed, new", bills["by_status"]["new"], Kind.COUNT),
        ("Bills listed, processing", bills["by_status"]["processing"], Kind.COUNT),
        ("Bills listed, completed", bills["by_status"]["completed"], Kind.COUNT),
        ("Sacks on the bills", totals["sacks"], Kind.COUNT),
        ("Children on the bills", totals["children"], Kind.COUNT),
        ("Actual weight", totals["actual_g"], Kind.KG),
        ("Expected weight", totals["expected_g"], Kind.KG),
        ("Variance", totals["variance_g"], Kind.KG),
        ("Sacks not full", len(exceptions["sacks_underfilled"]), Kind.COUNT),
        ("Sacks over-filled", len(exceptions["sacks_overfilled"]), Kind.COUNT),
        ("Full sacks on no bill", len(exceptions["sacks_full_unbilled"]), Kind.COUNT),
        ("Bills open", len(exceptions["bills_open"]), Kind.COUNT),
        ("Counters that never arrived", sum(gap["missing"] for gap in exceptions["gaps"]), Kind.COUNT),
    ]


def _devices(content: Row) -> Iterable[Row]:
    return ({**row, "device": row["device"] or _PEOPLE} for row in content["scans"]["by_device"])


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
SHEETS = (
    Sheet(
        "Bills",
        (
            *_BILL_COLUMNS,
            Column("Destination", "destination", width=30),
            *_SACK_COLUMNS,
            Column("Children", "children", Kind.COUNT, width=10),
            Column("Actual", "actual_g", Kind.KG),
            Column("Expected", "expected_g", Kind.KG),
            Column("Variance", "variance_g", Kind.KG),
        ),
        lambda content: content["bills"]["list"],
    ),
    Sheet(
        "Billers",
        (Column("Biller", "biller", width=24), Column("Bills created", "created", Kind.COUNT)),
        lambda content: content["bills"]["by_biller"],
    ),
    Sheet(
        "Devices",
        (
            Column("Device", "device", width=24),
            Column("Area", "area", width=16),
            Column("Scans", "scans", Kind.COUNT),
            Column("Applied", "applied", Kind.COUNT),
        ),
        _devices,
    ),
    Sheet(
        "Hours",
        (
            Column("Hour", "hour", Kind.COUNT),
            Column("Scans", "scans", Kind.COUNT),
            Column("Applied", "applied", Kind.COUNT),
        ),
        lambda content: content["scans"]["by_hour"],
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
