"""Gaps: counters that never arrived are listed on the day of the scan after them (domain.md, End of day)."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.support.eod_summaries import make_content, writing
from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
END = START + timedelta(days=1)
NIGHT = END + timedelta(days=60)
NOON = START + timedelta(hours=12)


@pytest.fixture
def guns(database: Database) -> Database:
    with writing(database) as history:
        history.enrol("gun-1", "akola")
        history.enrol("gun-2", "jaipur")
    return database


def count(database: Database, seqs: Iterable[int], at: datetime, *, device: str = "gun-1", epoch: int = 1) -> None:
    """Have these counters arrive, as scans of one time."""
    with writing(database) as history:
        for seq in seqs:
            history.scan("parent", "?", at=at, outcome="invalid_code", device=device, epoch=epoch, seq=seq)


def gaps(
    database: Database, settings: Settings, area: str | None = "akola", day: date = DAY
) -> list[tuple[int, int, int]]:
    listed: list[dict[str, Any]] = make_content(database, settings, area, day, NIGHT)["exceptions"]["gaps"]
    assert all(gap["missing"] == gap["to_seq"] - gap["from_seq"] + 1 for gap in listed)
    return [(gap["epoch"], gap["from_seq"], gap["to_seq"]) for gap in listed]


def test_what_is_missing_between_two_that_arrived_is_a_gap(guns: Database, settings: Settings) -> None:
    count(guns, [1, 2, 5, 6, 8], NOON)

    content = make_content(guns, settings, "akola", DAY, NIGHT)

    assert content["exceptions"]["gaps"] == [
        {"device": "gun-1", "epoch": 1, "from_seq": 3, "to_seq": 4, "missing": 2},
        {"device": "gun-1", "epoch": 1, "from_seq": 7, "to_seq": 7, "missing": 1},
    ]


def test_counters_that_all_arrived_in_any_order_leave_no_gap(guns: Database, settings: Settings) -> None:
    for seq in (3, 1, 4, 2, 5):
        count(guns, [seq], NOON + timedelta(minutes=7 * seq % 5))

    assert gaps(guns, settings) == []


def test_a_beginning_is_not_a_gap_whatever_it_begins_with(guns: Database, settings: Settings) -> None:
    count(guns, [40, 41], NOON)
    count(guns, [0, 1], NOON, epoch=2)
    count(guns, [1], NOON, epoch=3)

    assert gaps(guns, settings) == []


def test_epochs_and_devices_count_apart(guns: Database, settings: Settings) -> None:
    count(guns, [1, 2], NOON)
    count(guns, [4, 6], NOON, epoch=2)
    count(guns, [1, 3, 9], NOON, device="gun-2")

    assert gaps(guns, settings) == [(2, 5, 5)]
    assert gaps(guns, settings, "jaipur") == [(1, 2, 2), (1, 4, 8)]
    assert gaps(guns, settings, None) == [(2, 5, 5), (1, 2, 2), (1, 4, 8)]


@pytest.mark.parametrize("silent", [timedelta(hours=1), timedelta(days=2), timedelta(days=6), timedelta(days=29)])
def test_a_gap_over_midnight_belongs_to_the_day_of_the_scan_after_it(
    guns: Database, settings: Settings, silent: timedelta
) -> None:
    count(guns, range(1, 11), START - silent)
    count(guns, [14, 15], NOON)

    assert gaps(guns, settings) == [(1, 11, 13)]
    assert gaps(guns, settings, day=(START - silent + timedelta(hours=5, minutes=30)).date()) == []


def test_the_next_higher_counter_decides_though_the_day_before_has_gaps_too(guns: Database, settings: Settings) -> None:
    count(guns, [1, 3], START - timedelta(hours=1))
    count(guns, [5, 7], NOON)
    count(guns, [9], END + timedelta(hours=1))

    assert gaps(guns, settings, day=DAY - timedelta(days=1)) == [(1, 2, 2)]
    assert gaps(guns, settings) == [(1, 4, 4), (1, 6, 6)]
    assert gaps(guns, settings, day=DAY + timedelta(days=1)) == [(1, 8, 8)]


def test_a_counter_whose_time_fell_on_the_other_side_of_midnight_is_no_gap(guns: Database, settings: Settings) -> None:
    # Every request corrects its clock anew, so that neighbours may swap places by some milliseconds.
    count(guns, [1, 3, 5], END - timedelta(milliseconds=5))
    count(guns, [2, 4, 6], END + timedelta(milliseconds=5))

    assert gaps(guns, settings) == gaps(guns, settings, day=DAY + timedelta(days=1)) == []


def test_a_counter_that_arrives_at_last_closes_its_gap(guns: Database, settings: Settings) -> None:
    count(guns, [1, 2, 6], NOON)
    assert gaps(guns, settings) == [(1, 3, 5)]

    count(guns, [4], NOON)
    assert gaps(guns, settings) == [(1, 3, 3), (1, 5, 5)]

    count(guns, [3, 5], NOON)
    assert gaps(guns, settings) == []


def test_later_counters_change_nothing(guns: Database, settings: Settings) -> None:
    count(guns, [1, 2, 6], NOON)
    count(guns, [9, 12], END)

    assert gaps(guns, settings) == [(1, 3, 5)]


def test_the_same_counter_twice_is_no_gap(guns: Database, settings: Settings) -> None:
    count(guns, [1, 2, 2, 3, 3, 3, 5], NOON)

    assert gaps(guns, settings) == [(1, 4, 4)]


def test_a_device_that_moved_to_another_area_counts_on(guns: Database, settings: Settings) -> None:
    count(guns, [1, 2], NOON)
    with writing(guns) as history:
        history.move("gun-1", "jaipur")
    count(guns, [3, 5], NOON + timedelta(hours=1))

    assert gaps(guns, settings) == []
    assert gaps(guns, settings, "jaipur") == [(1, 4, 4)]
    assert gaps(guns, settings, None) == [(1, 4, 4)]


def test_scans_without_counters_have_no_gaps(guns: Database, settings: Settings) -> None:
    with writing(guns) as history:
        history.scan("parent", "?", at=NOON, outcome="invalid_code", device="gun-1")

    assert gaps(guns, settings) == []
