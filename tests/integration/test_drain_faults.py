"""Draining when things go wrong: what is kept, what is given back, who is told."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import orjson
import pytest
from redis import Redis
from sqlalchemy import text

from tests.support.ledgers import accept_body, accept_command, accept_scans, is_empty, let_lease_run_out, open_ledger
from tests.support.scans import ORIGIN, Maker, child, filled, make_scan
from tests.support.together import at_once
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse, executor
from tracetrack_common import drain
from tracetrack_common.db.session import Database, StateChangedError
from tracetrack_common.delivery import MIRROR_KEY
from tracetrack_common.domain.scans import Kind, Scan
from tracetrack_common.drain import Drainer, Handled
from tracetrack_common.ledger import Entry, Ledger
from tracetrack_common.settings import Settings
from tracetrack_common.sweeper import Sweeper
from tracetrack_scan_worker.scans import POISON_DELIVERIES, SUSPECT_DELIVERIES, ScanHandler

LEASE_S = 5.0


class Summonses:
    """Counts summonses."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self) -> None:
        self.sent += 1


def drainer(database: Database, ledger: Ledger, summon: Summonses | None = None) -> Drainer:
    handler = ScanHandler(database, ledger, most=2_000)
    return Drainer(ledger, handler.handle, summon=summon or Summonses(), lease_s=LEASE_S)


def test_a_defect_ends_the_drain_and_loses_nothing(redis: Redis) -> None:
    accept_body(redis, b"a")
    ledger = open_ledger(redis)

    def handle(_: Sequence[Entry]) -> Handled:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        Drainer(ledger, handle, summon=Summonses(), lease_s=LEASE_S).drain()

    assert ledger.state().entries == 1
    assert ledger.take(1) == []


def test_what_fails_until_time_is_up_is_given_back_as_if_never_tried(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "SLICE_S", 0.2)
    accept_body(redis, b"a")
    ledger = open_ledger(redis)

    def handle(_: Sequence[Entry]) -> Handled:
        raise StateChangedError("the database is away")

    assert Drainer(ledger, handle, summon=Summonses(), lease_s=LEASE_S).drain() == 0

    (entry,) = redis.xpending_range("tt:ledger:scans", "workers", "-", "+", 1)
    assert entry["times_delivered"] == 0
    assert ledger.state().entries == 1


def test_a_drain_whose_time_is_up_asks_for_the_next(
    warehouse: Warehouse, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "SLICE_S", 0.0)
    accept_scans(redis, filled("SB00001", 1))
    summons = Summonses()

    assert drainer(warehouse.database, open_ledger(redis), summons).drain() == 0

    assert summons.sent == 1
    assert open_ledger(redis).state().undelivered == 1


def test_work_that_takes_longer_than_the_lease_stays_with_whoever_does_it(redis: Redis) -> None:
    lease_s = 0.6
    ledger = open_ledger(redis, consumer="slow", lease_s=lease_s)
    other = open_ledger(redis, consumer="other", lease_s=lease_s)
    entry_id = accept_body(redis, b"a")
    stolen: list[Entry] = []
    done = threading.Event()

    def handle(_: Sequence[Entry]) -> Handled:
        timer = threading.Timer(3 * lease_s, done.set)
        timer.start()
        while not done.is_set():
            stolen.extend(other.take_over(1))
            done.wait(lease_s / 10)
        return Handled()

    assert Drainer(ledger, handle, summon=Summonses(), lease_s=lease_s).drain() == 1
    assert stolen == []
    assert not redis.xrange("tt:ledger:scans", entry_id, entry_id)


def test_those_who_wait_hear_the_outcomes_once_they_are_committed(warehouse: Warehouse, redis: Redis) -> None:
    scans = filled("SB00001", 3)
    with redis.pubsub(ignore_subscribe_messages=True) as listener:  # type: ignore[no-untyped-call]
        listener.subscribe("tt:reply:one", "tt:reply:other")
        accept_scans(redis, scans[:2], reply_to="tt:reply:one|7|0")
        accept_scans(redis, scans[2:], reply_to="tt:reply:other|7|5")

        drainer(warehouse.database, open_ledger(redis)).drain()

        heard = {}
        for _ in range(2):
            message = eventually(lambda: listener.get_message(timeout=1))
            heard[message["channel"]] = [
                (ticket, place, document["scan_id"]) for ticket, place, document in orjson.loads(message["data"])
            ]
    assert heard == {
        b"tt:reply:one": [("7", 0, scans[0].scan_id), ("7", 1, scans[1].scan_id)],
        b"tt:reply:other": [("7", 5, scans[2].scan_id)],
    }
    assert warehouse.value("SELECT count(*) FROM scan") == 3


def test_a_scan_that_came_twice_is_kept_as_it_came_first(warehouse: Warehouse, redis: Redis) -> None:
    scan = child("CH12345", "SB00001")
    again = replace(ORIGIN, request_id="again", received_at=ORIGIN.received_at + timedelta(minutes=5))
    accept_scans(redis, [scan])
    accept_scans(redis, [scan], origin=again)
    accept_scans(redis, [scan._replace(device_id=2)], origin=again)

    drainer(warehouse.database, open_ledger(redis)).drain()

    assert warehouse.value("SELECT received_at FROM scan") == ORIGIN.received_at
    assert '"again"' in warehouse.value("SELECT payload ->> 'body' FROM failed_work WHERE reason = 'id_reused'")
    assert is_empty(redis)


@pytest.mark.parametrize(
    "bad",
    [
        child("CH\x00123", "SB00001"),
        child("CH12345", "SB00001")._replace(device_id=None),
        child("CH12345", "SB00001", scan_id="no uuid"),
        child("CH12345", "SB00001")._replace(area_id=99),
        child("CH12345", "SB00001")._replace(epoch=2**40),
    ],
    ids=["unstorable text", "no maker", "no uuid", "no such area", "a counter too large"],
)
def test_a_scan_that_cannot_be_written_is_failed_work_and_hurts_no_other(
    warehouse: Warehouse, redis: Redis, bad: Scan
) -> None:
    good = filled("SB00002", 20)
    accept_scans(redis, [*good[:7], bad, *good[7:]])

    drainer(warehouse.database, open_ledger(redis)).drain()

    assert warehouse.rows("SELECT queue, reason, attempts FROM failed_work") == [
        {"queue": "scans", "reason": "not_applicable", "attempts": 1}
    ]
    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00002'") == 20
    assert is_empty(redis)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[]", b'{"v":1}', b'{"v":1,"r":[[]]}', b'{"v":2,"r":[]}'], ids=repr
)
@pytest.mark.parametrize("queue", ["scans", "commands"])
def test_what_no_worker_can_read_is_failed_work_whatever_it_is(
    warehouse: Warehouse, redis: Redis, queue: str, body: bytes
) -> None:
    accept_body(redis, body, queue=queue)
    ledger = open_ledger(redis, queue=queue)
    handle = (
        ScanHandler(warehouse.database, ledger, most=10).handle
        if queue == "scans"
        else executor(warehouse.database).handle
    )

    Drainer(ledger, handle, summon=Summonses(), lease_s=LEASE_S).drain()

    assert warehouse.rows("SELECT queue, reason FROM failed_work") == [{"queue": queue, "reason": "unreadable"}]
    assert is_empty(redis, queue)


def test_a_redis_that_is_emptied_while_a_worker_works_costs_no_more_than_the_reply(
    warehouse: Warehouse, redis: Redis
) -> None:
    accept_scans(redis, filled("SB00001", 3))
    ledger = open_ledger(redis)
    handler = ScanHandler(warehouse.database, ledger, most=100)

    def handle(entries: Sequence[Entry]) -> Handled:
        handled = handler.handle(entries)
        redis.flushdb()
        return handled

    Drainer(ledger, handle, summon=Summonses(), lease_s=LEASE_S).drain()
    accept_scans(redis, filled("SB00002", 3))
    for _ in range(2):
        drainer(warehouse.database, ledger).drain()

    assert warehouse.value("SELECT sum(children) FROM bag") == 6
    assert ledger.state().entries == 0


def test_a_database_that_is_away_for_a_moment_delays_and_loses_nothing(
    warehouse: Warehouse, redis: Redis, settings: Settings
) -> None:
    accept_scans(redis, filled("SB00001", 5))
    ledger = open_ledger(redis)
    handler = ScanHandler(warehouse.database, ledger, most=100)
    cut: list[int] = []

    def handle(entries: Sequence[Entry]) -> Handled:
        if len(cut) < 3:
            cut.append(cut_connections(warehouse, settings))
        return handler.handle(entries)

    assert Drainer(ledger, handle, summon=Summonses(), lease_s=LEASE_S).drain() == 1
    assert sum(cut) >= 1
    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == 5


def cut_connections(warehouse: Warehouse, settings: Settings) -> int:
    """End every other connection to the database from the server's side; give how many there were."""
    other = Database(settings, application_name="tests-cutter")
    with warehouse.database.snapshot(), other.transaction() as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'tests'"
            )
        ).all()
    other.close()
    return len(ended)


def test_what_a_stopped_worker_goes_on_with_after_another_took_it_over_is_neither_lost_nor_done_twice(
    warehouse: Warehouse, redis: Redis
) -> None:
    scans = filled("SB00001", 5)
    accept_scans(redis, scans)
    stopped, other = open_ledger(redis, consumer="stopped"), open_ledger(redis, consumer="other")
    (held,) = stopped.take(1)
    let_lease_run_out(redis, [held])
    other.take_over(1)
    suspect = replace(held, deliveries=SUSPECT_DELIVERIES)

    handled = ScanHandler(warehouse.database, stopped, most=100).handle([suspect])
    assert warehouse.value("SELECT count(*) FROM scan") == 5
    stopped.settle([suspect], handled.ids, handled.replies)

    ScanHandler(warehouse.database, other, most=100).handle([held])
    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == 5
    assert is_empty(redis)


def test_a_redis_that_refuses_writes_for_a_moment_delays_settling_and_nothing_else(
    warehouse: Warehouse, redis: Redis
) -> None:
    accept_scans(redis, filled("SB00001", 3))
    ledger = open_ledger(redis)
    handler = ScanHandler(warehouse.database, ledger, most=100)

    def handle(entries: Sequence[Entry]) -> Handled:
        handled = handler.handle(entries)
        redis.replicaof("127.0.0.1", "1")
        threading.Timer(0.3, lambda: redis.replicaof("NO", "ONE")).start()
        return handled

    assert Drainer(ledger, handle, summon=Summonses(), lease_s=LEASE_S).drain() == 1
    assert is_empty(redis)


def test_a_redis_that_goes_while_a_worker_works_ends_the_drain_and_the_work_is_found_done(
    warehouse: Warehouse, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "_SETTLE_PATIENCE_S", 0.0)
    accept_scans(redis, filled("SB00001", 3))
    ledger = open_ledger(redis, consumer="first")
    handler = ScanHandler(warehouse.database, ledger, most=100)
    held: list[Entry] = []

    def handle(entries: Sequence[Entry]) -> Handled:
        held.extend(entries)
        redis.replicaof("127.0.0.1", "1")
        return handler.handle(entries)

    try:
        assert Drainer(ledger, handle, summon=Summonses(), lease_s=LEASE_S).drain() == 0
    finally:
        redis.replicaof("NO", "ONE")
    let_lease_run_out(redis, held)
    drainer(warehouse.database, open_ledger(redis, consumer="second")).drain()

    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == 3
    assert warehouse.value("SELECT count(*) FROM failed_work") == 0
    assert is_empty(redis)


def test_a_full_redis_takes_what_frees_it(warehouse: Warehouse, redis: Redis) -> None:
    device = warehouse.device()
    scans = [
        make_scan(Kind.PARENT, "SB00001", None, by=Maker(device_id=device.device_id), epoch=1, seq=1),
        *filled("SB00002", 3),
    ]
    accept_scans(redis, scans)
    ledger = open_ledger(redis)
    handler = ScanHandler(warehouse.database, ledger, most=100)

    limit = redis.config_get("maxmemory")["maxmemory"] or 0

    def handle(entries: Sequence[Entry]) -> Handled:
        redis.config_set("maxmemory", 1)
        return handler.handle(entries)

    try:
        assert Drainer(ledger, handle, summon=Summonses(), lease_s=LEASE_S).drain() == 1
    finally:
        redis.config_set("maxmemory", limit)
    assert is_empty(redis)
    assert redis.hexists(MIRROR_KEY, str(device.device_id))


def test_good_scans_are_not_failed_work_however_often_the_database_was_away(
    warehouse: Warehouse, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "SLICE_S", 0.05)
    accept_scans(redis, filled("SB00001", 3))

    def fail(_: Sequence[Entry]) -> Handled:
        raise StateChangedError("the database is away")

    ledger = open_ledger(redis)
    held = ledger.take(1)
    for _ in range(3 * POISON_DELIVERIES):
        let_lease_run_out(redis, held)
        Drainer(ledger, fail, summon=Summonses(), lease_s=LEASE_S).drain()
    let_lease_run_out(redis, held)
    monkeypatch.undo()
    drainer(warehouse.database, ledger).drain()

    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == 3
    assert warehouse.value("SELECT count(*) FROM failed_work") == 0


def test_drains_that_run_side_by_side_apply_everything_once(warehouse: Warehouse, redis: Redis) -> None:
    scans = [scan for number in range(20) for scan in filled(f"SB{number:05d}", 10)]
    for scan in scans:
        accept_scans(redis, [scan])
    ledgers = [open_ledger(redis, consumer=f"worker-{number}") for number in range(4)]

    settled = at_once([partial(drainer(warehouse.database, ledger).drain) for ledger in ledgers])

    assert sum(settled) == len(scans)
    assert warehouse.value("SELECT count(*) FROM bag_link") == len(scans)
    assert is_empty(redis)


def test_a_command_of_a_dead_worker_is_taken_over_and_done_once(warehouse: Warehouse, redis: Redis) -> None:
    arguments = {"bill_no": "B-1", "area": "lucknow", "capacity": 1, "destination": "x", "vehicle": None}
    command = warehouse.command("bill.create", arguments | {"description": None}, by=warehouse.biller)
    accept_command(redis, command)
    dead = open_ledger(redis, consumer="dead", queue="commands")
    held = dead.take(1)
    executor(warehouse.database).handle(held)  # committed, and died before it could settle
    let_lease_run_out(redis, held, queue="commands")
    alive = open_ledger(redis, consumer="alive", queue="commands")
    summons = Summonses()

    Sweeper({alive: summons}, interval_s=60).sweep()
    Drainer(alive, executor(warehouse.database).handle, summon=summons, lease_s=LEASE_S).drain()

    assert summons.sent == 1
    assert warehouse.value("SELECT count(*) FROM bill") == 1
    assert is_empty(redis, "commands")


def test_the_sweeper_lets_alone_what_somebody_is_draining(redis: Redis) -> None:
    ledger, summons = open_ledger(redis), Summonses()
    ledger.take(1)
    accept_body(redis, b"a")

    assert Sweeper({ledger: summons}, interval_s=60).sweep() == 0


def test_the_sweeper_looks_again_and_again_and_sees_to_its_chores_until_it_is_stopped(redis: Redis) -> None:
    ledger, summons, chores = open_ledger(redis), Summonses(), Summonses()
    accept_body(redis, b"a")
    sweeper = Sweeper({ledger: summons}, interval_s=0.01, chores=[chores])

    sweeper.start()
    eventually(lambda: summons.sent > 2 and chores.sent > 2)
    sweeper.stop()

    assert not [thread for thread in threading.enumerate() if thread.name == "sweeper"]


def test_the_sweeper_outlives_what_goes_wrong(redis: Redis) -> None:
    looks: list[int] = []

    def fail() -> None:
        looks.append(1)
        raise RuntimeError("a defect in a chore")

    sweeper = Sweeper({open_ledger(redis): Summonses()}, interval_s=0.01, chores=[fail])
    sweeper.start()
    eventually(lambda: len(looks) > 2)
    sweeper.stop()
