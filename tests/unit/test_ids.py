"""Identifiers: UUIDv7 that sort by the time they were made."""

import uuid
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.ids import first_uuid7, uuid7

times_ms = st.integers(0, 2**48 - 2)


@given(times_ms)
def test_an_identifier_is_a_uuid_of_version_seven_that_begins_with_its_time(time_ms: int) -> None:
    made = uuid7(time_ms)

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == time_ms


@given(times_ms)
def test_the_first_of_a_millisecond_bounds_all_of_it_from_below_and_all_before_it_from_above(time_ms: int) -> None:
    assert first_uuid7(time_ms) <= uuid7(time_ms) < first_uuid7(time_ms + 1)


@given(st.lists(times_ms, min_size=2, max_size=5, unique=True))
def test_identifiers_sort_by_time_as_numbers_and_as_text(times: list[int]) -> None:
    made = [uuid7(time_ms) for time_ms in sorted(times)]

    assert all(one < other and str(one) < str(other) for one, other in pairwise(made))


def test_no_two_of_a_millisecond_are_the_same() -> None:
    assert len({uuid7(1_800_000_000_000) for _ in range(10_000)}) == 10_000
