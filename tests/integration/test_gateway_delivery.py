"""What devices are told of their counters, over HTTP."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

import httpx

from tests.support.gateway import Api, problem_of
from tests.support.system import scan_of
from tests.support.waiting import eventually
from tracetrack_common.redis_client import connect_worker

SCANS = "/api/v1/scans"
DELIVERY = "/api/v1/devices/me/delivery"
WAIT = {"Prefer": "wait=20"}


def counted(*seqs: int, epoch: int = 1) -> list[dict[str, Any]]:
    return [scan_of("parent", f"SB{seq:05d}", epoch=epoch, seq=seq) for seq in seqs]


def send(device: httpx.Client, scans: Iterable[dict[str, Any]], **headers: str) -> dict[str, Any]:
    answer = device.post(f"{SCANS}/batch", json={"scans": list(scans)}, headers=headers)
    assert answer.is_success, answer.text
    document: dict[str, Any] = answer.json()
    return document


def told(epoch: int, applied_through: int, *missing: list[int], listed_through: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "applied_through": applied_through,
        "missing": list(missing),
        "failed": [],
        "listed_through": listed_through,
    }


def test_whoever_waits_is_told_what_has_arrived_with_the_scans_that_were_waited_for(device: httpx.Client) -> None:
    batch = send(device, counted(1, 2, 5), **WAIT)
    assert batch["delivery"] == told(1, 2, [3, 4], listed_through=5)
    assert all("delivery" not in result for result in batch["results"])
    (scan,) = counted(3)
    single = device.post(SCANS, json=scan, headers=WAIT).json()
    assert single["delivery"] == told(1, 3, [4, 4], listed_through=5)
    assert device.post(SCANS, json=scan, headers=WAIT).json() == single
    assert device.get(f"{SCANS}/{scan['scan_id']}").json()["delivery"] == single["delivery"]


def test_whoever_does_not_wait_is_told_what_had_arrived_before(device: httpx.Client) -> None:
    (first, second) = counted(1, 2)
    assert device.post(SCANS, json=first).json() == {"scan_id": first["scan_id"], "status": "queued", "delivery": None}
    eventually(lambda: device.get(f"{SCANS}/{first['scan_id']}").json()["status"] == "done")
    assert device.post(SCANS, json=second).json()["delivery"] == told(1, 1, listed_through=1)
    assert eventually(lambda: (found := send(device, [second])["delivery"])["applied_through"] == 2 and found)


def test_a_device_that_does_not_count_is_told_nothing(device: httpx.Client) -> None:
    scan = scan_of("parent", "SB00001")
    assert device.post(SCANS, json=scan, headers=WAIT).json()["delivery"] is None
    assert send(device, [scan], **WAIT)["delivery"] is None
    assert device.get(f"{SCANS}/{scan['scan_id']}").json()["delivery"] is None
    assert device.get(DELIVERY).json()["epochs"] == []


def test_replies_tell_of_the_newest_epoch_and_all_are_there_to_be_asked_for(device: httpx.Client) -> None:
    for epoch in (3, 1, 2):
        waited_for = send(device, counted(1, 3, epoch=epoch), **WAIT)["delivery"]
        assert waited_for == told(epoch, 1, [2, 2], listed_through=3)
    assert send(device, counted(5, epoch=1))["delivery"]["epoch"] == 3
    assert send(device, counted(2, epoch=3), **WAIT)["delivery"] == told(3, 3, listed_through=3)

    page = device.get(DELIVERY, params={"limit": 2}).json()
    assert page["epochs"] == [
        {**told(3, 3, listed_through=3), "highest_seq": 3},
        {**told(2, 1, [2, 2], listed_through=3), "highest_seq": 3},
    ]
    rest = device.get(DELIVERY, params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert ([each["epoch"] for each in rest["epochs"]], rest["next_cursor"]) == ([1], None)


def test_the_next_epoch_is_one_that_was_never_used(device: httpx.Client) -> None:
    first = device.get(DELIVERY).json()["next_epoch"]
    send(device, counted(1, epoch=first + 1_000), **WAIT)
    assert device.get(DELIVERY).json()["next_epoch"] == first + 1_001


def test_long_lists_are_cut_in_replies_and_say_how_far_they_go(device: httpx.Client) -> None:
    odd = counted(*range(1, 200, 2))
    reply = send(device, odd, **WAIT)["delivery"]
    assert (reply["applied_through"], len(reply["missing"])) == (1, 32)
    assert reply["missing"][-1] == [64, 64]
    assert reply["listed_through"] == 65
    (epoch,) = device.get(DELIVERY).json()["epochs"]
    assert (len(epoch["missing"]), epoch["listed_through"], epoch["highest_seq"]) == (99, 199, 199)


def test_devices_are_told_of_their_own_counters_only(api: Api) -> None:
    with api.device() as one, api.device() as other:
        send(one, counted(1, 2), **WAIT)
        assert send(other, counted(7), **WAIT)["delivery"] == told(1, 0, [1, 6], listed_through=7)


def test_people_have_no_counters(api: Api, device: httpx.Client, admin: httpx.Client) -> None:
    (scan,) = counted(1)
    send(device, [scan], **WAIT)
    problem_of(admin.get(DELIVERY), 403)
    assert "delivery" not in admin.get(f"{SCANS}/{scan['scan_id']}").json()
    with api.gateway.client() as anyone:
        problem_of(anyone.get(DELIVERY), 401)


def test_with_an_emptied_redis_a_device_is_told_nothing_wrong_and_a_resend_brings_it_back(
    api: Api, device: httpx.Client
) -> None:
    scans = counted(1, 2, 3)
    send(device, scans, **WAIT)
    with closing(connect_worker(api.settings)) as redis:
        redis.delete("tt:delivery")
    assert send(device, scans[:1])["delivery"] is None
    assert device.get(DELIVERY).json()["epochs"][0]["applied_through"] == 3
    assert send(device, scans, **WAIT)["delivery"] == told(1, 3, listed_through=3)


def test_a_counter_beyond_what_a_range_can_hold_is_refused(device: httpx.Client) -> None:
    (scan,) = counted(2**63 - 1)
    problem = problem_of(device.post(SCANS, json=scan), 422)
    assert [error["field"] for error in problem["errors"]] == ["seq"]
