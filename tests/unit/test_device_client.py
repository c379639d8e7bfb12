"""The reference client of devices: what was recorded is applied, once, whatever becomes of requests and answers."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_gateway import (
    ADDRESS,
    NEXT_EPOCH,
    TOKEN,
    FakeGateway,
    Fault,
    answers,
    cut_after,
    cut_before,
    lose_ledger_after,
    portal,
)
from tests.support.waiting import eventually
from tracetrack_device import (
    AsyncDeviceClient,
    Backoff,
    DeviceClient,
    Habits,
    ProtocolError,
    Record,
    State,
    TokenRefusedError,
)


class _Longest(random.Random):
    """Chooses the longest pause there is."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


AT_ONCE = Backoff(first_s=0.0, most_s=0.0)
HASTY: dict[str, Any] = {"ask_every_s": 0.0, "resend_after_s": 0.0, "resend_most_s": 0.0, "retry": AT_ONCE}
PATIENCE_S = 20.0


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gun.journal"


@pytest.fixture
def gun(gateway: FakeGateway, path: Path) -> Iterator[DeviceClient]:
    with make_gun(gateway, path) as client:
        yield client


def make_gun(gateway: FakeGateway, path: Path | str, **habits: Any) -> DeviceClient:
    return DeviceClient(ADDRESS, TOKEN, path, habits=Habits(**{**HASTY, **habits}), http=gateway.client())


def record(gun: DeviceClient, count: int) -> list[str]:
    return [gun.record("child", f"CH{number:05d}", parent_code="SB00001") for number in range(count)]


def assert_all_applied_once(gateway: FakeGateway, scan_ids: list[str]) -> None:
    assert gateway.effects == dict.fromkeys(scan_ids, 1)


def test_a_scan_gets_its_outcome_at_once(gun: DeviceClient) -> None:
    scanned = gun.scan("child", "CH12345", parent_code="SB00001")
    assert (scanned.state, scanned.feedback) == (State.DONE, "ok")
    assert scanned.answer is not None
    assert scanned.answer["message"] == "CH12345 heard"
    assert gun.waiting == 0


def test_scans_are_sent_in_batches_in_the_order_of_recording_with_counters_from_one(
    gateway: FakeGateway, path: Path
) -> None:
    with make_gun(gateway, path, batch=40) as gun:
        recorded = record(gun, 100)
        assert gun.deliver(PATIENCE_S)
    assert list(gateway.applied) == recorded
    assert [scan["seq"] for scan in gateway.applied.values()] == list(range(1, 101))
    assert {scan["epoch"] for scan in gateway.applied.values()} == {NEXT_EPOCH}
    assert gateway.requests.count("POST /api/v1/scans/batch") == 3


def test_without_a_server_a_scan_is_recorded_and_the_person_is_not_kept_waiting(
    gateway: FakeGateway, path: Path
) -> None:
    with make_gun(gateway, path, retry=Backoff(first_s=600, most_s=600, rng=_Longest())) as gun:
        gateway.faults = [cut_before]
        scanned = gun.scan("parent", "SB00001")
        assert (scanned.state, scanned.feedback) == (State.WAITING, None)
        assert len(gateway.requests) == 1
        assert gun.scan("parent", "SB00002").feedback is None
        assert len(gateway.requests) == 1, "the pause holds for the next scan too"


def test_it_never_comes_back_before_the_server_asked_it_to(gateway: FakeGateway, gun: DeviceClient) -> None:
    record(gun, 1)
    gateway.faults = [answers(503, **{"Retry-After": "7"})]
    pause_s = gun.step()
    assert pause_s is not None
    assert pause_s >= 7
    sent = len(gateway.requests)
    again_s = gun.step()
    assert again_s is not None
    assert 6 < again_s <= 7
    assert len(gateway.requests) == sent


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(cut_before, id="request lost"),
        pytest.param(cut_after, id="answer lost"),
        pytest.param(lose_ledger_after, id="ledger lost after the 2xx"),
        pytest.param(portal, id="a guest network's login page"),
        *[pytest.param(answers(status), id=str(status)) for status in (408, 429, 500, 502, 503, 504)],
    ],
)
@pytest.mark.parametrize("wait_s", [0, 5])
def test_any_passing_fault_ends_in_one_effect(gateway: FakeGateway, path: Path, fault: Fault, wait_s: int) -> None:
    with make_gun(gateway, path, batch=10, wait_s=wait_s) as gun:
        recorded = record(gun, 30)
        gun.step()
        gateway.faults = [fault, fault]
        assert gun.deliver(PATIENCE_S)
        assert gun.troubles() == []
    assert_all_applied_once(gateway, recorded)


def test_what_was_accepted_and_is_not_applied_yet_is_kept(gateway: FakeGateway, path: Path) -> None:
    gateway.lazy = True
    with make_gun(gateway, path, resend_after_s=600.0) as gun:
        recorded = record(gun, 5)
        for _ in range(4):
            gun.step()
        assert (gun.waiting, gateway.requests.count("POST /api/v1/scans/batch")) == (5, 1)
        gateway.apply_ledger()
        assert gun.deliver(PATIENCE_S)
    assert_all_applied_once(gateway, recorded)


def test_what_the_server_lost_is_sent_again_though_new_scans_keep_coming(gateway: FakeGateway, path: Path) -> None:
    with make_gun(gateway, path, batch=1, wait_s=0) as gun:
        (lost,) = record(gun, 1)
        gateway.faults = [lambda *_: None, lose_ledger_after]
        for number in itertools.count():
            gun.record("parent", f"SB{number:05d}")
            gun.step()
            if lost in gateway.applied:
                break
            assert number < 20


def test_after_a_death_the_next_client_sends_everything_again(gateway: FakeGateway, path: Path) -> None:
    gateway.lazy = True
    with make_gun(gateway, path, batch=10) as gun:
        recorded = record(gun, 25)
        for _ in range(2):
            gun.step()
    gateway.lose_ledger()
    gateway.lazy = False
    with make_gun(gateway, path) as gun:
        assert gun.waiting == 25
        assert gun.deliver(PATIENCE_S)
    assert list(gateway.applied) == recorded
    assert {scan["epoch"] for scan in gateway.applied.values()} == {NEXT_EPOCH}


@pytest.mark.parametrize("in_backup", [0, 5])
@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("wait_s", [0, 5])
def test_what_a_server_restored_from_a_backup_has_forgotten_is_sent_again_with_the_next_scan(
    gateway: FakeGateway, path: Path, wait_s: int, *, is_restarted: bool, in_backup: int
) -> None:
    gateway.stopped = frozenset({"CH00007"})
    gun = make_gun(gateway, path, batch=4, wait_s=wait_s, resend_after_s=600.0)
    recorded = record(gun, 12)
    wrong = gun.record("child", "", parent_code="SB00001")
    assert gun.deliver(PATIENCE_S)
    gateway.restore_backup(in_backup)
    if is_restarted:
        gun.close()
        gun = make_gun(gateway, path, batch=4, wait_s=wait_s, resend_after_s=600.0)
    with gun:
        recorded.append(gun.record("parent", "SB00001"))
        assert gun.deliver(PATIENCE_S)
        assert [
            each.scan_id for each in gun.troubles() if each.answer == {"detail": "code: at least one character"}
        ] == [wrong]
    assert_all_applied_once(gateway, recorded)
    assert [scan_id for scan_id in gateway.applied if scan_id != recorded[-1]] == recorded[:-1]


def test_a_new_journal_counts_in_a_new_epoch(gateway: FakeGateway, tmp_path: Path) -> None:
    for number in range(3):
        with make_gun(gateway, tmp_path / f"{number}.journal") as gun:
            gun.scan("parent", f"SB{number:05d}")
    assert [(scan["epoch"], scan["seq"]) for scan in gateway.applied.values()] == [
        (NEXT_EPOCH, 1),
        (NEXT_EPOCH + 1, 1),
        (NEXT_EPOCH + 2, 1),
    ]


def test_a_journal_restored_from_a_copy_counts_on_in_a_new_epoch(gateway: FakeGateway, path: Path) -> None:
    with make_gun(gateway, path) as gun:
        gun.scan("parent", "SB00001")
    copy = path.read_bytes()
    with make_gun(gateway, path) as gun:
        gun.scan("parent", "SB00002")
    path.write_bytes(copy)
    with make_gun(gateway, path) as gun:
        assert gun.scan("parent", "SB00003").feedback == "ok"
    assert [(scan["epoch"], scan["seq"]) for scan in gateway.applied.values()] == [
        (NEXT_EPOCH, 1),
        (NEXT_EPOCH, 2),
        (NEXT_EPOCH + 1, 1),
    ]


def test_a_new_epoch_can_be_begun_by_hand(gateway: FakeGateway, gun: DeviceClient) -> None:
    gun.scan("parent", "SB00001")
    gun.begin_epoch()
    gun.scan("parent", "SB00002")
    assert [scan["epoch"] for scan in gateway.applied.values()] == [NEXT_EPOCH, NEXT_EPOCH + 1]


def test_what_is_refused_stays_visible_until_it_is_dismissed(gateway: FakeGateway, gun: DeviceClient) -> None:
    gateway.stopped = frozenset({"CH00002"})
    good = gun.record("child", "CH00001", parent_code="SB00001")
    stopped = gun.record("child", "CH00002", parent_code="SB00001")
    wrong = gun.record("child", "", parent_code="SB00001")
    assert gun.deliver(PATIENCE_S)
    assert [(each.scan_id, each.state, each.feedback) for each in gun.troubles()] == [
        (stopped, State.REFUSED, "stop"),
        (wrong, State.REFUSED, "stop"),
    ]
    assert gun.troubles()[1].answer == {"detail": "code: at least one character"}
    assert gun.dismiss(stopped)
    assert not gun.dismiss(good)
    assert [each.scan_id for each in gun.troubles()] == [wrong]


def test_a_batch_without_one_good_scan_is_refused_scan_by_scan(gun: DeviceClient) -> None:
    gun.record("parent", "")
    gun.record("parent", "")
    assert gun.deliver(PATIENCE_S)
    assert [each.state for each in gun.troubles()] == [State.REFUSED, State.REFUSED]


def test_a_scan_that_failed_on_the_server_is_not_sent_again_and_shows_until_it_is_applied(
    gateway: FakeGateway, gun: DeviceClient
) -> None:
    gateway.failing = frozenset({"SB00002"})
    first, bad, last = (gun.record("parent", f"SB0000{number}") for number in (1, 2, 3))
    assert gun.deliver(PATIENCE_S)
    assert [(each.scan_id, each.state) for each in gun.troubles()] == [(bad, State.FAILED)]
    sent = gateway.requests.count("POST /api/v1/scans/batch")
    assert sent == 1

    gateway.failing = frozenset()
    gateway.ledger.append(gateway.failed[bad])
    gateway.apply_ledger()
    fourth = gun.scan("parent", "SB00004").scan_id
    assert gun.deliver(PATIENCE_S)
    assert gun.troubles() == []
    assert_all_applied_once(gateway, [first, last, bad, fourth])


def test_a_batch_that_is_too_large_is_sent_in_parts(gateway: FakeGateway, gun: DeviceClient) -> None:
    gateway.most_scans = 7
    recorded = record(gun, 50)
    assert gun.deliver(PATIENCE_S)
    assert list(gateway.applied) == recorded


def test_one_scan_that_is_too_large_is_refused_and_holds_up_no_other(gateway: FakeGateway, gun: DeviceClient) -> None:
    gateway.most_scans = 0
    record(gun, 2)
    assert gun.deliver(PATIENCE_S)
    assert len(gun.troubles()) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, TokenRefusedError), (403, TokenRefusedError), (400, ProtocolError), (404, ProtocolError)],
)
def test_what_only_a_person_can_mend_is_told_and_nothing_is_lost(
    gateway: FakeGateway, gun: DeviceClient, status: int, error: type[Exception]
) -> None:
    recorded = record(gun, 2)
    gateway.faults = [answers(status)]
    with pytest.raises(error, match=str(status)):
        gun.deliver(PATIENCE_S)
    gateway.faults = [lambda *_: None, answers(status)]
    with pytest.raises(error, match=str(status)):
        gun.deliver(PATIENCE_S)
    assert gun.deliver(PATIENCE_S)
    assert_all_applied_once(gateway, recorded)


def test_a_thread_of_its_own_delivers_while_scans_are_recorded(gateway: FakeGateway, path: Path) -> None:
    heard: list[Record] = []
    gun = DeviceClient(ADDRESS, TOKEN, path, habits=Habits(**HASTY), http=gateway.client(), on_settled=heard.append)
    with gun, gun.delivering():
        recorded = record(gun, 20)
        assert gun.scan("parent", "SB00001", within_s=PATIENCE_S).feedback == "ok"
        eventually(lambda: gun.waiting == 0)
    assert [each.scan_id for each in heard][:20] == recorded
    assert len(heard) == 21


async def use_asynchronously(gateway: FakeGateway, path: Path) -> list[Record]:
    async with AsyncDeviceClient(make_gun(gateway, path)) as gun:
        await gun.record("parent", "")
        scanned = await gun.scan("parent", "SB00001")
        assert scanned.feedback == "ok"
        assert await gun.deliver(PATIENCE_S)
        return await gun.troubles()


def test_it_can_be_used_from_asyncio(gateway: FakeGateway, path: Path) -> None:
    import asyncio  # noqa: PLC0415 - only here

    (refused,) = asyncio.run(use_asynchronously(gateway, path))
    assert refused.state is State.REFUSED


FAULTS = [cut_before, cut_after, lose_ledger_after, portal, answers(503), answers(500), lambda *_: None]


@given(
    faults=st.lists(st.sampled_from(FAULTS), max_size=12),
    groups=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    batch=st.integers(1, 6),
    wait_s=st.sampled_from([0, 5]),
    deaths=st.sets(st.integers(0, 4)),
)
def test_whatever_happens_every_scan_is_applied_exactly_once(
    tmp_path_factory: pytest.TempPathFactory,
    faults: list[Fault],
    groups: list[int],
    batch: int,
    wait_s: int,
    deaths: set[int],
) -> None:
    gateway = FakeGateway(faults=list(faults))
    path = tmp_path_factory.mktemp("gun") / "journal"
    recorded: list[str] = []
    gun = make_gun(gateway, path, batch=batch, wait_s=wait_s)
    for number, count in enumerate(groups):
        recorded += record(gun, count)
        gun.step()
        gun.step()
        if number in deaths:
            gun.close()
            gun = make_gun(gateway, path, batch=batch, wait_s=wait_s)
    assert gun.deliver(PATIENCE_S)
    assert gun.troubles() == []
    gun.close()
    assert_all_applied_once(gateway, recorded)
    counters = [(scan["epoch"], scan["seq"]) for scan in gateway.applied.values()]
    assert sorted(counters) == [(NEXT_EPOCH, seq) for seq in range(1, len(recorded) + 1)]
