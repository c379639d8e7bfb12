"""What arrives at the same moment is decided one after the other: capacity, places and identities are exact."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from tests.support.books import assert_counts_follow_history, assert_totals_follow_rows
from tests.support.scans import child, come_back, filled, load, sack
from tests.support.settings import make_settings
from tests.support.together import at_once
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.domain.scans import Outcome, Result, Scan
from tracetrack_common.settings import Settings

ROUNDS = 20
"""How often a race is run: each run meets at another moment."""
CROWD = 50
SCANNERS = 20


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[Warehouse]:
    """Give a warehouse in which a crowd can scan at once, a connection each."""
    roomy = make_settings(
        settings.database_url.get_secret_value(), settings.redis_url.get_secret_value(), db_pool_size=CROWD
    )
    database = Database(roomy, application_name="tests-crowd")
    yield Warehouse(database)
    database.close()


def scan_at_once(warehouse: Warehouse, *batches: Sequence[Scan]) -> list[list[Result]]:
    """Apply batches at the same moment, each as a worker of its own would."""
    return at_once([partial(Warehouse(warehouse.database).apply, batch) for batch in batches])


def sack_codes() -> list[str]:
    return [f"SB{number:05d}" for number in range(1, ROUNDS + 1)]


def test_of_two_children_that_arrive_at_a_sack_of_29_one_goes_in_and_one_hears_that_it_is_full(
    warehouse: Warehouse,
) -> None:
    warehouse.apply([scan for code in sack_codes() for scan in filled(code, 29)])

    for code in sack_codes():
        results = scan_at_once(warehouse, [child(f"X{code}", code)], [child(f"Y{code}", code)])

        assert sorted(result for (result,) in results) == [
            Result(Outcome.APPLIED, None, 30, 30, 30_000),
            Result(Outcome.PARENT_FULL, None, 30, 30, 30_000),
        ]
    assert warehouse.rows("SELECT DISTINCT children FROM bag WHERE capacity IS NOT NULL") == [{"children": 30}]
    assert_counts_follow_history(warehouse)


def test_of_a_crowd_of_children_exactly_as_many_go_in_as_there_is_room_for(warehouse: Warehouse) -> None:
    warehouse.apply(filled("SB00001", 7))

    results = scan_at_once(warehouse, *[[child(f"CROWD{number}", "SB00001")] for number in range(CROWD)])

    assert Counter(result.outcome for (result,) in results) == {Outcome.APPLIED: 23, Outcome.PARENT_FULL: CROWD - 23}
    assert {result.children for (result,) in results if result.outcome is Outcome.APPLIED} == set(range(8, 31))
    assert_counts_follow_history(warehouse)


def test_a_sack_that_is_scanned_onto_two_bills_at_once_is_on_one_and_the_other_hears_which(
    warehouse: Warehouse,
) -> None:
    warehouse.bill("BILL-1", capacity=500)
    warehouse.bill("BILL-2", capacity=500)
    warehouse.apply([scan for code in sack_codes() for scan in filled(code, 2)])

    for code in sack_codes():
        ((one,), (other,)) = scan_at_once(warehouse, [load(code, "BILL-1")], [load(code, "BILL-2")])

        assert {one.outcome, other.outcome} == {Outcome.APPLIED, Outcome.ON_OTHER_BILL}
        assert one.refers_to in {None, "BILL-2"}
        assert other.refers_to in {None, "BILL-1"}
    assert warehouse.value("SELECT sum(sacks) FROM bill") == ROUNDS
    assert_counts_follow_history(warehouse)


def test_the_last_place_on_a_bill_is_given_once(warehouse: Warehouse) -> None:
    others = [code.replace("SB0", "SB1") for code in sack_codes()]
    warehouse.apply([sack(code) for code in [*sack_codes(), *others]])

    for code, other in zip(sack_codes(), others, strict=True):
        warehouse.bill(f"BILL-{code}", capacity=1)
        results = scan_at_once(warehouse, [load(code, f"BILL-{code}")], [load(other, f"BILL-{code}")])

        assert {result.outcome for (result,) in results} == {Outcome.APPLIED, Outcome.BILL_FULL}
    assert warehouse.rows("SELECT DISTINCT sacks FROM bill") == [{"sacks": 1}]
    assert_counts_follow_history(warehouse)


def test_a_child_that_is_scanned_into_two_sacks_at_once_is_in_one(warehouse: Warehouse) -> None:
    for code in sack_codes():
        other_code = code.replace("SB0", "SB1")
        results = scan_at_once(warehouse, [child(f"C{code}", code)], [child(f"C{code}", other_code)])

        assert {result.outcome for (result,) in results} == {Outcome.APPLIED, Outcome.LINKED_ELSEWHERE}
    assert warehouse.value("SELECT count(*) FROM bag_link") == ROUNDS
    assert_counts_follow_history(warehouse)


def test_bags_that_two_batches_bring_at_once_in_opposite_orders_are_created_once(warehouse: Warehouse) -> None:
    for code in sack_codes():
        forth = [sack(code), *filled(code, 5), sack(code.replace("SB0", "SB1"))]
        back = [
            scan._replace(scan_id=fresh.scan_id) for scan, fresh in zip(reversed(forth), filled("X", 7), strict=True)
        ]

        results = scan_at_once(warehouse, forth, back)

        assert {result.outcome for batch in results for result in batch} <= {
            Outcome.APPLIED,
            Outcome.DUPLICATE,
            Outcome.KNOWN,
        }
    assert warehouse.value("SELECT count(*) FROM bag WHERE capacity IS NOT NULL") == 2 * ROUNDS
    assert warehouse.value("SELECT count(*) FROM bag_link") == 5 * ROUNDS
    assert warehouse.value("SELECT count(*) FROM scan") == 14 * ROUNDS
    assert_counts_follow_history(warehouse)
    assert_totals_follow_rows(warehouse)


def test_a_scan_that_arrives_fifty_times_at_once_is_one_scan_and_all_hear_its_outcome(warehouse: Warehouse) -> None:
    scan = child("CH12345", "SB00001")

    results = scan_at_once(warehouse, *[[scan]] * CROWD)

    assert results == [[Result(Outcome.APPLIED, None, 1, 30, 1000)]] * CROWD
    assert warehouse.value("SELECT count(*) FROM scan") == 1
    assert warehouse.value("SELECT count(*) FROM audit_log WHERE action = 'scans.apply'") == 1
    assert_counts_follow_history(warehouse)
    assert_totals_follow_rows(warehouse)


def test_of_two_contents_under_one_identity_one_stands_and_the_other_is_reused(warehouse: Warehouse) -> None:
    for code in sack_codes():
        scan = child(f"X{code}", code)

        results = scan_at_once(warehouse, [scan], [scan._replace(code=f"Y{code}")])

        assert {result.outcome for (result,) in results} == {Outcome.APPLIED, Outcome.ID_REUSED}
    assert warehouse.value("SELECT count(*) FROM scan") == ROUNDS
    assert warehouse.value("SELECT count(*) FROM bag_link") == ROUNDS


def test_a_sack_goes_on_a_bill_before_it_is_completed_or_not_at_all(warehouse: Warehouse) -> None:
    warehouse.apply([sack(code) for code in sack_codes()])
    person = warehouse.person()

    def complete(bill_no: str) -> list[Result]:
        Warehouse(warehouse.database).complete(bill_no, by=person)
        return []

    for code in sack_codes():
        bill_no = f"BILL-{code}"
        warehouse.bill(bill_no, by=person)

        (result,), _ = at_once([partial(warehouse.apply, [load(code, bill_no)]), partial(complete, bill_no)])

        at_completion = warehouse.value(
            "SELECT CAST(after ->> 'sacks' AS int) FROM audit_log WHERE action = 'bill.complete' AND object = :object",
            object=f"bill:{bill_no}",
        )
        bill = warehouse.row("SELECT status, sacks FROM bill WHERE bill_no = :bill_no", bill_no=bill_no)
        assert bill == {"status": "completed", "sacks": at_completion}
        assert result.outcome is (Outcome.APPLIED if at_completion else Outcome.BILL_COMPLETED)
    assert_counts_follow_history(warehouse)


def test_a_bills_totals_are_exact_at_every_moment_under_20_scanners(warehouse: Warehouse) -> None:
    warehouse.bill("BILL-1", capacity=500)
    return_no = warehouse.goods_return()
    person, over = warehouse.person(), threading.Event()

    def work(scanner: int) -> None:
        mine = Warehouse(warehouse.database)
        for number in range(4):
            code = f"SB{scanner:02d}{number:03d}"
            mine.apply(filled(code, 3))
            mine.apply([load(code, "BILL-1"), child(f"L{code}", code)])
        kept, detached, returned, again = (f"SB{scanner:02d}{number:03d}" for number in range(4))
        mine.apply([child(f"M{kept}", kept), come_back(returned, return_no)])
        mine.apply([come_back(again, return_no), load(again, "BILL-1")])
        mine.insist(mine.command("bill.detach", {"bill_no": "BILL-1", "code": detached}, by=person))

    def scan_all() -> None:
        try:
            at_once([partial(work, scanner) for scanner in range(SCANNERS)])
        finally:
            over.set()

    def look() -> None:
        while not over.is_set():
            assert_counts_follow_history(warehouse)

    at_once([scan_all, look])

    kept = warehouse.row("SELECT sacks, children, actual_weight_g, expected_weight_g FROM bill")
    children = SCANNERS * (5 + 4)
    assert kept == {
        "sacks": 2 * SCANNERS,
        "children": children,
        "actual_weight_g": children * 1000,
        "expected_weight_g": 2 * SCANNERS * 30_000,
    }
    assert_counts_follow_history(warehouse)
    assert warehouse.value("SELECT count(*) FROM return_sack") == 2 * SCANNERS


def test_a_sack_that_is_loaded_while_its_bill_is_deleted_is_free_in_the_end(warehouse: Warehouse) -> None:
    person = warehouse.person("admin")
    warehouse.apply([scan for code in sack_codes() for scan in filled(code, 2)])

    def delete(bill_no: str) -> list[Result]:
        warehouse.insist(warehouse.command("bill.delete", {"bill_no": bill_no}, by=person))
        return []

    for code in sack_codes():
        bill_no = f"BILL-{code}"
        warehouse.bill(bill_no, by=person)

        (result,), _ = at_once(
            [partial(Warehouse(warehouse.database).apply, [load(code, bill_no)]), partial(delete, bill_no)]
        )

        assert result.outcome in {Outcome.APPLIED, Outcome.UNKNOWN_BILL}
    assert warehouse.value("SELECT count(*) FROM bag WHERE bill_id IS NOT NULL") == 0
    assert warehouse.value("SELECT count(*) FROM bill WHERE deleted_at IS NULL OR sacks > 0") == 0
    assert_counts_follow_history(warehouse)


def test_a_sack_that_comes_back_while_its_return_is_cancelled_is_on_its_bill_in_the_end(warehouse: Warehouse) -> None:
    person = warehouse.person()
    warehouse.bill("BILL-1", capacity=ROUNDS, by=person)
    warehouse.apply([scan for code in sack_codes() for scan in (sack(code), load(code, "BILL-1"))])

    def cancel(return_no: str) -> list[Result]:
        warehouse.insist(warehouse.command("return.cancel", {"return_no": return_no}, by=person))
        return []

    for code in sack_codes():
        return_no = warehouse.goods_return(by=person)

        (result,), _ = at_once(
            [partial(Warehouse(warehouse.database).apply, [come_back(code, return_no)]), partial(cancel, return_no)]
        )

        assert result.outcome in {Outcome.APPLIED, Outcome.RETURN_CLOSED}
    assert warehouse.value("SELECT sacks FROM bill") == ROUNDS
    assert_counts_follow_history(warehouse)
