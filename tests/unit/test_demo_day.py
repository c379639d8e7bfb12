"""The demo's day: what the generator promises of every day it makes, whatever the seed."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracetrack_local.demo.codes import CodeRanges
from tracetrack_local.demo.day import MOST_SCANS, Day, completions_after, generate_day
from tracetrack_local.demo.loading import RETURN_AREAS
from tracetrack_local.demo.rules import CAPACITY, Verdict, Warehouse
from tracetrack_local.demo.shift import AREAS, QUIET_S, ZONE
from tracetrack_local.errors import LauncherError
from tracetrack_local.replay.scanlog import Request, read_log, requests_of, write_log

DATE = date(2026, 11, 22)
RETURN_NOS = {area: f"RTN-20261123-{number:04d}" for number, area in enumerate(RETURN_AREAS, start=1)}
EVERY_OUTCOME = {
    ("parent", "applied"), ("parent", "known"), ("parent", "wrong_bag_type"), ("parent", "invalid_code"),
    ("child", "applied"), ("child", "duplicate"), ("child", "linked_elsewhere"), ("child", "parent_full"),
    ("child", "wrong_bag_type"), ("child", "bill_completed"), ("child", "invalid_code"),
    ("bill", "applied"), ("bill", "duplicate"), ("bill", "on_other_bill"), ("bill", "bill_full"),
    ("bill", "bill_completed"), ("bill", "unknown_bill"), ("bill", "unknown_bag"), ("bill", "wrong_bag_type"),
    ("bill", "invalid_code"),
    ("return", "applied"), ("return", "duplicate"), ("return", "unknown_return"), ("return", "unknown_bag"),
    ("return", "wrong_bag_type"), ("return", "invalid_code"),
}  # fmt: skip


def make_day(scans: int = 20_000, seed: int = 1, day: date = DATE, ranges: CodeRanges | None = None) -> Day:
    return generate_day(day, scans=scans, seed=seed, ranges=ranges or CodeRanges(), return_nos=RETURN_NOS)


def for_any_day(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test for days of several sizes; the arguments stand in the report, not the whole day."""
    return settings(max_examples=6, deadline=None)(given(st.integers(500, 2_500), st.integers(0, 2**32))(test))


@pytest.fixture(scope="module")
def whole_day() -> Day:
    return make_day()


def test_a_whole_day_has_every_outcome_that_a_scan_can_come_to(whole_day: Day) -> None:
    found = Counter((scan.line.kind, scan.verdict.outcome) for scan in whole_day.scans.values())

    assert set(found) == EVERY_OUTCOME
    assert found["child", "applied"] > 0.85 * len(whole_day.scans)


def test_a_whole_day_has_ten_areas_fifty_devices_and_all_their_quirks(whole_day: Day) -> None:
    per_area = Counter(device.area for device in whole_day.devices)
    offsets = [abs(device.clock_offset) for device in whole_day.devices]

    assert per_area == dict.fromkeys(AREAS, 5)
    assert {line.device for line in whole_day.lines} == {device.name for device in whole_day.devices}
    assert any(offset > timedelta(days=365) for offset in offsets)
    assert any(timedelta(hours=1) < offset < timedelta(days=1) for offset in offsets)
    assert sum(offset < timedelta(minutes=10, seconds=1) for offset in offsets) == 48
    assert {line.epoch for line in whole_day.lines} == {None, 1, 2}
    assert whole_day.gaps
    assert any(device.reversed_sync for device in whole_day.devices)
    assert any((line.group or "").endswith("-again") for line in whole_day.lines)


def test_a_whole_day_has_bills_of_every_sort(whole_day: Day) -> None:
    short = [bill for bill in whole_day.bills if bill.reason is not None]
    statuses = Counter(bill.status for bill in whole_day.warehouse.bills.values())

    assert len(short) == 1
    assert len(whole_day.warehouse.bills[short[0].bill_no].sacks) < short[0].capacity
    assert statuses["completed"] >= 10
    assert statuses["processing"] >= 10
    assert statuses["new"] == 2
    assert len({bill.bill_no for bill in whole_day.bills}) == len(whole_day.bills)


@for_any_day
def test_a_day_has_exactly_the_lines_asked_for_some_of_them_resends(scans: int, seed: int) -> None:
    day = make_day(scans, seed)

    assert len(day.lines) == scans
    assert {line.identity for line in day.lines} == set(day.scans)
    assert len(day.scans) < scans


@for_any_day
def test_the_same_seed_makes_the_same_day(scans: int, seed: int) -> None:
    assert make_day(scans, seed).lines == make_day(scans, seed).lines


@for_any_day
def test_no_sack_holds_more_than_it_may_and_no_child_is_in_two(scans: int, seed: int) -> None:
    day = make_day(scans, seed)

    sacks = day.warehouse.sacks.values()
    held = [child for sack in sacks for child in sack.children]

    assert max(len(sack.children) for sack in sacks) == CAPACITY
    assert len(held) == len(set(held)) == len(day.warehouse.parent_of)
    applied = Counter(scan.line.kind for scan in day.scans.values() if scan.verdict.outcome == "applied")
    assert applied["child"] == len(held)


@for_any_day
def test_completed_bills_are_full_or_have_a_reason_and_no_bill_holds_more_than_it_may(scans: int, seed: int) -> None:
    day = make_day(scans, seed)

    for planned in day.bills:
        bill = day.warehouse.bills[planned.bill_no]
        loaded = [
            scan
            for scan in day.scans.values()
            if scan.line.target == bill.bill_no
            and (scan.line.kind, scan.verdict.outcome, scan.line.phase <= planned.loaded_phase)
            == ("bill", "applied", True)
        ]
        assert len(bill.sacks) <= bill.capacity
        if planned.completed:
            assert bill.status == "completed"
            assert (len(loaded) == bill.capacity) == (planned.reason is None)


@for_any_day
def test_outcomes_do_not_depend_on_which_device_is_faster(scans: int, seed: int) -> None:
    """Requests of a phase are applied in any order that waiting allows; bills are completed between phases."""
    day, chance = make_day(scans, seed), random.Random(seed)  # noqa: S311 - a test's order of events
    warehouse = Warehouse()
    for bill in day.bills:
        warehouse.create_bill(bill.bill_no, bill.area, bill.capacity)
    for area, return_no in RETURN_NOS.items():
        warehouse.create_return(return_no, area)
    verdicts: dict[UUID, Verdict] = {}

    for phase, devices in requests_of(day.lines).items():
        for request in interleave(devices, chance):
            for line in request.lines:
                if line.identity not in verdicts:
                    verdicts[line.identity] = warehouse.judge(line.kind, line.code, line.target, line.area)
        for bill in completions_after(day.bills, phase):
            warehouse.complete_bill(bill.bill_no)

    assert verdicts == {scan_id: scan.verdict for scan_id, scan in day.scans.items()}
    assert warehouse.sacks == day.warehouse.sacks
    assert warehouse.bills == day.warehouse.bills


def interleave(devices: Mapping[str, list[Request]], chance: random.Random) -> list[Request]:
    order: list[tuple[float, Request]] = []
    for requests in devices.values():
        earliest = 0.0
        for request in requests:
            applied_at = earliest + chance.random()
            order.append((applied_at, request))
            if request.wait:
                earliest = applied_at
    return [request for _, request in sorted(order, key=lambda each: each[0])]


@for_any_day
def test_true_times_are_in_the_day_and_away_from_full_hours(scans: int, seed: int) -> None:
    day = make_day(scans, seed)

    for line, at, _ in day.scans.values():
        second = at.minute * 60 + at.second
        assert at.astimezone(ZONE).date() == day.date
        assert QUIET_S <= second < 3600 - QUIET_S
        assert line.scanned_at - line.clock_offset == at


@for_any_day
def test_gaps_are_exactly_the_counters_that_are_in_no_line(scans: int, seed: int) -> None:
    day = make_day(scans, seed)

    delivered: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for scan in day.scans.values():
        if scan.line.epoch is not None and scan.line.seq is not None:
            seen = delivered[scan.line.device, scan.line.epoch]
            assert scan.line.seq not in seen
            seen.add(scan.line.seq)
    missing = {
        (device, epoch, before + 1, after - 1)
        for (device, epoch), seqs in delivered.items()
        for before, after in pairwise(sorted(seqs))
        if after > before + 1
    }

    assert all(min(seqs) == 1 for seqs in delivered.values())
    assert {(gap.device, gap.epoch, gap.from_seq, gap.to_seq) for gap in day.gaps} == missing


@for_any_day
def test_a_later_day_uses_no_code_of_an_earlier_one(scans: int, seed: int) -> None:
    day = make_day(scans, seed)

    following = make_day(600, 1, DATE - timedelta(days=1), day.ranges)

    assert not day.warehouse.sacks.keys() & following.warehouse.sacks.keys()
    assert not day.warehouse.parent_of.keys() & following.warehouse.parent_of.keys()
    assert not day.scans.keys() & following.scans.keys()


def test_the_file_holds_the_whole_day(whole_day: Day, tmp_path: Path) -> None:
    write_log(tmp_path / "day.ndjson", whole_day.lines)

    lines, problems = read_log(tmp_path / "day.ndjson")

    assert not problems
    assert lines == list(whole_day.lines)


@pytest.mark.parametrize("scans", [0, 499, MOST_SCANS + 1])
def test_a_day_too_small_or_too_large_is_refused_in_a_sentence(scans: int) -> None:
    with pytest.raises(LauncherError, match=r"500 to 500,000 scans"):
        make_day(scans)


def test_a_day_without_codes_left_is_refused_in_a_sentence() -> None:
    with pytest.raises(LauncherError, match="every sack code"):
        make_day(1_000, ranges=CodeRanges(wheat=99_999, moong=99_999))


def test_a_written_line_is_something_a_person_could_have_written(tmp_path: Path, whole_day: Day) -> None:
    write_log(tmp_path / "day.ndjson", whole_day.lines)

    first = (tmp_path / "day.ndjson").read_text(encoding="utf-8").splitlines()[0]

    assert "null" not in first
    assert first.startswith('{"device":"demo-20261122-')
