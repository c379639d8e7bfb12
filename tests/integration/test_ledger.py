"""The accept ledger in Valkey: who holds what, for how long, and how it ends."""

import pytest
from redis import Redis
from redis.client import PubSub
from redis.exceptions import ResponseError

from tests.support.ledgers import accept_body, is_empty, let_lease_run_out, open_ledger
from tests.support.together import at_once
from tests.support.waiting import eventually
from tracetrack_common.ledger import Entry, LedgerKeys


def bodies(entries: list[Entry]) -> list[bytes]:
    return [entry.body for entry in entries]


def test_entries_are_taken_in_the_order_they_were_accepted_and_each_once(redis: Redis) -> None:
    one, other = open_ledger(redis, consumer="one"), open_ledger(redis, consumer="other")
    for number in range(5):
        accept_body(redis, b"%d" % number)

    assert bodies(one.take(2)) == [b"0", b"1"]
    assert bodies(other.take(2)) == [b"2", b"3"]
    assert bodies(one.take(2)) == [b"4"]
    assert other.take(2) == []


def test_workers_that_take_at_once_never_take_the_same(redis: Redis) -> None:
    for number in range(200):
        accept_body(redis, b"%d" % number)
    workers = [open_ledger(redis, consumer=f"worker-{number}") for number in range(8)]

    taken = at_once([lambda worker=worker: bodies(worker.take(40)) for worker in workers])  # type: ignore[misc]

    assert sorted(int(body) for share in taken for body in share) == list(range(200))


def test_what_a_worker_holds_is_not_taken_over_while_its_lease_runs(redis: Redis) -> None:
    one, other = open_ledger(redis, consumer="one"), open_ledger(redis, consumer="other")
    accept_body(redis, b"a")
    held = one.take(1)

    assert other.take_over(10) == []

    let_lease_run_out(redis, held)
    assert [(entry.body, entry.deliveries) for entry in other.take_over(10)] == [(b"a", 2)]
    assert one.take_over(10) == []


def test_a_lease_that_was_renewed_runs_anew(redis: Redis) -> None:
    one, other = open_ledger(redis, consumer="one"), open_ledger(redis, consumer="other")
    accept_body(redis, b"a")
    held = one.take(1)
    let_lease_run_out(redis, held)

    one.renew(held)

    assert other.take_over(10) == []


def test_a_renewed_lease_counts_as_no_further_delivery(redis: Redis) -> None:
    one, other = open_ledger(redis, consumer="one"), open_ledger(redis, consumer="other")
    accept_body(redis, b"a")
    held = one.take(1)
    for _ in range(5):
        one.renew(held)
    let_lease_run_out(redis, held)

    assert [entry.deliveries for entry in other.take_over(10)] == [2]


def test_each_holder_that_dies_is_counted(redis: Redis) -> None:
    accept_body(redis, b"a")
    held = open_ledger(redis, consumer="0").take(1)

    for number in range(2, 6):
        let_lease_run_out(redis, held)
        held = open_ledger(redis, consumer=str(number)).take_over(10)
        assert [entry.deliveries for entry in held] == [number]


def test_what_was_given_back_counts_as_never_tried(redis: Redis) -> None:
    one, other = open_ledger(redis, consumer="one"), open_ledger(redis, consumer="other")
    accept_body(redis, b"a")
    one.give_back(held := one.take(1))
    let_lease_run_out(redis, held)

    assert [entry.deliveries for entry in other.take_over(10)] == [1]


def test_what_was_settled_is_gone_with_its_identities_and_those_who_wait_are_told(redis: Redis) -> None:
    ledger = open_ledger(redis)
    accept_body(redis, b"a", ids=["id-1", "id-2"])
    accept_body(redis, b"b", ids=["id-3"])
    with PubSub(redis.connection_pool, ignore_subscribe_messages=True) as listener:
        listener.subscribe("tt:reply:gateway")
        listener.get_message(timeout=1)

        ledger.settle(ledger.take(2), ["id-1", "id-2", "id-3"], {"tt:reply:gateway": b"[]"})

        assert eventually(lambda: listener.get_message(timeout=1))["data"] == b"[]"
    assert is_empty(redis)


def test_what_was_settled_after_its_lease_ran_out_is_not_handed_out_again(redis: Redis) -> None:
    one, other = open_ledger(redis, consumer="one"), open_ledger(redis, consumer="other")
    accept_body(redis, b"a")
    held = one.take(1)
    let_lease_run_out(redis, held)
    other.take_over(10)

    one.settle(held, [], {})

    assert other.take_over(10) == []
    assert is_empty(redis)


def test_an_entry_that_was_split_is_replaced_by_its_parts_at_the_end(redis: Redis) -> None:
    ledger = open_ledger(redis)
    accept_body(redis, b"ab", ids=["a", "b"])
    accept_body(redis, b"c")
    (entry,) = ledger.take(1)

    ledger.split(entry, [b"a", b"b"])

    assert bodies(ledger.take(10)) == [b"c", b"a", b"b"]
    assert redis.hgetall(LedgerKeys("scans").index) == {b"a": b"device:1", b"b": b"device:1"}


def test_a_look_puts_the_sign_up_that_somebody_drains_and_the_last_look_takes_it_down(redis: Redis) -> None:
    ledger = open_ledger(redis)

    ledger.take(1)
    assert ledger.is_draining()

    ledger.take(1, last_look=True)
    assert not ledger.is_draining()


def test_the_sign_outlives_a_drainer_that_died_by_seconds_only(redis: Redis) -> None:
    open_ledger(redis).take(1)

    assert 0 < redis.pttl(LedgerKeys("scans").draining) <= 2_000


def test_the_state_tells_what_waits_what_is_held_and_what_was_abandoned(redis: Redis) -> None:
    ledger = open_ledger(redis)
    assert (ledger.state().entries, ledger.state().oldest_age_s) == (0, 0.0)
    for body in (b"a", b"b", b"c"):
        accept_body(redis, body)

    held = ledger.take(2)
    state = ledger.state()
    assert (state.entries, state.undelivered, state.abandoned) == (3, 1, 0)
    assert 0 <= state.oldest_age_s < 60

    let_lease_run_out(redis, held)
    assert ledger.state().abandoned == 1


def test_an_emptied_redis_is_an_empty_ledger_that_can_be_made_anew(redis: Redis) -> None:
    ledger = open_ledger(redis)
    accept_body(redis, b"a")
    ledger.take(1)
    redis.flushdb()

    assert (ledger.state().entries, ledger.state().undelivered) == (0, 0)
    with pytest.raises(ResponseError, match="NOGROUP"):
        ledger.take(1)

    accept_body(redis, b"b")
    ledger.ensure_group()
    ledger.ensure_group()
    assert bodies(ledger.take(1)) == [b"b"]


def test_consumers_of_processes_that_ended_are_forgotten_unless_they_hold_something(redis: Redis) -> None:
    idle, holding = open_ledger(redis, consumer="idle"), open_ledger(redis, consumer="holding")
    accept_body(redis, b"a")
    holding.take(1)
    idle.take(1)
    eventually(lambda: all(each["idle"] > 0 for each in redis.xinfo_consumers(LedgerKeys("scans").stream, "workers")))

    idle.forget_idle_consumers(0)

    assert [each["name"] for each in redis.xinfo_consumers(LedgerKeys("scans").stream, "workers")] == [b"holding"]


def test_ledgers_of_different_queues_share_nothing(redis: Redis) -> None:
    scans, commands = open_ledger(redis), open_ledger(redis, queue="commands")
    accept_body(redis, b"a", queue="commands", ids=["a"])

    assert scans.take(1) == []
    assert scans.state().entries == 0
    assert bodies(commands.take(1)) == [b"a"]
