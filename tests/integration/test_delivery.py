"""What arrived of a device's counters: exact in Postgres, mirrored in Redis, whatever order, resends and failures."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import text

from tests.support.ledgers import accept_scans, open_ledger
from tests.support.scans import GUN, Maker, child, make_scan, origins_of
from tests.support.together import at_once
from tests.support.warehouse import Warehouse
from tracetrack_common import delivery
from tracetrack_common.db.session import Database
from tracetrack_common.domain.delivery import Range
from tracetrack_common.domain.scans import Kind, Scan
from tracetrack_common.ledger import Entry
from tracetrack_scan_worker.apply import Applier
from tracetrack_scan_worker.scans import POISON_DELIVERIES, ScanHandler

OTHER_GUN = Maker(device_id=2)


def counted(seqs: Iterable[int], *, epoch: int = 1, by: Maker = GUN) -> list[Scan]:
    """Give scans with these counters, each of a sack of its own."""
    return [make_scan(Kind.PARENT, f"SB{seq % 100_000:05d}", None, by=by, epoch=epoch, seq=seq) for seq in seqs]


def arrived(database: Database, device_id: int = GUN.device_id) -> dict[int, tuple[list[Range], list[Range]]]:
    """Give what arrived of a device, by epoch: applied, failed."""
    with database.snapshot() as connection:
        found = delivery.find_epochs(connection, device_id, limit=100)
    return {each.epoch: (list(each.applied), list(each.failed)) for each in found}


def told(redis: Redis, device_id: int = GUN.device_id) -> dict[str, Any] | None:
    """Give what the mirror says of a device."""
    value: Any = redis.hget(delivery.MIRROR_KEY, str(device_id))
    return None if value is None else orjson.loads(delivery.document_of(value))


def drain(database: Database, redis: Redis, *, deliveries: int = 1) -> Sequence[Entry]:
    """Take what waits, handle it and settle it, as a worker does; `deliveries` is how often it was handed out."""
    ledger = open_ledger(redis)
    entries = [Entry(each.entry_id, each.body, each.waited, deliveries) for each in ledger.take(100)]
    handled = ScanHandler(database, ledger, most=1_000).handle(entries)
    ledger.settle(entries, handled.ids, handled.replies, handled.deliveries)
    return entries


def test_counters_that_arrive_in_any_order_and_repeatedly_leave_no_gap(
    warehouse: Warehouse, database: Database
) -> None:
    late, early = counted([4, 5, 9]), counted([2, 1, 3])
    warehouse.apply(late)
    assert arrived(database) == {1: ([(4, 5), (9, 9)], [])}
    warehouse.apply([*early, *late])
    assert arrived(database) == {1: ([(1, 5), (9, 9)], [])}


def test_a_refused_scan_has_arrived(warehouse: Warehouse, database: Database) -> None:
    (result,) = warehouse.apply([make_scan(Kind.PARENT, "?", None, epoch=1, seq=1)])
    assert result.outcome == "invalid_code"
    assert arrived(database) == {1: ([(1, 1)], [])}


def test_epochs_and_devices_count_apart(warehouse: Warehouse, database: Database) -> None:
    warehouse.apply([*counted([1]), *counted([2], epoch=2), *counted([3], by=OTHER_GUN)])
    assert arrived(database) == {2: ([(2, 2)], []), 1: ([(1, 1)], [])}
    assert arrived(database, OTHER_GUN.device_id) == {1: ([(3, 3)], [])}


def test_scans_without_counters_leave_no_trace(warehouse: Warehouse, database: Database) -> None:
    warehouse.apply([child("CH12345", "SB00001")])
    assert arrived(database) == {}


def test_a_batch_that_fails_has_not_arrived(warehouse: Warehouse, database: Database) -> None:
    warehouse.change("ALTER TABLE device_delivery ADD CONSTRAINT none CHECK (device_id < 0)")
    with pytest.raises(Exception, match="none"):
        warehouse.apply(counted([1]))
    assert arrived(database) == {}
    assert warehouse.value("SELECT count(*) FROM scan") == 0


def test_the_largest_counter_that_is_taken_has_arrived(warehouse: Warehouse, database: Database) -> None:
    largest = 2**63 - 2
    warehouse.apply(counted([largest]))
    assert arrived(database) == {1: ([(largest, largest)], [])}


def test_batches_of_one_device_at_once_all_arrive(warehouse: Warehouse, database: Database) -> None:
    batches = [counted(range(start, 200, 8)) for start in range(1, 9)]
    at_once([lambda batch=batch: warehouse.apply(batch) for batch in batches])  # type: ignore[misc]
    assert arrived(database) == {1: ([(1, 199)], [])}


def test_a_counter_that_counts_wildly_costs_a_bounded_row_and_is_never_told_to_have_arrived_wrongly(
    warehouse: Warehouse, database: Database
) -> None:
    with database.transaction() as connection:
        delivery.add_applied(connection, counted(range(2, 4 * delivery.RANGES_KEPT, 2)))
    applied, _ = arrived(database)[1]
    assert len(applied) == delivery.RANGES_KEPT
    assert applied == [(seq, seq) for seq in range(2, 2 * delivery.RANGES_KEPT + 1, 2)]
    warehouse.apply(counted([1]))
    assert arrived(database)[1][0][0] == (1, 2)


def test_a_scan_that_cannot_be_applied_has_arrived_and_shows_as_failed_until_it_is_applied(
    warehouse: Warehouse, database: Database, redis: Redis
) -> None:
    scans = counted([1, 2, 3])
    warehouse.change(
        "CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    warehouse.change(
        "CREATE TRIGGER refuse_one BEFORE INSERT ON scan FOR EACH ROW"
        f" WHEN (NEW.scan_id = '{scans[1].scan_id}') EXECUTE FUNCTION refuse_it()"
    )
    accept_scans(redis, scans)
    drain(database, redis)
    expected = {"epoch": 1, "applied_through": 3, "missing": [], "failed": [[2, 2]], "listed_through": 3}
    assert told(redis) == expected

    warehouse.change("DROP TRIGGER refuse_one ON scan")
    accept_scans(redis, scans)
    drain(database, redis)
    assert told(redis) == {**expected, "failed": []}


def test_a_scan_that_kills_its_workers_has_arrived_and_shows_as_failed(
    warehouse: Warehouse, database: Database, redis: Redis
) -> None:
    accept_scans(redis, counted([1]))
    drain(database, redis, deliveries=POISON_DELIVERIES)
    assert warehouse.value("SELECT reason FROM failed_work") == "worker_died"
    assert arrived(database) == {1: ([], [(1, 1)])}
    assert told(redis) == {"epoch": 1, "applied_through": 1, "missing": [], "failed": [[1, 1]], "listed_through": 1}


def test_an_altered_scan_shows_as_failed_under_its_own_counter_only(
    warehouse: Warehouse, database: Database, redis: Redis
) -> None:
    (scan,) = counted([1])
    warehouse.apply([scan])
    accept_scans(redis, [scan._replace(code="SB99999"), scan._replace(seq=2)])
    drain(database, redis)
    assert arrived(database) == {1: ([(1, 1)], [(1, 2)])}
    shown = told(redis)
    assert shown is not None
    assert shown["failed"] == [[2, 2]]


def test_the_reply_to_who_waits_tells_what_has_arrived_with_its_own_scans(
    warehouse: Warehouse, database: Database, redis: Redis
) -> None:
    del warehouse
    channel = "tt:reply:gateway-of-a-test"
    with redis.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.subscribe(channel)
        subscription.get_message(timeout=1)
        accept_scans(redis, counted([1, 2, 4]), reply_to=f"{channel}|ticket|0")
        drain(database, redis)
        message = subscription.get_message(timeout=5)
    assert message is not None
    documents = [document for _, _, document in orjson.loads(message["data"])]
    assert [document.get("delivery") for document in documents] == [
        None,
        None,
        {"epoch": 1, "applied_through": 2, "missing": [[3, 3]], "failed": [], "listed_through": 4},
    ]


def test_the_mirror_keeps_the_newer_state_whoever_settles_last(
    warehouse: Warehouse, database: Database, redis: Redis
) -> None:
    del warehouse
    applier, ledger = Applier(database), open_ledger(redis)
    batches = (counted([1]), counted([2]), counted([3], epoch=0))
    first, second, old_epoch = (applier.apply(scans, origins_of(scans)) for scans in batches)
    for applied in (second, first, old_epoch):
        accept_scans(redis, [])
        ledger.settle(ledger.take(1), [], {}, applied.deliveries)
    shown = told(redis)
    assert shown is not None
    assert (shown["epoch"], shown["applied_through"]) == (1, 2)


def test_an_emptied_mirror_is_filled_again_with_the_newest_epoch_of_every_device(
    warehouse: Warehouse, database: Database, redis: Redis
) -> None:
    warehouse.apply([*counted([1, 3]), *counted([1], epoch=2), *counted([1, 2], by=OTHER_GUN)])
    with database.snapshot() as connection:
        assert delivery.mirror_every_device(redis, connection) == 2
    assert redis.hexists(delivery.MIRROR_KEY, delivery.COMPLETE_FIELD)
    shown, other = told(redis), told(redis, OTHER_GUN.device_id)
    assert (shown and shown["epoch"], other and other["applied_through"]) == (2, 2)


def test_what_the_mirror_claims_beyond_a_database_restored_from_a_backup_is_taken_back(
    warehouse: Warehouse, database: Database, redis: Redis
) -> None:
    warehouse.apply([*counted([1, 2]), *counted([1], by=OTHER_GUN)])
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE backup AS TABLE device_delivery"))
    warehouse.apply([*counted([3, 4]), *counted([1], epoch=2, by=OTHER_GUN)])
    with database.snapshot() as connection:
        delivery.mirror_every_device(redis, connection)
    with database.transaction() as connection:
        connection.execute(text("TRUNCATE device_delivery"))
        connection.execute(text("INSERT INTO device_delivery TABLE backup"))

    with database.snapshot() as connection:
        assert delivery.mirror_every_device(redis, connection) == 2
    shown, other = told(redis), told(redis, OTHER_GUN.device_id)
    assert (shown and shown["applied_through"], other and other["epoch"]) == (2, 1)


def test_a_resend_brings_a_device_back_into_an_emptied_mirror(
    warehouse: Warehouse, database: Database, redis: Redis
) -> None:
    scans = counted([1, 2])
    warehouse.apply(scans)
    before = warehouse.everything()
    accept_scans(redis, scans)
    drain(database, redis)
    assert warehouse.everything() == before
    shown = told(redis)
    assert shown is not None
    assert shown["applied_through"] == 2


def test_what_is_kept_is_what_the_scans_say_after_any_history(warehouse: Warehouse, database: Database) -> None:
    sent: dict[tuple[int, int], Scan] = {}
    batches = st.lists(st.tuples(st.integers(1, 2), st.integers(1, 30)), min_size=1, max_size=12)

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(batches)
    def live(batch: list[tuple[int, int]]) -> None:
        for key in batch:
            if key not in sent:
                (sent[key],) = counted([key[1]], epoch=key[0])
        warehouse.apply([sent[key] for key in batch])

    live()
    recorded = warehouse.rows("SELECT epoch, seq FROM scan")
    kept = {
        (epoch, seq)
        for epoch, (applied, _) in arrived(database).items()
        for first, last in applied
        for seq in range(first, last + 1)
    }
    assert kept == {(row["epoch"], row["seq"]) for row in recorded} == set(sent)
