"""What holds whatever is scanned: the rules of domain.md that say «never», «exactly» or «at most»."""

from collections import Counter
from copy import deepcopy

from hypothesis import given

from tests.support.strategies import (
    any_scan,
    completions,
    days,
    deletions,
    opening_states,
    state_after,
    with_deleted,
)
from tracetrack_common.domain.decide import Decisions, State, codes_of, decide
from tracetrack_common.domain.scans import Feedback, Kind, Outcome, Scan

Day = list[Scan]


def live(state: State, morning: Day, completed: frozenset[str]) -> State:
    """Give the state after a morning's scans, with some bills completed then."""
    return state_after(state, decide(morning, state), completed=completed)


@given(opening_states, days, completions, days)
def test_a_batch_gives_what_its_scans_give_one_by_one(
    state: State, morning: Day, completed: frozenset[str], afternoon: Day
) -> None:
    state = live(state, morning, completed)

    together = decide(afternoon, state)
    results, alone = [], state
    for scan in afternoon:
        decisions = decide([scan], alone)
        results += decisions.results
        alone = state_after(alone, decisions)

    assert together.results == results
    assert together.bags == alone.bags
    assert together.bills == alone.bills


@given(opening_states, days, completions, days)
def test_no_sack_and_no_bill_ever_holds_more_than_it_has_room_for(
    state: State, morning: Day, completed: frozenset[str], afternoon: Day
) -> None:
    decisions = decide(afternoon, live(state, morning, completed))

    assert all(bag.children <= (bag.capacity or 0) for bag in decisions.bags.values())
    assert all(bill.sacks <= bill.capacity for bill in decisions.bills.values())


@given(opening_states, days, completions, days)
def test_a_child_is_in_at_most_one_sack_and_every_sack_knows_its_number_of_children(
    state: State, morning: Day, completed: frozenset[str], afternoon: Day
) -> None:
    before = live(state, morning, completed)
    decisions = decide(afternoon, before)
    held = Counter(bag.parent for bag in decisions.bags.values() if bag.parent is not None)
    linked = Counter(scan.code for scan in decisions.links)

    assert {code: bag.children for code, bag in decisions.bags.items() if bag.children} == held
    assert all(times == 1 for times in linked.values())
    assert not any(code in before.bags and before.bags[code].parent for code in linked)


@given(opening_states, days, completions, days)
def test_no_bag_is_both_a_sack_and_a_child_and_no_sack_is_in_another(
    state: State, morning: Day, completed: frozenset[str], afternoon: Day
) -> None:
    decisions = decide(afternoon, live(state, morning, completed))

    for code, bag in decisions.bags.items():
        assert bag.is_parent == (state.catalogue.bag_type_of(code) is not None)
        assert not (bag.is_parent and bag.parent)
        assert bag.is_parent or bag.bill_no is None


@given(opening_states, days, completions, days)
def test_the_totals_of_a_bill_are_the_sums_over_its_sacks(
    state: State, morning: Day, completed: frozenset[str], afternoon: Day
) -> None:
    decisions = decide(afternoon, live(state, morning, completed))

    for bill in decisions.bills.values():
        sacks = [bag for bag in decisions.bags.values() if bag.bill_no == bill.bill_no]
        assert bill.sacks == len(sacks)
        assert bill.children == sum(sack.children for sack in sacks)
        assert bill.actual_weight_g == sum(sack.weight_g for sack in sacks)
        assert bill.expected_weight_g == sum(sack.expected_weight_g for sack in sacks)


@given(opening_states, days, completions, any_scan)
def test_a_scan_that_is_not_ok_changes_nothing(
    state: State, morning: Day, completed: frozenset[str], scan: Scan
) -> None:
    state = live(state, morning, completed)
    decisions = decide([scan], state)
    (result,) = decisions.results

    changed = decisions.bags != state.bags or decisions.bills != state.bills or bool(decisions.sacks_returned)
    assert changed == (result.outcome.feedback is Feedback.OK)
    if not changed:
        assert decisions == Decisions(decisions.results, dict(state.bags), dict(state.bills))


@given(opening_states, days, completions, days)
def test_deciding_leaves_the_state_it_was_given_as_it_was(
    state: State, morning: Day, completed: frozenset[str], afternoon: Day
) -> None:
    state = live(state, morning, completed)
    bags, bills, returns = deepcopy((state.bags, state.bills, state.returns))

    decide(afternoon, state)

    assert (state.bags, state.bills, state.returns) == (bags, bills, returns)


@given(opening_states, days, completions, days)
def test_a_completed_bill_keeps_its_sacks_and_their_children_until_they_are_returned(
    state: State, morning: Day, completed: frozenset[str], afternoon: Day
) -> None:
    state = live(state, morning, completed)
    returns = {scan.code for scan in afternoon if scan.kind is Kind.RETURN}
    decisions = decide(afternoon, state)

    for number in completed:
        assert decisions.bills[number].status == "completed"
        for code, sack in state.bags.items():
            if sack.bill_no == number and code not in returns:
                assert decisions.bags[code] == sack
        newcomers = {code for code, bag in decisions.bags.items() if bag.bill_no == number} - set(state.bags)
        assert not newcomers


@given(opening_states, days, completions, any_scan)
def test_the_outcome_carries_the_count_of_the_sack_as_it_is_afterwards(
    state: State, morning: Day, completed: frozenset[str], scan: Scan
) -> None:
    decisions = decide([scan], live(state, morning, completed))
    (result,) = decisions.results

    if result.children is not None:
        sack = decisions.bags[scan.target or "" if scan.kind is Kind.CHILD else scan.code]
        assert (result.children, result.capacity, result.weight_g) == (sack.children, sack.capacity, sack.weight_g)


@given(opening_states, days, completions, days)
def test_what_is_to_be_written_is_what_changed(
    state: State, morning: Day, completed: frozenset[str], afternoon: Day
) -> None:
    state = live(state, morning, completed)
    decisions = decide(afternoon, state)

    assert set(decisions.new_bags) == set(decisions.bags) - set(state.bags)
    changed = {code for code, bag in state.bags.items() if decisions.bags[code] != bag}
    linked = {scan.code for scan in decisions.links}
    assert changed <= decisions.touched_parents | linked
    assert {number for number, bill in state.bills.items() if decisions.bills[number] != bill} <= (
        decisions.touched_bills
    )
    assert set(decisions.bills_started) == {
        number
        for number, bill in state.bills.items()
        if bill.status == "new" and decisions.bills[number].status == "processing"
    }


@given(opening_states, days, completions, days)
def test_a_decision_needs_to_see_no_bag_but_those_its_scans_name(
    state: State, morning: Day, completed: frozenset[str], afternoon: Day
) -> None:
    state = live(state, morning, completed)
    seen = codes_of(afternoon)
    narrow = State(
        state.catalogue, {code: bag for code, bag in state.bags.items() if code in seen}, state.bills, state.returns
    )

    assert decide(afternoon, narrow).results == decide(afternoon, state).results


@given(opening_states, days)
def test_every_scan_has_a_result_of_its_own_and_none_is_a_reused_identity(state: State, scans: Day) -> None:
    decisions = decide(scans, state)

    assert len(decisions.results) == len(scans)
    assert all(result.outcome is not Outcome.ID_REUSED for result in decisions.results)


@given(opening_states, days, deletions, days)
def test_a_deleted_bag_is_brought_back_by_an_applied_scan_of_it_and_stays_as_it_is_otherwise(
    state: State, morning: Day, deleted: frozenset[str], afternoon: Day
) -> None:
    state = with_deleted(live(state, morning, frozenset()), deleted)
    decisions = decide(afternoon, state)
    found = {
        code
        for scan, result in zip(afternoon, decisions.results, strict=True)
        if result.outcome is Outcome.APPLIED and scan.kind in {Kind.PARENT, Kind.CHILD}
        for code in (scan.code, scan.target)
    }

    assert not set(decisions.new_bags) & set(state.bags)
    for code, bag in state.bags.items():
        if bag.is_deleted and code in found:
            assert code in decisions.revived
            assert not decisions.bags[code].is_deleted
        else:
            assert code not in decisions.revived
        if bag.is_deleted and code not in found:
            assert decisions.bags[code] == bag


@given(opening_states, days, deletions, days)
def test_a_batch_gives_what_its_scans_give_one_by_one_when_bags_were_deleted(
    state: State, morning: Day, deleted: frozenset[str], afternoon: Day
) -> None:
    state = with_deleted(live(state, morning, frozenset()), deleted)

    together = decide(afternoon, state)
    results, alone = [], state
    for scan in afternoon:
        decisions = decide([scan], alone)
        results += decisions.results
        alone = state_after(alone, decisions)

    assert together.results == results
    assert together.bags == alone.bags
