"""What Hypothesis draws: a small warehouse, in which everything soon meets everything."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from tests.support.scans import INDORE, LUCKNOW, Maker, make_scan
from tracetrack_common.domain.codes import BagType, Catalogue
from tracetrack_common.domain.decide import Bill, Decisions, GoodsReturn, State
from tracetrack_common.domain.scans import Kind, Scan

WHEAT = BagType(1, "wheat", r"SB\d{5}", 30, 1000)
MOONG = BagType(2, "moong", r"M444-\d{5}", 30, 1000)
SHIPPED = Catalogue((WHEAT, MOONG))
"""The bag types that ship by default."""

SMALL = Catalogue((BagType(1, "wheat", r"SB\d{5}", 3, 1000), BagType(2, "moong", r"M444-\d{5}", 2, 750)))
"""Sacks that are soon full, of two weights."""

SACKS = ("SB00001", "SB00002", "SB00003", "M444-00001", "M444-00002")
CHILDREN = tuple(f"CH0000{number}" for number in range(1, 8))
MISPRINTS = ("SB-00001", "C!", "")
BILLS = ("BILL-1", "BILL-2", "BILL-3")
RETURNS = ("RTN-20261123-0001", "RTN-20261123-0002")
MAKERS = (Maker(device_id=1, area_id=LUCKNOW), Maker(device_id=2, area_id=INDORE))

any_code = st.sampled_from([*SACKS, *CHILDREN, *MISPRINTS])


def _scan(kind: Kind, codes: st.SearchStrategy[str], targets: st.SearchStrategy[str | None]) -> st.SearchStrategy[Scan]:
    return st.builds(make_scan, st.just(kind), codes, targets, by=st.sampled_from(MAKERS))


def _mostly(right: Sequence[str]) -> st.SearchStrategy[str]:
    """Draw a right code nine times in ten."""
    return st.integers(0, 9).flatmap(lambda draw: st.sampled_from(right) if draw else any_code)


any_scan = st.one_of(
    _scan(Kind.PARENT, _mostly(SACKS), st.none()),
    _scan(Kind.CHILD, _mostly(CHILDREN), _mostly(SACKS)),
    _scan(Kind.CHILD, _mostly(CHILDREN), _mostly(SACKS)),
    _scan(Kind.CHILD, _mostly(CHILDREN), _mostly(SACKS)),
    _scan(Kind.BILL, _mostly(SACKS), st.sampled_from([*BILLS, "BILL-9"])),
    _scan(Kind.BILL, _mostly(SACKS), st.sampled_from([*BILLS, "BILL-9"])),
    _scan(Kind.RETURN, _mostly(SACKS), st.sampled_from([*RETURNS, "RTN-9"])),
)
"""Any scan of the small warehouse; children most of all, as in life."""

days = st.lists(any_scan, max_size=40)


def _bills(capacities: Sequence[int], areas: Sequence[int]) -> dict[str, Bill]:
    return {
        number: Bill(number, key, area_id, "new", capacity)
        for key, (number, capacity, area_id) in enumerate(zip(BILLS, capacities, areas, strict=True), start=1)
    }


def _returns(states: Sequence[str]) -> dict[str, GoodsReturn]:
    return {
        number: GoodsReturn(number, key, LUCKNOW, state)
        for key, (number, state) in enumerate(zip(RETURNS, states, strict=True), start=1)
    }


def state_after(state: State, decisions: Decisions, *, completed: frozenset[str] = frozenset()) -> State:
    """Give the state that scans left behind, with some bills completed since."""
    for number in completed:
        decisions.bills[number].status = "completed"
    return State(state.catalogue, decisions.bags, decisions.bills, state.returns)


opening_states = st.builds(
    lambda capacities, areas, states: State(SMALL, {}, _bills(capacities, areas), _returns(states)),
    st.tuples(*[st.integers(1, 3)] * len(BILLS)),
    st.tuples(*[st.sampled_from([LUCKNOW, LUCKNOW, INDORE])] * len(BILLS)),
    st.tuples(*[st.sampled_from(["open", "open", "committed"])] * len(RETURNS)),
)
completions = st.frozensets(st.sampled_from(BILLS), max_size=2)
deletions = st.frozensets(st.sampled_from([*SACKS, *CHILDREN]), max_size=6)


def with_deleted(state: State, codes: frozenset[str]) -> State:
    """Give a state in which those of these bags are deleted that hold nothing and are nowhere."""
    bags = {
        code: replace(
            bag, is_deleted=code in codes and not (bag.children or bag.parent or bag.bill_no or bag.return_no)
        )
        for code, bag in state.bags.items()
    }
    return State(state.catalogue, bags, state.bills, state.returns)
