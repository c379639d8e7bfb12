"""What arrived of a device's counters: the arithmetic of ranges, held against plain sets."""

import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.domain.delivery import Range, describe_delivery, gather, holes, merge, subtract

COUNTERS = st.sets(st.integers(min_value=0, max_value=60))


def members(ranges: Iterable[Range]) -> set[int]:
    """Give every counter in these ranges, and hold that they are as few as possible and in order."""
    listed = list(ranges)
    assert all(first <= last for first, last in listed)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(listed))
    return {counter for first, last in listed for counter in range(first, last + 1)}


@given(st.lists(st.integers(min_value=0, max_value=60)))
def test_ranges_hold_exactly_the_counters_they_were_made_of(counters: list[int]) -> None:
    assert members(gather(counters)) == set(counters)


@given(COUNTERS, COUNTERS)
def test_ranges_are_joined_and_subtracted_as_sets_are(ones: set[int], others: set[int]) -> None:
    first, second = gather(ones), gather(others)
    assert members(merge(sorted([*first, *second]))) == ones | others
    assert members(subtract(first, second)) == ones - others


@given(COUNTERS, st.integers(min_value=0, max_value=70), st.integers(min_value=0, max_value=70))
def test_the_holes_of_a_stretch_are_what_is_not_there(counters: set[int], first: int, last: int) -> None:
    assert members(holes(gather(counters), first, last)) == set(range(first, last + 1)) - counters


@given(COUNTERS, COUNTERS, st.integers(min_value=1, max_value=4))
def test_a_device_is_never_told_that_a_counter_arrived_which_did_not(
    applied: set[int], failed: set[int], most: int
) -> None:
    told = describe_delivery(7, gather(applied), gather(failed), most=most)

    arrived = applied | failed
    assert told.highest_seq == max(arrived, default=0)
    assert told.listed_through <= told.highest_seq
    assert members([(1, told.applied_through)] if told.applied_through else []) <= arrived
    known = set(range(1, told.listed_through + 1))
    assert members(told.missing) == known - arrived
    assert members(told.failed) - {0} == (failed - applied) & known
    assert len(told.missing) <= most
    assert len(told.failed) <= most


@given(COUNTERS, COUNTERS)
def test_lists_that_are_long_enough_tell_everything(applied: set[int], failed: set[int]) -> None:
    told = describe_delivery(7, gather(applied), gather(failed), most=100)

    arrived = applied | failed
    assert told.listed_through == told.highest_seq
    gap = next(counter for counter in range(1, 100) if counter not in arrived)
    assert told.applied_through == min(gap - 1, told.highest_seq)


@given(COUNTERS, st.integers(min_value=1, max_value=3))
def test_who_sends_again_what_is_missing_is_done_at_last(applied: set[int], most: int) -> None:
    arrived = set(applied)
    for _ in range(100):
        told = describe_delivery(7, gather(arrived), [], most=most)
        if told.applied_through == told.highest_seq:
            break
        arrived |= members(told.missing)
    assert arrived >= set(range(1, max(applied, default=0) + 1))
