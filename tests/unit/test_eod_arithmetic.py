"""The arithmetic of a summary: every total is the sum of its parts."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.domain.eod import (
    BillFigures,
    Gap,
    SackFigures,
    ScanCell,
    ScanFigures,
    count_by_status,
    count_created_by_biller,
    count_scans,
    find_disagreements,
    sum_by_area,
    total_bills,
)
from tracetrack_common.domain.scans import Kind, Outcome

AREAS = ("akola", "jaipur", "ranchi")


@st.composite
def scan_cells(draw: st.DrawFn) -> ScanCell:
    scans = draw(st.integers(1, 10_000))
    return ScanCell(
        area=draw(st.sampled_from([*AREAS, None])),
        device=draw(st.sampled_from(["gun-1", "gun-2", None])),
        hour=draw(st.integers(0, 23)),
        kind=draw(st.sampled_from(Kind)),
        outcome=draw(st.sampled_from(Outcome)),
        scans=scans,
        late=draw(st.integers(0, scans)),
    )


cells = st.lists(scan_cells(), max_size=40)


def a_bill(number: int, **changes: object) -> BillFigures:
    values: dict[str, object] = {
        "bill_no": f"B-{number}",
        "area": AREAS[number % 3],
        "created_by": f"biller_{number % 2}",
        "created_at": datetime(2026, 3, 1, tzinfo=UTC),
        "destination": "Delhi",
        "capacity": 5,
        "status": "processing",
        "is_created_today": True,
        "sacks": 5,
        "children": 128,
        "actual_g": 128_000,
        "expected_g": 150_000,
    }
    return BillFigures(**{**values, **changes})  # type: ignore[arg-type]


bills = st.lists(
    st.builds(
        lambda number, status, today, sacks, children: a_bill(
            number,
            status=status,
            is_created_today=today,
            sacks=sacks,
            children=children,
            actual_g=children * 1000,
            expected_g=sacks * 30_000,
        ),
        st.integers(0, 10_000),
        st.sampled_from(["new", "processing", "completed"]),
        st.booleans(),
        st.integers(0, 500),
        st.integers(0, 15_000),
    ),
    max_size=30,
)


def totals(figures: ScanFigures) -> list[int]:
    return [
        figures.total,
        figures.applied,
        figures.already,
        figures.refused,
        figures.late,
        figures.children_linked,
        figures.sacks_scanned,
        *(figures.by_outcome.get(outcome.value, 0) for outcome in Outcome),
        *(figures.by_kind.get(kind.value, 0) for kind in Kind),
        *(row.scans for row in figures.by_hour),
        *(row.applied for row in figures.by_hour),
        *(row.children for row in figures.by_hour),
    ]


@given(cells)
def test_scanned_is_applied_and_already_and_refused_and_every_view_adds_up_to_it(day: Sequence[ScanCell]) -> None:
    figures = count_scans(day)

    assert figures.total == sum(cell.scans for cell in day)
    assert figures.total == figures.applied + figures.already + figures.refused
    assert find_disagreements(figures) == []
    assert figures.applied == sum(row.applied for row in figures.by_device) == sum(r.applied for r in figures.by_hour)
    assert figures.refused == sum(figures.refused_by_reason.values())
    assert [row.hour for row in figures.by_hour] == list(range(24))


@given(cells)
def test_areas_and_what_is_in_none_sum_to_all(day: Sequence[ScanCell]) -> None:
    parts = [totals(count_scans([cell for cell in day if cell.area == area])) for area in [*AREAS, None]]

    assert totals(count_scans(day)) == [sum(column) for column in zip(*parts, strict=True)]


@given(cells, st.randoms())
def test_the_order_in_which_scans_are_counted_changes_nothing(day: list[ScanCell], random: object) -> None:
    shuffled = sorted(day, key=lambda _: random.random())  # type: ignore[attr-defined]

    assert count_scans(shuffled) == count_scans(day)


def test_outcomes_fall_under_applied_already_and_refused_by_their_feedback() -> None:
    figures = count_scans(
        [
            ScanCell("akola", "gun-1", 9, Kind.CHILD, Outcome.APPLIED, 5, late=1),
            ScanCell("akola", "gun-1", 9, Kind.PARENT, Outcome.KNOWN, 2),
            ScanCell("akola", None, 10, Kind.BILL, Outcome.DUPLICATE, 1),
            ScanCell("akola", "gun-1", 10, Kind.CHILD, Outcome.PARENT_FULL, 3),
        ]
    )

    assert (figures.total, figures.applied, figures.already, figures.refused) == (11, 5, 3, 3)
    assert figures.refused_by_reason == {"parent_full": 3}
    assert figures.children_linked == 5
    assert figures.late == 1
    assert [(row.device, row.scans, row.applied) for row in figures.by_device] == [("gun-1", 10, 5), (None, 1, 0)]


def test_a_total_that_is_not_the_sum_of_its_parts_is_named() -> None:
    figures = count_scans([ScanCell("akola", "gun-1", 9, Kind.CHILD, Outcome.APPLIED, 5)])
    broken = ScanFigures(**{**{name: getattr(figures, name) for name in ScanFigures.__slots__}, "total": 6})

    assert "scans by device: 5, not 6" in find_disagreements(broken)


def test_five_sacks_with_128_children_are_22_kg_short() -> None:
    assert a_bill(1).variance_g == -22_000


@given(bills)
def test_totals_are_the_sums_over_the_bills(listed: Sequence[BillFigures]) -> None:
    total = total_bills(listed)

    assert total.variance_g == sum(bill.variance_g for bill in listed)
    assert total.children == sum(bill.children for bill in listed)
    assert sum(count_by_status(listed).values()) == len(listed)
    assert sum(count_created_by_biller(listed).values()) == sum(bill.is_created_today for bill in listed)


@given(bills, cells)
def test_areas_sum_to_the_totals(listed: Sequence[BillFigures], day: Sequence[ScanCell]) -> None:
    scans = count_scans(day)
    areas = sum_by_area(scans, listed)

    assert sum(row.bills for row in areas) == len(listed)
    assert sum(row.scans for row in areas) == scans.total
    assert sum(row.applied for row in areas) == scans.applied
    assert sum(row.sacks for row in areas) == scans.sacks_scanned
    assert sum(row.children for row in areas) == scans.children_linked
    for name in ("sacks", "children", "actual_g", "expected_g", "variance_g"):
        assert sum(getattr(row.totals, name) for row in areas) == getattr(total_bills(listed), name)


@given(bills)
def test_bill_totals_of_areas_sum_to_all(listed: Sequence[BillFigures]) -> None:
    parts = [total_bills([bill for bill in listed if bill.area == area]) for area in AREAS]

    overall = total_bills(listed)

    assert overall.actual_g == sum(part.actual_g for part in parts)
    assert overall.expected_g == sum(part.expected_g for part in parts)
    assert overall.sacks == sum(part.sacks for part in parts)


@pytest.mark.parametrize(
    ("children", "is_billed", "named"),
    [
        (0, False, {"is_underfilled"}),
        (29, True, {"is_underfilled"}),
        (30, False, {"is_full_unbilled"}),
        (30, True, set()),
        (31, False, {"is_overfilled", "is_full_unbilled"}),
    ],
)
def test_sacks_are_exceptions_by_what_they_hold(children: int, is_billed: bool, named: set[str]) -> None:  # noqa: FBT001
    sack = SackFigures("SB00001", children, 30, is_billed)

    names = ("is_underfilled", "is_overfilled", "is_full_unbilled")
    assert {name for name in names if getattr(sack, name)} == named


def test_a_gap_counts_both_its_ends() -> None:
    assert Gap("gun-1", 1, 4, 4).missing == 1
    assert Gap("gun-1", 1, 4, 9).missing == 6
