"""The content of a summary: figures as the JSON document that `docs/eod.md` describes."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import orjson

from tracetrack_common.domain.eod import (
    BillFigures,
    BillTotals,
    Figures,
    ScanFigures,
    count_by_status,
    count_created_by_biller,
    sum_by_area,
    total_bills,
)

ALL_AREAS = "all"
"""What the summary over all areas has in place of an area's code."""


def render_figures(figures: Figures) -> dict[str, Any]:
    """Write figures as JSON values: the part of a summary that makes a revision when it differs.

    Returns
    -------
    dict
        ``window``, ``scans``, ``bills``, ``by_area`` and ``exceptions``.
    """
    window = figures.window
    return {
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat(), "zone": window.zone},
        "scans": _scans(figures.scans, figures.sacks_registered),
        "bills": _bills(figures),
        "by_area": [
            {**asdict(row), "totals": _totals(row.totals)} for row in sum_by_area(figures.scans, figures.bills)
        ],
        "exceptions": _exceptions(figures),
    }


def digest_figures(figures: Mapping[str, Any], *, is_day_over: bool) -> bytes:
    """Give the SHA-256 of rendered figures.

    Parameters
    ----------
    figures
        As `render_figures` gives them.
    is_day_over
        Whether the day was over when they were read. It is part of the digest, so that the run after the day's end
        makes a revision even if an earlier one happens to hold the same figures.
    """
    return hashlib.sha256(orjson.dumps([figures, is_day_over], option=orjson.OPT_SORT_KEYS)).digest()


def render_summary(
    figures: Mapping[str, Any], *, area: str, business_date: date, revision: int, generated_at: datetime
) -> dict[str, Any]:
    """Put a summary together from its rendered figures and its identity."""
    return {
        "date": business_date.isoformat(),
        "area": area,
        "revision": revision,
        "generated_at": generated_at.isoformat(),
        **figures,
    }


def _scans(scans: ScanFigures, sacks_registered: int) -> dict[str, Any]:
    return {
        "total": scans.total,
        "applied": scans.applied,
        "already": scans.already,
        "refused": scans.refused,
        "by_kind": scans.by_kind,
        "by_outcome": scans.by_outcome,
        "sacks_scanned": scans.sacks_scanned,
        "children_linked": scans.children_linked,
        "sacks_registered": sacks_registered,
        "by_device": [asdict(row) for row in scans.by_device],
        "by_hour": [asdict(row) for row in scans.by_hour],
    }


def _bills(figures: Figures) -> dict[str, Any]:
    return {
        "created": sum(bill.is_created_today for bill in figures.bills),
        "by_status": count_by_status(figures.bills),
        "by_biller": [
            {"biller": biller, "created": created} for biller, created in count_created_by_biller(figures.bills).items()
        ],
        "list": [_bill(bill) for bill in figures.bills],
        "totals": _totals(total_bills(figures.bills)),
    }


def _totals(totals: BillTotals) -> dict[str, int]:
    return {**asdict(totals), "variance_g": totals.variance_g}


def _bill(bill: BillFigures) -> dict[str, Any]:
    return {
        "bill_no": bill.bill_no,
        "area": bill.area,
        "created_by": bill.created_by,
        "created_at": bill.created_at.isoformat(),
        "status": bill.status,
        "destination": bill.destination,
        "capacity": bill.capacity,
        "sacks": bill.sacks,
        "expected_sacks": bill.capacity,
        "children": bill.children,
        "actual_g": bill.actual_g,
        "expected_g": bill.expected_g,
        "variance_g": bill.variance_g,
    }


def _open_bill(bill: BillFigures) -> dict[str, Any]:
    return {
        "bill_no": bill.bill_no,
        "area": bill.area,
        "created_by": bill.created_by,
        "created_at": bill.created_at.isoformat(),
        "status": bill.status,
        "sacks": bill.sacks,
        "expected_sacks": bill.capacity,
    }


def _exceptions(figures: Figures) -> dict[str, Any]:
    def sacks(*, overfilled: bool) -> list[dict[str, Any]]:
        return [
            {"code": sack.code, "children": sack.children, "capacity": sack.capacity}
            for sack in figures.sacks
            if (sack.is_overfilled if overfilled else sack.is_underfilled)
        ]

    return {
        "refused_by_reason": figures.scans.refused_by_reason,
        "sacks_underfilled": sacks(overfilled=False),
        "sacks_overfilled": sacks(overfilled=True),
        "sacks_full_unbilled": [
            {"code": sack.code, "children": sack.children} for sack in figures.sacks if sack.is_full_unbilled
        ],
        "bills_open": [_open_bill(bill) for bill in figures.bills if bill.is_open],
        "late_scans": figures.scans.late,
        "gaps": [{**asdict(gap), "missing": gap.missing} for gap in figures.gaps],
    }
