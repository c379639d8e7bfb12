"""
The figures of a day, flat: what the summaries must say, and what they say, under the same names.

A text is counted as a figure too: a bill's state `processing` is the figure `status=processing` with the value 1. So
everything is a number, zero is the same as not there, and what was in a summary before the demo can be taken off.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tracetrack_local.demo.day import Day, Judged
from tracetrack_local.demo.rules import CAPACITY, CHILD_WEIGHT_G, Bill

Figures = Counter[str]

ALL: Final = "all"
BILL_FIGURES: Final = ("capacity", "sacks", "expected_sacks", "children", "actual_g", "expected_g", "variance_g")
TOTAL_FIGURES: Final = ("sacks", "children", "actual_g", "expected_g", "variance_g")


def read_summary(summary: Mapping[str, Any]) -> Figures:
    """Flatten a summary as the API gives it."""
    scans, bills, exceptions = summary["scans"], summary["bills"], summary["exceptions"]
    figures: Figures = Counter()
    for name in ("total", "applied", "already", "refused", "children_linked", "sacks_registered"):
        figures[f"scans {name}"] = scans[name]
    for view in ("by_kind", "by_outcome"):
        figures.update({f"scans {view} {name}": count for name, count in scans[view].items()})
    for row in scans["by_device"]:
        name = f"{row['device']} ({row['area']})"
        figures.update({f"scans of {name}": row["scans"], f"applied of {name}": row["applied"]})
    for row in scans["by_hour"]:
        figures.update(
            {f"scans at {row['hour']:02d} h": row["scans"], f"applied at {row['hour']:02d} h": row["applied"]}
        )
    figures["bills created"] = bills["created"]
    figures.update({f"bills {status}": count for status, count in bills["by_status"].items()})
    figures.update({f"bills by {row['biller']}": row["created"] for row in bills["by_biller"]})
    for row in bills["list"]:
        figures.update({f"bill {row['bill_no']} {name}": row[name] for name in BILL_FIGURES})
        figures.update({f"bill {row['bill_no']} {name}={row[name]}": 1 for name in ("area", "status", "destination")})
    figures.update({f"bill totals {name}": bills["totals"][name] for name in TOTAL_FIGURES})
    figures.update(_read_exceptions(exceptions))
    return figures


def _read_exceptions(exceptions: Mapping[str, Any]) -> Figures:
    figures: Figures = Counter()
    figures.update({f"refused {reason}": count for reason, count in exceptions["refused_by_reason"].items()})
    for name in ("sacks_underfilled", "sacks_overfilled"):
        figures.update(
            {f"{name} {row['code']} {key}": row[key] for row in exceptions[name] for key in ("children", "capacity")}
        )
    figures.update({f"sacks_full_unbilled {row['code']}": row["children"] for row in exceptions["sacks_full_unbilled"]})
    figures.update({f"bills_open {row['bill_no']}": 1 for row in exceptions["bills_open"]})
    figures["late scans"] = exceptions["late_scans"]
    for row in exceptions["gaps"]:
        figures[f"gap {row['device']} epoch {row['epoch']}: {row['from_seq']} to {row['to_seq']}"] = row["missing"]
    return figures


def expect_summary(day: Day, area: str) -> Figures:
    """Tell what the summary of an area, or of `all`, must say."""

    def concerns(place: str) -> bool:
        return area in {ALL, place}

    figures: Figures = Counter()
    figures.update(_expect_scans(scan for scan in day.scans.values() if concerns(scan.line.area)))
    figures["scans sacks_registered"] = sum(concerns(sack.area) for sack in day.warehouse.sacks.values())
    figures.update(_expect_bills(day, concerns))
    figures.update(_expect_sacks(day, concerns))
    for gap in day.gaps:
        if concerns(gap.area):
            missing = gap.to_seq - gap.from_seq + 1
            figures[f"gap {gap.device} epoch {gap.epoch}: {gap.from_seq} to {gap.to_seq}"] = missing
    return figures


def _expect_scans(scans: Iterable[Judged]) -> Figures:
    figures: Figures = Counter()
    for line, at, verdict in scans:
        applied = verdict.outcome == "applied"
        tone = {"ok": "applied", "already": "already", "stop": "refused"}[verdict.feedback]
        figures.update(
            [
                "scans total",
                "late scans",  # every scan of the demo arrives after its day
                f"scans {tone}",
                f"scans by_kind {line.kind}",
                f"scans by_outcome {verdict.outcome}",
                f"scans of {line.device} ({line.area})",
                f"scans at {at.hour:02d} h",
            ]
        )
        if applied:
            figures.update([f"applied of {line.device} ({line.area})", f"applied at {at.hour:02d} h"])
            figures["scans children_linked"] += line.kind == "child"
        if tone == "refused":
            figures[f"refused {verdict.outcome}"] += 1
    return figures


def _expect_bills(day: Day, concerns: Callable[[str], bool]) -> Figures:
    """
    Tell what must be said of bills.

    They are created and completed now, after the day: on the day there are only the sacks that scans put on them, so
    none is created, and all that had a sack are processing.
    """
    figures: Figures = Counter()
    scanned = {s.line.target for s in day.scans.values() if s.line.kind == "bill" and s.verdict.outcome == "applied"}
    for planned in day.bills:
        if planned.bill_no not in scanned or not concerns(planned.area):
            continue
        bill = day.warehouse.bills[planned.bill_no]
        weights = weigh(bill, day.warehouse.children_on(bill))
        row = {"capacity": bill.capacity, "expected_sacks": bill.capacity, **weights}
        figures.update({f"bill {bill.bill_no} {name}": row[name] for name in BILL_FIGURES})
        texts = {"area": bill.area, "status": "processing", "destination": planned.destination}
        figures.update(f"bill {bill.bill_no} {name}={text}" for name, text in texts.items())
        figures.update(["bills processing", f"bills_open {bill.bill_no}"])
        figures.update({f"bill totals {name}": row[name] for name in TOTAL_FIGURES})
    return figures


def _expect_sacks(day: Day, concerns: Callable[[str], bool]) -> Figures:
    figures: Figures = Counter()
    for sack in day.warehouse.sacks.values():
        if not concerns(sack.area):
            continue
        if len(sack.children) < CAPACITY:
            figures[f"sacks_underfilled {sack.code} children"] = len(sack.children)
            figures[f"sacks_underfilled {sack.code} capacity"] = CAPACITY
        elif sack.bill_no is None:
            figures[f"sacks_full_unbilled {sack.code}"] = len(sack.children)
    return figures


def weigh(bill: Bill, children: int) -> dict[str, int]:
    """Weigh a bill, in grams."""
    actual_g = children * CHILD_WEIGHT_G
    expected_g = len(bill.sacks) * CAPACITY * CHILD_WEIGHT_G
    return {
        "sacks": len(bill.sacks),
        "children": children,
        "actual_g": actual_g,
        "expected_g": expected_g,
        "variance_g": actual_g - expected_g,
    }


def read_bill(bill: Mapping[str, Any]) -> Figures:
    """Flatten a bill as the API gives it."""
    figures = Counter({f"bill {name}": bill[name] for name in ("capacity", "sacks", "children", "variance_g")})
    figures["bill actual_g"], figures["bill expected_g"] = bill["actual_weight_g"], bill["expected_weight_g"]
    figures.update(f"bill {name}={bill[name]}" for name in ("area", "status"))
    return figures


def expect_bill(day: Day, bill: Bill) -> Figures:
    """Tell what the API must say of a bill at the end."""
    figures = Counter({f"bill {name}": value for name, value in weigh(bill, day.warehouse.children_on(bill)).items()})
    figures["bill capacity"] = bill.capacity
    figures.update([f"bill area={bill.area}", f"bill status={bill.status}"])
    return figures
