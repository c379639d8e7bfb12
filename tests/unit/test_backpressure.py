"""Backpressure: when scans are refused, when again taken, and how long a refused device is told to wait."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import asyncio as aioredis

from tests.support.settings import make_settings
from tracetrack_common.errors import OverloadedError
from tracetrack_common.ledger import LedgerState
from tracetrack_gateway.backpressure import FEW_SCANS, Backpressure, Valve, load_of

NOWHERE = ("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0")


def limits(**changes: Any) -> dict[str, Any]:
    return {"ledger_most_scans": 1_000, "redis_most_memory_share": 0.5, **changes}


def waiting(scans: int, age_s: float = 0.0) -> LedgerState:
    return LedgerState(entries=1, identities=scans, oldest_age_s=age_s, undelivered=0, abandoned=0)


def memory(used: int, most: int) -> dict[str, int]:
    return {"used_memory": used, "maxmemory": most}


def watching(*loads: float, **changes: Any) -> Backpressure:
    """Give what was seen once a second."""
    redis = aioredis.Redis.from_url(NOWHERE[1])
    backpressure = Backpressure(redis, make_settings(*NOWHERE, **changes), random.Random(7))  # noqa: S311 - repeatable
    for second, load in enumerate(loads):
        backpressure.note(load, float(second))
    return backpressure


def pause_of(backpressure: Backpressure, scans: int = 1_000) -> int:
    with pytest.raises(OverloadedError) as refusal:
        backpressure.admit(scans)
    return refusal.value.retry_after_s


@pytest.mark.parametrize(
    ("state", "info", "settings", "load"),
    [
        (waiting(0), memory(0, 100), {}, 0.0),
        (waiting(500), memory(0, 100), {}, 0.5),
        (waiting(500), memory(40, 100), {}, 0.8),
        (waiting(500), memory(40, 0), {}, 0.5),
        (waiting(500), {}, {}, 0.5),
        (waiting(500, age_s=86_400.0), {}, {}, 0.5),
        (waiting(500, age_s=30.0), {}, {"ledger_most_age_s": 20.0}, 1.5),
    ],
)
def test_the_load_is_that_of_the_nearest_limit(
    state: LedgerState, info: dict[str, int], settings: dict[str, Any], load: float
) -> None:
    assert load_of(state, info, make_settings(*NOWHERE, **limits(**settings))) == pytest.approx(load)


def test_bulk_is_refused_first_and_taken_again_last() -> None:
    seen = [(load, watching(*loads).refusing) for loads in ((0.79,), (0.8,), (1.0,)) for load in loads[-1:]]
    assert seen == [(0.79, []), (0.8, ["bulk"]), (1.0, ["bulk", "few"])]
    assert watching(1.0, 0.9).refusing == ["bulk", "few"]
    assert watching(1.0, 0.89).refusing == ["bulk"]
    assert watching(1.0, 0.7).refusing == ["bulk"]
    assert watching(1.0, 0.69).refusing == []


def test_a_request_of_few_scans_passes_where_bulk_is_refused_and_each_refused_scan_is_counted() -> None:
    backpressure = watching(0.85)

    backpressure.admit(1)
    backpressure.admit(FEW_SCANS)
    pause_of(backpressure, FEW_SCANS + 1)
    pause_of(backpressure, 1_000)

    assert backpressure.refused_scans == {"bulk": 1_021, "few": 0}


@given(st.lists(st.floats(0, 2)))
def test_a_valve_never_changes_twice_without_the_load_crossing_the_gap(loads: list[float]) -> None:
    valve = Valve(1.0, 0.9)
    changes = [(load, valve.is_closed) for load in loads if valve.follow(load)]

    assert all(closed is (load >= 1.0) and not 0.9 <= load < 1.0 for load, closed in changes)
    assert all(before[1] is not after[1] for before, after in pairwise(changes))


def test_the_pause_is_what_the_ledger_needs_to_empty_and_half_as_much_again_at_most() -> None:
    """From 0.9 to below 0.7 at 0.01 a second it takes 20 seconds."""
    backpressure = watching(0.92, 0.91, 0.9)
    pauses = [pause_of(backpressure) for _ in range(200)]

    assert min(pauses) >= 20
    assert max(pauses) <= 30
    assert len(set(pauses)) > 5


@pytest.mark.parametrize("loads", [(0.9,), (0.8, 0.9), (0.9, 0.9), (0.9, 0.8999999)])
def test_the_pause_is_long_and_scattered_while_nothing_empties(loads: tuple[float, ...]) -> None:
    backpressure = watching(*loads, retry_after_most_s=60)
    pauses = {pause_of(backpressure) for _ in range(200)}

    assert min(pauses) >= 40
    assert max(pauses) <= 60
    assert len(pauses) > 10


@given(st.lists(st.floats(0.8, 3), min_size=1, max_size=40), st.integers(1, 600), st.integers(min_value=FEW_SCANS + 1))
def test_the_pause_is_at_least_a_second_and_never_longer_than_set(loads: list[float], most_s: int, scans: int) -> None:
    backpressure = watching(*loads, retry_after_most_s=most_s)

    assert 1 <= pause_of(backpressure, scans) <= most_s
