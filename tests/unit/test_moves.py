"""Undo and relink decided purely: what moves, what refuses, and that nothing is lost on the way (domain.md, Scans)."""

from copy import deepcopy
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.scans import NOON
from tests.support.strategies import CHILDREN, SACKS, completions, days, opening_states, state_after
from tracetrack_common.domain.decide import Bag, State, decide
from tracetrack_common.domain.moves import Moved, Refused, is_undone_unnamed, put_in_another, take_out
from tracetrack_common.domain.scans import Outcome, Scan

Day = list[Scan]
some_sack = st.sampled_from([*SACKS, CHILDREN[0], "SB99999"])


def children_in_sacks(state: State) -> list[tuple[Bag, Bag]]:
    """Give every child that is in a sack, with the sack."""
    return [(bag, state.bags[bag.parent]) for bag in state.bags.values() if bag.parent is not None]


def after(state: State, moved: Moved) -> State:
    sacks = [sack for sack in (moved.source, moved.target) if sack is not None]
    bags = dict(state.bags) | {bag.code: bag for bag in (moved.child, *sacks)}
    return State(state.catalogue, bags, dict(state.bills) | {bill.bill_no: bill for bill in moved.bills}, state.returns)


def assert_exact(state: State) -> None:
    """Hold every count and total against where the children are."""
    for code, bag in state.bags.items():
        assert bag.children == sum(each.parent == code for each in state.bags.values())
        assert bag.children <= (bag.capacity or 0)
    for number, bill in state.bills.items():
        sacks = [bag for bag in state.bags.values() if bag.bill_no == number]
        assert bill.children == sum(sack.children for sack in sacks)
        assert bill.actual_weight_g == sum(sack.weight_g for sack in sacks)
        assert bill.expected_weight_g == sum(sack.expected_weight_g for sack in sacks)


@given(opening_states, days, completions)
def test_a_child_is_taken_out_exactly_and_never_of_a_completed_bill(
    state: State, day: Day, completed: frozenset[str]
) -> None:
    state = state_after(state, decide(day, state), completed=completed)
    before = deepcopy(state)

    for child, source in children_in_sacks(state):
        moved = take_out(child, source, state.bills)

        assert (state.bags, state.bills) == (before.bags, before.bills)
        if source.bill_no in completed:
            assert moved == Refused(Outcome.BILL_COMPLETED, source.code, source.bill_no)
        else:
            assert isinstance(moved, Moved)
            assert moved.child.parent is None
            assert_exact(after(state, moved))


@given(opening_states, days, completions, some_sack)
def test_a_child_is_moved_exactly_and_by_the_rules_of_a_scan(
    state: State, day: Day, completed: frozenset[str], into: str
) -> None:
    state = state_after(state, decide(day, state), completed=completed)
    before, target = deepcopy(state), state.bags.get(into)

    for child, source in children_in_sacks(state):
        moved = put_in_another(child, source, into, target, state.bills)

        assert (state.bags, state.bills) == (before.bags, before.bills)
        if isinstance(moved, Moved):
            assert moved.child.parent == into != source.code
            assert not completed & {source.bill_no, moved.target and moved.target.bill_no}
            assert_exact(after(state, moved))
        elif target is None:
            assert moved.outcome is Outcome.UNKNOWN_BAG
        elif not target.is_parent:
            assert moved.outcome is Outcome.WRONG_BAG_TYPE
        elif target.code == source.code:
            assert moved.outcome is Outcome.DUPLICATE
        elif moved.outcome is Outcome.BILL_COMPLETED:
            assert moved.refers_to in completed & {source.bill_no, target.bill_no}
        else:
            assert moved.outcome is Outcome.PARENT_FULL
            assert target.children == target.capacity


def test_a_deleted_sack_takes_no_child() -> None:
    child, source = Bag("CH00001", 1, parent="SB00001"), Bag("SB00001", 1, 30, 1000, children=1)
    deleted = Bag("SB00002", 1, 30, 1000, is_deleted=True)

    assert put_in_another(child, source, "SB00002", deleted, {}) == Refused(Outcome.UNKNOWN_BAG, "SB00002")


def test_the_newest_scan_is_undone_for_an_hour_and_not_a_moment_longer() -> None:
    assert is_undone_unnamed(NOON, NOON + timedelta(hours=1))
    assert not is_undone_unnamed(NOON, NOON + timedelta(hours=1, microseconds=1))
