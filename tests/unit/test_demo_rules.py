"""The demo's own model of the rules: every outcome of the table in domain.md, and what can never happen."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracetrack_local.demo
from tracetrack_local.demo.rules import CAPACITY, Verdict, Warehouse, is_child_code, is_sack_code, read_code

AREA, OTHER_AREA = "indore", "akola"


def warehouse_with_sack(children: int = 1) -> Warehouse:
    """SB00001 holds children C0000…; SB00002 holds X0000; bills B-1 (one sack) and B-2, return R-1, all in one area."""
    warehouse = Warehouse()
    for number in range(children):
        assert warehouse.judge("child", f"C{number:04d}", "SB00001", AREA).outcome == "applied"
    assert warehouse.judge("child", "X0000", "SB00002", AREA).outcome == "applied"
    warehouse.create_bill("B-1", AREA, 1)
    warehouse.create_bill("B-2", AREA, 5)
    warehouse.create_return("R-1", AREA)
    return warehouse


@pytest.mark.parametrize(
    ("kind", "code", "target", "outcome"),
    [
        ("parent", "SB00009", None, "applied"),
        ("parent", " sb00009 ", None, "applied"),
        ("parent", "M444-00009", None, "applied"),
        ("parent", "SB00001", None, "known"),
        ("parent", "C0000", None, "wrong_bag_type"),
        ("parent", "SB0001", None, "wrong_bag_type"),
        ("parent", "SB-00001", None, "invalid_code"),
        ("child", "N0001", "SB00001", "applied"),
        ("child", "N0001", "SB00009", "applied"),
        ("child", "C0000", "SB00001", "duplicate"),
        ("child", "c0000", "sb00001", "duplicate"),
        ("child", "SB00001", "SB00002", "wrong_bag_type"),
        ("child", "SB00001", "SB00001", "wrong_bag_type"),
        ("child", "N0001", "C0000", "wrong_bag_type"),
        ("child", "N1", "SB00001", "invalid_code"),
        ("child", "N0001", "SB-0001", "invalid_code"),
        ("child", "N" * 21, "SB00001", "invalid_code"),
        ("bill", "SB00001", "b-2", "applied"),
        ("bill", "SB00001", "B-9", "unknown_bill"),
        ("bill", "SB00009", "B-1", "unknown_bag"),
        ("bill", "C0000", "B-1", "wrong_bag_type"),
        ("bill", "S-1", "B-1", "invalid_code"),
        ("return", "SB00001", "R-1", "applied"),
        ("return", "SB00001", "R-9", "unknown_return"),
        ("return", "SB00009", "R-1", "unknown_bag"),
        ("return", "C0000", "R-1", "wrong_bag_type"),
        ("return", "S-1", "R-1", "invalid_code"),
    ],
)
def test_a_scan_comes_to_its_outcome(kind: str, code: str, target: str | None, outcome: str) -> None:
    assert warehouse_with_sack().judge(kind, code, target, AREA) == Verdict(outcome)


def test_a_child_in_another_sack_is_refused_and_the_sack_is_named() -> None:
    assert warehouse_with_sack().judge("child", "C0000", "SB00002", AREA) == Verdict("linked_elsewhere", "SB00001")


def test_the_31st_child_is_refused_and_remains_unknown() -> None:
    warehouse = warehouse_with_sack(CAPACITY)

    assert warehouse.judge("child", "LATE1", "SB00001", AREA) == Verdict("parent_full")
    assert warehouse.judge("child", "LATE1", "SB00002", AREA) == Verdict("applied")


def test_bills_and_returns_of_another_area_are_unknown() -> None:
    warehouse = warehouse_with_sack()

    assert warehouse.judge("bill", "SB00001", "B-1", OTHER_AREA) == Verdict("unknown_bill")
    assert warehouse.judge("return", "SB00001", "R-1", OTHER_AREA) == Verdict("unknown_return")


def test_a_sack_is_on_one_bill_and_a_bill_takes_no_more_than_it_may() -> None:
    warehouse = warehouse_with_sack()

    assert warehouse.judge("bill", "SB00001", "B-1", AREA) == Verdict("applied")
    assert warehouse.judge("bill", "SB00001", "B-1", AREA) == Verdict("duplicate")
    assert warehouse.judge("bill", "SB00001", "B-2", AREA) == Verdict("on_other_bill", "B-1")
    assert warehouse.judge("bill", "SB00002", "B-1", AREA) == Verdict("bill_full")
    assert warehouse.bills["B-1"].status == "processing"


def test_a_completed_bill_is_locked_with_its_sacks() -> None:
    warehouse = warehouse_with_sack()
    warehouse.judge("bill", "SB00001", "B-1", AREA)
    warehouse.complete_bill("B-1")

    assert warehouse.judge("bill", "SB00002", "B-1", AREA) == Verdict("bill_completed", "B-1")
    assert warehouse.judge("child", "N0001", "SB00001", AREA) == Verdict("bill_completed", "B-1")
    assert warehouse.judge("child", "C0000", "SB00001", AREA) == Verdict("duplicate")


def test_a_returned_sack_leaves_its_bill_even_a_completed_one_and_can_be_billed_again() -> None:
    warehouse = warehouse_with_sack()
    warehouse.judge("bill", "SB00001", "B-1", AREA)
    warehouse.complete_bill("B-1")

    assert warehouse.judge("return", "SB00001", "R-1", AREA) == Verdict("applied")
    assert warehouse.judge("return", "SB00001", "R-1", AREA) == Verdict("duplicate")
    assert warehouse.bills["B-1"].sacks == set()
    assert warehouse.bills["B-1"].status == "completed"
    assert warehouse.judge("bill", "SB00001", "B-2", AREA) == Verdict("applied")


@pytest.mark.parametrize(
    ("text", "code"),
    [(" ch00001 ", "CH00001"), ("LABEL NO.0016586 LOT 77", "0016586"), ("label no.0016586 lot", "0016586")],
)
def test_a_code_is_read_as_it_is_meant(text: str, code: str) -> None:
    assert read_code(text) == code


@given(st.text(max_size=30))
def test_no_code_is_a_sack_and_a_child(code: str) -> None:
    assert not (is_sack_code(code) and is_child_code(code))


_sacks = st.sampled_from([f"SB{number:05d}" for number in range(4)])
_scans = st.one_of(
    st.tuples(st.just("parent"), _sacks, st.none()),
    st.tuples(st.just("child"), st.integers(0, 99).map("C{:04d}".format), _sacks),
    st.tuples(st.just("bill"), _sacks, st.sampled_from(["B-1", "B-2"])),
    st.tuples(st.just("return"), _sacks, st.just("R-1")),
)


@given(st.lists(_scans, max_size=200))
def test_no_sack_no_bill_and_no_child_is_ever_in_a_state_that_may_not_be(
    scans: Sequence[tuple[str, str, str | None]],
) -> None:
    warehouse = warehouse_with_sack(CAPACITY - 1)

    verdicts = [warehouse.judge(kind, code, target, AREA) for kind, code, target in scans]

    held = [child for sack in warehouse.sacks.values() for child in sack.children]
    assert max(len(sack.children) for sack in warehouse.sacks.values()) <= CAPACITY
    assert len(held) == len(set(held))
    assert all(len(bill.sacks) <= bill.capacity for bill in warehouse.bills.values())
    for sack in warehouse.sacks.values():
        on = [bill.bill_no for bill in warehouse.bills.values() if sack.code in bill.sacks]
        assert on == ([] if sack.bill_no is None else [sack.bill_no])
    assert {verdict.feedback for verdict in verdicts} <= {"ok", "already", "stop"}


def test_the_model_shares_no_code_with_the_system_it_judges() -> None:
    """What the demo expects must not come from the code it checks: the model and the generator import none of it."""
    folder = Path(tracetrack_local.demo.__file__).parent
    importing = re.compile(r"^\s*(?:from|import)\s+tracetrack_(?!local)", re.MULTILINE)

    assert not [path.name for path in folder.glob("*.py") if importing.search(path.read_text(encoding="utf-8"))]
