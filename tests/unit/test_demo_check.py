"""The demo's check: a summary that is right passes, and any figure that is wrong is named."""

import copy
import io
import random
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from tracetrack_local.demo.check import (
    SCOPES,
    Comparison,
    choose_sample,
    compare_accounts,
    compare_bills,
    compare_outcomes,
    compare_summaries,
)
from tracetrack_local.demo.codes import CodeRanges
from tracetrack_local.demo.day import Day, generate_day
from tracetrack_local.demo.figures import ALL, Figures, expect_summary, read_summary
from tracetrack_local.demo.loading import RETURN_AREAS
from tracetrack_local.demo.screens import show_comparison, show_summary
from tracetrack_local.demo.shift import AREAS
from tracetrack_local.replay.journal import Journal, Known
from tracetrack_local.replay.office import Stats

DATE = date(2026, 11, 22)
NOTHING: dict[str, Any] = {
    "date": str(DATE),
    "revision": 1,
    "scans": {
        **dict.fromkeys(("total", "applied", "already", "refused", "children_linked", "sacks_registered"), 0),
        "by_kind": {},
        "by_outcome": {},
        "by_device": [],
        "by_hour": [],
    },
    "bills": {
        "created": 0,
        "by_status": {"new": 0, "processing": 0, "completed": 0},
        "by_biller": [],
        "list": [],
        "totals": dict.fromkeys(("sacks", "children", "actual_g", "expected_g", "variance_g"), 0),
    },
    "exceptions": {
        "refused_by_reason": {},
        "sacks_underfilled": [],
        "sacks_overfilled": [],
        "sacks_full_unbilled": [],
        "bills_open": [],
        "late_scans": 0,
        "gaps": [],
    },
}


@pytest.fixture(scope="module")
def day() -> Day:
    return_nos = {area: f"RTN-20261123-{number:04d}" for number, area in enumerate(RETURN_AREAS, start=1)}
    return generate_day(DATE, scans=1_500, seed=7, ranges=CodeRanges(), return_nos=return_nos)


def count_by_hand(day: Day, area: str) -> dict[str, Any]:
    """Count a summary of scans and sacks another way than the demo does."""
    summary = copy.deepcopy(NOTHING)
    scans = [scan for scan in day.scans.values() if area in {ALL, scan.line.area}]
    tones = Counter(scan.verdict.feedback for scan in scans)
    outcomes = Counter(scan.verdict.outcome for scan in scans)
    links = [scan for scan in scans if (scan.line.kind, scan.verdict.outcome) == ("child", "applied")]
    summary["scans"] |= {
        "total": len(scans),
        "applied": tones["ok"],
        "already": tones["already"],
        "refused": tones["stop"],
        "children_linked": len(links),
        "sacks_registered": len([sack for sack in day.warehouse.sacks.values() if area in {ALL, sack.area}]),
        "by_kind": dict(Counter(scan.line.kind for scan in scans)),
        "by_outcome": dict(outcomes),
        "by_device": [
            {
                "device": device.name,
                "area": device.area,
                "scans": sum(scan.line.device == device.name for scan in scans),
                "applied": sum((s.line.device, s.verdict.outcome) == (device.name, "applied") for s in scans),
            }
            for device in day.devices
            if area in {ALL, device.area}
        ],
        "by_hour": [
            {
                "hour": hour,
                "scans": sum(scan.at.hour == hour for scan in scans),
                "applied": sum((scan.at.hour, scan.verdict.outcome) == (hour, "applied") for scan in scans),
            }
            for hour in range(24)
        ],
    }
    summary["exceptions"] |= {
        "refused_by_reason": {
            name: count for name, count in outcomes.items() if name not in {"applied", "known", "duplicate"}
        },
        "late_scans": len(scans),
    }
    return summary


@pytest.mark.parametrize("area", [ALL, AREAS[0], AREAS[4]])
def test_what_is_expected_of_scans_is_what_counting_by_hand_gives(day: Day, area: str) -> None:
    by_hand = read_summary(count_by_hand(day, area))
    named = ("scans", "applied", "late", "refused")

    expected = Counter({name: n for name, n in expect_summary(day, area).items() if name.startswith(named)})

    assert expected == by_hand


def test_what_is_expected_of_all_is_the_sum_of_the_areas(day: Day) -> None:
    areas: Figures = Counter()
    for area in AREAS:
        areas.update(expect_summary(day, area))

    assert areas == expect_summary(day, ALL)


def test_bills_of_the_day_are_processing_and_weigh_what_is_in_their_sacks(day: Day) -> None:
    expected = expect_summary(day, ALL)
    loaded = [bill for bill in day.warehouse.bills.values() if bill.sacks]
    children = sum(len(day.warehouse.sacks[code].children) for bill in loaded for code in bill.sacks)

    assert expected["bills created"] == expected["bills completed"] == expected["bills new"] == 0
    assert expected["bills processing"] >= len(loaded)
    assert expected["bill totals children"] == children
    assert expected["bill totals actual_g"] == children * 1000
    assert expected["bill totals variance_g"] == children * 1000 - expected["bill totals sacks"] * 30_000


def test_a_figure_is_read_under_the_name_it_is_expected_under() -> None:
    summary = copy.deepcopy(NOTHING)
    summary["bills"]["list"] = [
        {
            **dict.fromkeys(("capacity", "sacks", "expected_sacks", "children", "actual_g", "expected_g"), 7),
            "variance_g": -3,
            "bill_no": "B-1",
            "area": "akola",
            "status": "processing",
            "destination": "Delhi",
        }
    ]
    summary["exceptions"]["gaps"] = [{"device": "gun", "epoch": 2, "from_seq": 5, "to_seq": 6, "missing": 2}]
    summary["exceptions"]["sacks_underfilled"] = [{"code": "SB00001", "children": 4, "capacity": 30}]

    found = {name: value for name, value in read_summary(summary).items() if value}

    assert found["bill B-1 variance_g"] == -3
    assert found["bill B-1 status=processing"] == 1
    assert found["gap gun epoch 2: 5 to 6"] == 2
    assert found["sacks_underfilled SB00001 children"] == 4


def _miscount(summary: dict[str, Any]) -> None:
    summary["scans"]["by_outcome"]["duplicate"] += 1


def _lose_an_hour(summary: dict[str, Any]) -> None:
    summary["scans"]["by_hour"] = [row for row in summary["scans"]["by_hour"] if row["hour"] != 7]


def _invent_a_gap(summary: dict[str, Any]) -> None:
    summary["exceptions"]["gaps"].append({"device": "gun", "epoch": 1, "from_seq": 1, "to_seq": 1, "missing": 1})


@pytest.mark.parametrize(
    ("spoil", "figure"),
    [(_miscount, "scans by_outcome duplicate"), (_lose_an_hour, "scans at 07 h"), (_invent_a_gap, "gap gun")],
)
def test_a_wrong_figure_is_named_with_its_area(day: Day, spoil: Callable[[Any], None], figure: str) -> None:
    right = {area: count_by_hand(day, area) for area in SCOPES}
    wrong = copy.deepcopy(right)
    spoil(wrong["akola"])
    before = dict.fromkeys(SCOPES, NOTHING)
    clean, spoilt = Comparison(), Comparison()

    compare_summaries(clean, day, right, before)
    compare_summaries(spoilt, day, wrong, before)

    added = set(spoilt.differences) - set(clean.differences)
    assert added
    assert {difference.where for difference in added} == {"EOD akola"}
    assert any(difference.figure.startswith(figure) for difference in added)


def test_what_others_did_on_the_day_is_not_counted_against_the_demo(day: Day) -> None:
    alone, together = Comparison(), Comparison()
    foreign = copy.deepcopy(NOTHING)
    foreign["scans"] |= {"total": 5, "applied": 5, "by_kind": {"parent": 5}}
    mixed = count_by_hand(day, ALL)
    for name, count in (("total", 5), ("applied", 5)):
        mixed["scans"][name] += count
    mixed["scans"]["by_kind"]["parent"] += 5
    others = {area: count_by_hand(day, area) for area in AREAS}

    compare_summaries(alone, day, {ALL: count_by_hand(day, ALL), **others}, dict.fromkeys(SCOPES, NOTHING))
    compare_summaries(together, day, {ALL: mixed, **others}, {**dict.fromkeys(SCOPES, NOTHING), ALL: foreign})

    assert together.differences == alone.differences


def journal_of(day: Day) -> Journal:
    journal = Journal(lines=len(day.lines), accepted=set(day.scans))
    for scan_id, scan in day.scans.items():
        journal.learn(scan_id, Known(scan.verdict.outcome, scan.verdict.feedback, scan.verdict.refers_to))
    return journal


def test_outcomes_that_are_right_pass_and_one_that_is_wrong_is_named(day: Day) -> None:
    right, wrong = Comparison(), Comparison()
    journal = journal_of(day)
    scan_id = next(iter(day.scans))
    asked: dict[UUID, Known | None] = {scan_id: None}

    compare_outcomes(right, day, journal, {})
    compare_outcomes(wrong, day, journal, asked)

    assert right.checked == len(day.scans)
    assert not right.differences
    assert [difference.found for difference in wrong.differences] == ["None"]
    assert str(scan_id) in wrong.differences[0].figure


def test_two_answers_to_one_scan_are_a_difference(day: Day) -> None:
    comparison, journal = Comparison(), journal_of(day)
    journal.learn(next(iter(day.scans)), Known("parent_full", "stop", None))

    compare_outcomes(comparison, day, journal, {})

    assert len(comparison.differences) == 1


def test_accounts_add_up_or_the_missing_scan_is_seen(day: Day) -> None:
    sums = {"applied": len(day.scans) - 30, "already": 20, "refused": 10, "total": len(day.scans)}
    even, lost = Comparison(), Comparison()
    quiet = (Stats(0, 100, 3), Stats(0, 100 + len(day.scans), 3))

    compare_accounts(even, day, journal_of(day), sums, quiet)
    compare_accounts(lost, day, journal_of(day), sums | {"refused": 9}, quiet)

    assert not even.differences
    assert [difference.where for difference in lost.differences] == ["accounts"]


def test_a_bill_that_weighs_something_else_is_named(day: Day) -> None:
    bill = next(bill for bill in day.warehouse.bills.values() if bill.sacks)
    comparison = Comparison()
    document = {
        "area": bill.area,
        "status": bill.status,
        "capacity": bill.capacity,
        "sacks": len(bill.sacks),
        "children": 1,
        "actual_weight_g": 1000,
        "expected_weight_g": 30_000,
        "variance_g": -29_000,
    }

    compare_bills(comparison, day, {bill.bill_no: document})

    assert {difference.where for difference in comparison.differences} == {bill.bill_no}
    assert "bill children" in {difference.figure for difference in comparison.differences}


def test_the_sample_has_some_of_every_outcome(day: Day) -> None:
    sample = choose_sample(day, random.Random(1))  # noqa: S311 - a test's choice

    assert len({scan.line.identity for scan in sample}) == len(sample) >= 200
    assert {scan.verdict.outcome for scan in sample} == {scan.verdict.outcome for scan in day.scans.values()}


def test_differences_are_shown_as_a_table_and_summaries_too(day: Day) -> None:
    console = Console(file=io.StringIO(), width=200)
    comparison = Comparison()
    compare_summaries(comparison, day, dict.fromkeys(SCOPES, NOTHING), dict.fromkeys(SCOPES, NOTHING))

    show_summary({area: count_by_hand(day, area) for area in SCOPES}, console)
    show_comparison(comparison, console, Path("differences.tsv"))

    shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above
    assert "End of day 2026-11-22, revision 1" in shown
    assert "figures differ" in shown
    assert "EOD all" in shown
