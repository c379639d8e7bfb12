"""Applying scans in Postgres: every outcome, once, all or nothing."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy.exc import DBAPIError

from tests.support.books import assert_counts_follow_history, assert_totals_follow_rows
from tests.support.example import Example
from tests.support.outcomes import B1, EXAMPLES, R1, S1, S2
from tests.support.scans import NOON, child, come_back, filled, load, origins_of, sack
from tests.support.strategies import BILLS, RETURNS, days
from tests.support.warehouse import Warehouse
from tracetrack_common.domain.scans import Kind, Outcome, Result, Scan
from tracetrack_scan_worker.apply import Applier

ID_REUSED = Result(Outcome.ID_REUSED)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_scan_has_the_outcome_that_the_rules_give_it_and_is_kept_with_it(
    warehouse: Warehouse, example: Example
) -> None:
    for bill_no, bill in example.bills.items():
        warehouse.bill(bill_no, capacity=bill.capacity, area_id=bill.area_id)
    for return_no, goods_return in example.returns.items():
        assert warehouse.goods_return(area_id=goods_return.area_id) == return_no
    warehouse.apply(list(example.given))
    for bill_no in (number for number, bill in example.bills.items() if bill.completed):
        warehouse.complete(bill_no)
    for return_no in (number for number, each in example.returns.items() if each.committed):
        warehouse.commit_return(return_no)

    assert warehouse.apply([example.scan]) == [example.expected]

    scan, result = example.scan, example.expected
    assert warehouse.row(
        "SELECT kind, code, target, outcome, refers_to, children, capacity, weight_g, device_id, area_id FROM scan"
        " WHERE scan_id = :id",
        id=scan.scan_id,
    ) == {
        "kind": scan.kind,
        "code": scan.code,
        "target": scan.target,
        "outcome": result.outcome,
        "refers_to": result.refers_to,
        "children": result.children,
        "capacity": result.capacity,
        "weight_g": result.weight_g,
        "device_id": scan.device_id,
        "area_id": scan.area_id,
    }


def test_a_repeated_scan_gives_its_first_outcome_and_writes_nothing(warehouse: Warehouse) -> None:
    warehouse.bill(B1)
    scans = [sack(S1), *filled(S1, 3), child("C00001002", S2), load(S1, B1), sack("SB-1")]
    first = warehouse.apply(scans)
    before = warehouse.everything()

    assert warehouse.apply(scans) == first
    assert warehouse.apply(list(reversed(scans))) == list(reversed(first))
    assert [warehouse.apply([scan])[0] for scan in scans] == first
    assert warehouse.everything() == before


def test_a_scan_sent_again_with_a_newly_corrected_time_is_the_same_scan(warehouse: Warehouse) -> None:
    scan = child("CH12345", S1)
    first = warehouse.apply([scan])
    before = warehouse.everything()

    assert warehouse.apply([scan._replace(scanned_at=scan.scanned_at - timedelta(seconds=3))]) == first
    assert warehouse.everything() == before


def test_an_identity_that_comes_twice_in_a_batch_is_one_scan(warehouse: Warehouse) -> None:
    scan = child("CH12345", S1)

    results = warehouse.apply([scan, sack(S2), scan])

    assert results[0] == results[2] == Result(Outcome.APPLIED, None, 1, 30, 1000)
    assert warehouse.value("SELECT count(*) FROM scan") == 2


@pytest.mark.parametrize(
    "other",
    [
        {"code": "CH54321"},
        {"target": S2},
        {"kind": Kind.BILL},
        {"device_id": 2},
        {"device_id": None, "user_id": 1},
        {"seq": 8},
        {"epoch": 2},
        {"device_time": NOON - timedelta(milliseconds=1)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_an_identity_with_other_content_is_reused_and_the_first_scan_stands(
    warehouse: Warehouse, other: dict[str, Any]
) -> None:
    first = child("CH12345", S1)._replace(epoch=1, seq=7)
    warehouse.apply([first])
    before = warehouse.everything()

    assert warehouse.apply([first._replace(**other)]) == [ID_REUSED]
    assert warehouse.everything() == before
    assert warehouse.apply([first]) == [Result(Outcome.APPLIED, None, 1, 30, 1000)]


def test_within_a_batch_the_first_with_an_identity_stands(warehouse: Warehouse) -> None:
    first = child("CH12345", S1)

    results = warehouse.apply([first, first._replace(code="CH54321"), first])

    assert results == [
        Result(Outcome.APPLIED, None, 1, 30, 1000),
        ID_REUSED,
        Result(Outcome.APPLIED, None, 1, 30, 1000),
    ]
    assert warehouse.rows("SELECT code FROM scan") == [{"code": "CH12345"}]


@pytest.mark.parametrize(
    ("table", "event"),
    [
        ("scan", "INSERT"),
        ("bag", "INSERT"),
        ("bag", "UPDATE"),
        ("bag_link", "INSERT"),
        ("bill", "UPDATE"),
        ("bill_state", "INSERT"),
        ("bill_sack", "INSERT"),
        ("bill_sack", "UPDATE"),
        ("return_sack", "INSERT"),
        ("audit_log", "INSERT"),
        ("audit_chain", "UPDATE"),
        ("tally", "UPDATE"),
    ],
)
def test_a_batch_that_fails_at_any_statement_leaves_nothing(warehouse: Warehouse, table: str, event: str) -> None:
    warehouse.bill(B1)
    warehouse.bill("BILL-2")
    warehouse.goods_return()
    warehouse.apply([sack(S1), child("CH00001", S1), load(S1, B1)])
    warehouse.change("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$")
    warehouse.change(f"CREATE TRIGGER fail BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION fail()")
    before = warehouse.everything()
    batch = [sack(S2), child("CH00002", S1), child("CH00003", S2), load(S2, "BILL-2"), come_back(S1, R1)]

    with pytest.raises(DBAPIError, match="no"):
        warehouse.apply(batch)
    assert warehouse.everything() == before

    warehouse.change(f"DROP TRIGGER fail ON {table}")
    assert {result.outcome for result in warehouse.apply(batch)} == {Outcome.APPLIED}


def test_a_sack_comes_back_with_what_it_held_and_can_be_filled_and_billed_again_in_one_batch(
    warehouse: Warehouse,
) -> None:
    warehouse.bill(B1)
    warehouse.bill("BILL-2")
    warehouse.goods_return()

    results = warehouse.apply(
        [*filled(S1, 2), load(S1, B1), come_back(S1, R1), child("CH12345", S1), load(S1, "BILL-2"), come_back(S1, R1)]
    )

    assert {result.outcome for result in results} == {Outcome.APPLIED}
    assert warehouse.rows(
        "SELECT return_sack.children, child_codes, weight_g, bill_no, bill_weight_before_g, bill_weight_after_g"
        " FROM return_sack JOIN bill USING (bill_id) ORDER BY return_sack.children"
    ) == [
        {
            "children": 2,
            "child_codes": ["C00001001", "C00001002"],
            "weight_g": 2000,
            "bill_no": B1,
            "bill_weight_before_g": 2000,
            "bill_weight_after_g": 0,
        },
        {
            "children": 3,
            "child_codes": ["C00001001", "C00001002", "CH12345"],
            "weight_g": 3000,
            "bill_no": "BILL-2",
            "bill_weight_before_g": 3000,
            "bill_weight_after_g": 0,
        },
    ]
    assert (
        warehouse.rows("SELECT sacks, children, actual_weight_g, expected_weight_g FROM bill")
        == [{"sacks": 0, "children": 0, "actual_weight_g": 0, "expected_weight_g": 0}] * 2
    )


def test_history_runs_by_corrected_time_and_no_interval_ends_before_it_begins(warehouse: Warehouse) -> None:
    warehouse.bill(B1)
    warehouse.goods_return()
    late, early = NOON, NOON - timedelta(hours=1)

    warehouse.apply([sack(S1, at=early), load(S1, B1, at=late), come_back(S1, R1, at=early)])
    warehouse.apply([load(S1, B1, at=early)])
    warehouse.apply([come_back(S1, R1, at=late)])

    assert warehouse.rows("SELECT valid_from, valid_until FROM bill_sack ORDER BY valid_until, valid_from") == [
        {"valid_from": early, "valid_until": late},
        {"valid_from": late, "valid_until": late},
    ]


def test_what_the_database_says_is_what_its_history_says_after_any_day(warehouse: Warehouse) -> None:
    for number, bill_no in enumerate(BILLS, start=1):
        warehouse.bill(bill_no, capacity=number)
    for _ in RETURNS:
        warehouse.goods_return()
    applied: list[tuple[Scan, Result]] = []

    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(days)
    def live(day: list[Scan]) -> None:
        applied.extend(zip(day, warehouse.apply(day), strict=True))

    live()

    by_outcome = warehouse.rows("SELECT outcome, count(*) AS scans FROM scan GROUP BY outcome")
    assert {row["outcome"]: row["scans"] for row in by_outcome} == Counter(result.outcome for _, result in applied)
    assert_counts_follow_history(warehouse)
    assert_totals_follow_rows(warehouse)


def test_a_bag_type_that_was_added_is_known_within_seconds(warehouse: Warehouse) -> None:
    warehouse.change(
        "INSERT INTO bag_type (name, parent_pattern, capacity, child_weight_g) VALUES ('rice', 'RC[0-9]{4}', 2, 5000)"
    )

    (result,) = Applier(warehouse.database).apply([scan := child("CH12345", "RC0001")], origins_of([scan])).results

    assert result == Result(Outcome.APPLIED, None, 1, 2, 5000)
