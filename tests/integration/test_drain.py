"""Draining and sweeping: an entry is applied whatever became of its message, its worker and its neighbours."""

from collections.abc import Sequence

from redis import Redis

from tests.support.ledgers import accept_scans, let_lease_run_out, open_ledger
from tests.support.scans import make_scan
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database, StateChangedError
from tracetrack_common.domain.scans import Kind, Scan
from tracetrack_common.drain import Drainer, Handled
from tracetrack_common.ledger import Entry, Ledger
from tracetrack_common.sweeper import Sweeper
from tracetrack_scan_worker.scans import POISON_DELIVERIES, SUSPECT_DELIVERIES, ScanHandler


class _Summons:
    """Counts summonses instead of sending them."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self) -> None:
        self.sent += 1


def _drainer(database: Database, ledger: Ledger, *, summon: _Summons | None = None) -> Drainer:
    handler = ScanHandler(database, ledger, most=2_000)
    return Drainer(ledger, handler.handle, summon=summon or _Summons(), lease_s=0.2)


def _children(count: int, sack: str = "SB00001") -> list[Scan]:
    return [make_scan(Kind.CHILD, f"CH{number:05d}", sack) for number in range(count)]


def test_a_drain_applies_what_waits_and_leaves_the_ledger_empty(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    for scan in _children(20):
        accept_scans(redis, [scan])
    ledger = open_ledger(redis)
    assert _drainer(database, ledger).drain() == 20
    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == 20
    assert ledger.state().entries == 0
    assert not redis.exists(ledger.keys.index)


def test_a_drain_makes_the_group_where_redis_was_emptied(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    ledger = Ledger(redis, "scans", consumer="one", lease_s=5.0)
    accept_scans(redis, _children(1))
    _drainer(database, ledger).drain()
    _drainer(database, ledger).drain()
    assert warehouse.value("SELECT count(*) FROM scan") == 1


def test_the_sweeper_sends_a_summons_for_an_entry_whose_message_was_lost(redis: Redis) -> None:
    ledger, summons = open_ledger(redis), _Summons()
    sweeper = Sweeper({ledger: summons}, interval_s=60)
    assert sweeper.sweep() == 0
    accept_scans(redis, _children(1))
    assert sweeper.sweep() == 1
    assert summons.sent == 1


def test_what_a_dead_worker_held_is_summoned_for_and_applied_once(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    accept_scans(redis, _children(3))
    dead = open_ledger(redis, consumer="dead")
    held = dead.take(10)
    let_lease_run_out(redis, held)
    summons, ledger = _Summons(), open_ledger(redis, consumer="alive")
    assert Sweeper({ledger: summons}, interval_s=60).sweep() == 1
    _drainer(database, ledger).drain()
    assert warehouse.value("SELECT count(*) FROM bag_link") == 3
    assert ledger.state().entries == 0


def test_what_two_workers_apply_at_once_has_one_effect(warehouse: Warehouse, redis: Redis, database: Database) -> None:
    accept_scans(redis, _children(5))
    first, second = open_ledger(redis, consumer="first"), open_ledger(redis, consumer="second")
    held = first.take(10)
    let_lease_run_out(redis, held)
    taken_over = second.take_over(10)
    for ledger, entries in ((first, held), (second, taken_over)):
        handled = ScanHandler(database, ledger, most=100).handle(entries)
        ledger.settle(entries, handled.ids, handled.replies)
    assert warehouse.value("SELECT count(*) FROM scan") == 5
    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB00001'") == 5


def test_a_transient_fault_is_tried_again_until_it_is_over(redis: Redis) -> None:
    accept_scans(redis, _children(1))
    tries: list[int] = []

    def handle(entries: Sequence[Entry]) -> Handled:
        tries.append(len(entries))
        if len(tries) < 4:
            raise StateChangedError("another was faster")
        return Handled()

    ledger = open_ledger(redis)
    assert Drainer(ledger, handle, summon=_Summons(), lease_s=5.0).drain() == 1
    assert tries == [1, 1, 1, 1]


def test_one_bad_scan_in_five_hundred_is_failed_work_and_the_others_are_applied(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    batch = [make_scan(Kind.CHILD, f"CH{number:05d}", f"SB{number // 30:05d}") for number in range(500)]
    bad = batch[333]
    warehouse.change(
        "CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'this row cannot be written'; END $$"
    )
    warehouse.change(
        "CREATE TRIGGER refuse_one BEFORE INSERT ON scan FOR EACH ROW"
        f" WHEN (NEW.scan_id = '{bad.scan_id}') EXECUTE FUNCTION refuse_it()"
    )
    accept_scans(redis, batch)
    ledger = open_ledger(redis)
    _drainer(database, ledger).drain()
    assert warehouse.value("SELECT count(*) FROM scan") == 499
    failed = warehouse.row("SELECT reason, detail, payload FROM failed_work")
    assert failed["reason"] == "not_applicable"
    assert "this row cannot be written" in failed["detail"]
    assert failed["payload"]["scan_id"] == bad.scan_id
    assert ledger.state().entries == 0


def test_an_entry_that_keeps_killing_its_workers_is_cut_up_and_the_killer_set_aside(
    warehouse: Warehouse, redis: Redis, database: Database
) -> None:
    accept_scans(redis, _children(3))
    ledger = open_ledger(redis)
    handler = ScanHandler(database, ledger, most=100)
    (entry,) = ledger.take(10)
    suspect = Entry(entry.entry_id, entry.body, deliveries=SUSPECT_DELIVERIES)
    ledger.settle([suspect], handler.handle([suspect]).ids, {})
    singles = ledger.take(10)
    assert len(singles) == 3
    poison = Entry(singles[0].entry_id, singles[0].body, deliveries=POISON_DELIVERIES)
    handled = handler.handle([poison, *singles[1:]])
    ledger.settle(singles, handled.ids, handled.replies)
    assert warehouse.value("SELECT count(*) FROM scan") == 2
    assert warehouse.value("SELECT reason FROM failed_work") == "worker_died"
    assert not redis.exists(ledger.keys.index)


def test_an_entry_that_nobody_can_read_is_failed_work(warehouse: Warehouse, redis: Redis, database: Database) -> None:
    ledger = open_ledger(redis)
    redis.xadd(ledger.keys.stream, {"e": b'{"v": 99}'})
    accept_scans(redis, _children(1))
    _drainer(database, ledger).drain()
    assert warehouse.value("SELECT reason FROM failed_work") == "unreadable"
    assert warehouse.value("SELECT count(*) FROM scan") == 1
