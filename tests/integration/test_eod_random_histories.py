"""Whatever the history: the figures are those of doing it again by hand, areas sum to all, catch-up equals on time."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.support.eod_history import History
from tests.support.eod_model import AREAS, BILLERS, CAPACITY, RETURN_NO, Chance, Event, expect, write_events
from tests.support.eod_summaries import make, read_content
from tracetrack_common.db.session import Database
from tracetrack_common.domain.business_day import Window, business_window
from tracetrack_common.settings import Settings

ZONE = "Asia/Kolkata"
DAYS = [date(2026, 3, 1) + timedelta(days=number) for number in range(3)]
EVENTS_A_DAY = 150
SCOPES = (*AREAS, None)
seeds = pytest.mark.parametrize("seed", [1, 2])
one_seed = pytest.mark.parametrize("seed", [3])


def window_of(day: date) -> Window:
    return business_window(day, ZONE)


def open_warehouse(database: Database) -> None:
    with database.transaction() as connection:
        history = History(connection)
        for area in AREAS:
            history.enrol(f"{area}-gun", area)
        for biller in BILLERS:
            history.hire(biller)
        history.open_return(RETURN_NO, AREAS[0], at=window_of(DAYS[0]).start, by=BILLERS[0])


def write(database: Database, events: Iterable[Event]) -> None:
    with database.transaction() as connection:
        write_events(History(connection, capacity=CAPACITY), events)


@pytest.fixture
def events(seed: int) -> list[list[Event]]:
    """Draw the events of three days."""
    chance = Chance(seed)
    return [chance.draw(window_of(day).start, window_of(day).end, EVENTS_A_DAY) for day in DAYS]


@pytest.fixture
def on_time(database: Database, settings: Settings, events: Sequence[Sequence[Event]]) -> Database:
    """Let three days pass, each summed up in its night, before the next one's events."""
    open_warehouse(database)
    for day, happened in zip(DAYS, events, strict=True):
        write(database, happened)
        for area in SCOPES:
            assert make(database, settings, area, day, window_of(day).end + timedelta(minutes=15)).made
    return database


@seeds
def test_figures_are_those_of_doing_it_again(on_time: Database, events: Sequence[Sequence[Event]]) -> None:
    history = [event for happened in events for event in happened]
    for day in DAYS:
        window = window_of(day)
        for area in SCOPES:
            expected = expect(history, window.start, window.end, ZONE, area)
            content = read_content(on_time, area, day, 1)
            assert_scans(content["scans"], expected["scans"])
            assert_bills(content, expected["bills"])
            assert_sacks(content["exceptions"], expected["sacks"])


@one_seed
def test_the_day_before_is_compared_with_as_its_own_summary_has_it(on_time: Database) -> None:
    for earlier, day in pairwise(DAYS):
        for area in SCOPES:
            own, compared = (read_content(on_time, area, each, 1) for each in (earlier, day))
            counted = ("total", "applied", "already", "refused", "sacks_scanned", "children_linked")
            assert compared["comparison"]["day_before"] == {
                "date": earlier.isoformat(),
                **{name: own["scans"][name] for name in counted},
                "bills_created": own["bills"]["created"],
            }


@one_seed
def test_catching_up_gives_what_was_made_on_time(on_time: Database, settings: Settings) -> None:
    much_later = window_of(DAYS[-1]).end + timedelta(days=30)

    assert not any(make(on_time, settings, area, day, much_later).made for day in DAYS for area in SCOPES)


@one_seed
def test_areas_sum_to_all(on_time: Database) -> None:
    for day in DAYS:
        overall = additive(read_content(on_time, None, day, 1))
        parts = [additive(read_content(on_time, area, day, 1)) for area in AREAS]

        assert overall == sum(parts, Counter())
        assert overall["scans total"] > 0
        assert overall["bills listed"] > 0


def additive(content: Mapping[str, Any]) -> Counter[str]:
    """Give every figure that can be added up, what is zero left out; variances are taken with their sign turned."""
    scans, bills, exceptions = content["scans"], content["bills"], content["exceptions"]
    figures: Counter[str] = Counter()
    figures.update({f"scans {name}": value for name, value in scans.items() if isinstance(value, int)})
    for view in ("by_kind", "by_outcome"):
        figures.update({f"{view} {name}": count for name, count in scans[view].items()})
    for row in scans["by_hour"]:
        figures.update({f"hour {row['hour']}": row["scans"], f"applied in hour {row['hour']}": row["applied"]})
    for row in scans["by_device"]:
        figures[f"device {row['device']} in {row['area']}"] += row["scans"]
    figures.update({"bills created": bills["created"], "bills listed": len(bills["list"])})
    figures.update({f"bills {status}": count for status, count in bills["by_status"].items()})
    figures.update({f"bills of {row['biller']}": row["created"] for row in bills["by_biller"]})
    figures.update({f"bills {name}": abs(value) for name, value in bills["totals"].items()})
    for part in content["billers"]:
        figures.update({f"{part['biller']}'s {name}": abs(value) for name, value in part["totals"].items()})
    for name, day in content["comparison"].items():
        figures.update({f"{name} {key}": value for key, value in day.items() if key != "date"})
    figures.update({f"refused {reason}": count for reason, count in exceptions["refused_by_reason"].items()})
    figures.update({name: len(rows) for name, rows in exceptions.items() if isinstance(rows, list)})
    return +figures


def assert_scans(found: dict[str, Any], expected: dict[str, Any]) -> None:
    devices = {(row["area"], row["device"]): row["scans"] for row in found["by_device"]}
    assert {**found, "by_device": devices} == expected
    assert found["total"] == found["applied"] + found["already"] + found["refused"]


def assert_bills(content: dict[str, Any], expected: Mapping[str, dict[str, Any]]) -> None:
    found = {bill["bill_no"]: bill for bill in content["bills"]["list"]}
    assert {number: {key: found[number][key] for key in expected[number]} for number in found} == expected
    totals = {name: sum(bill[name] for bill in expected.values()) for name in content["bills"]["totals"]}
    assert content["bills"]["totals"] == totals
    parts = content["billers"]
    assert sorted(number for part in parts for number in part["bill_nos"]) == sorted(found)
    assert {name: sum(part["totals"][name] for part in parts) for name in totals} == totals
    open_bills = {number for number, bill in expected.items() if bill["status"] != "completed"}
    assert {bill["bill_no"] for bill in content["exceptions"]["bills_open"]} == open_bills


def assert_sacks(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert {row["code"]: row["children"] for row in found["sacks_underfilled"]} == expected["sacks_underfilled"]
    assert {row["code"] for row in found["sacks_full_unbilled"]} == expected["sacks_full_unbilled"]
    assert found["sacks_overfilled"] == []
