"""Scans over HTTP: accepted durably, applied once, answered with their outcome to whoever waits."""

import itertools
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import orjson
import pytest

from tests.support.gateway import Api, GatewayThread, problem_of
from tests.support.ledgers import is_empty
from tests.support.scans import INDORE
from tests.support.system import scan_of
from tests.support.together import at_once
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse
from tracetrack_common.redis_client import connect_worker
from tracetrack_common.settings import Settings

_numbers = itertools.count(1)
WAIT = {"Prefer": "wait=20"}
NDJSON = {"Content-Type": "application/x-ndjson"}


def new_sack() -> str:
    return f"SB{next(_numbers):05d}"


def new_child() -> str:
    return f"CH{next(_numbers):06d}"


def child_scan(**fields: Any) -> dict[str, Any]:
    return scan_of("child", new_child(), parent_code=new_sack(), **fields)


def send(device: httpx.Client, scan: dict[str, Any], **headers: str) -> httpx.Response:
    return device.post("/api/v1/scans", json=scan, headers=headers)


def test_a_scan_that_is_not_waited_for_is_accepted_and_its_outcome_is_found_later(api: Api) -> None:
    scan = child_scan()
    with api.device() as device:
        accepted = send(device, scan)
        queued = {"scan_id": scan["scan_id"], "status": "queued", "delivery": None}
        assert (accepted.status_code, accepted.json()) == (202, queued)

        address = f"/api/v1/scans/{scan['scan_id']}"
        done = eventually(lambda: (found := device.get(address).json())["status"] == "done" and found)

    assert done["outcome"] == "applied"
    assert datetime.fromisoformat(done["scanned_at"]) == datetime.fromisoformat(scan["scanned_at"])
    assert datetime.fromisoformat(done["received_at"]) >= datetime.fromisoformat(done["scanned_at"])


@pytest.mark.parametrize("prefer", ["wait=20", "respond-async, wait=20", "wait=20;foo, handling=strict"])
def test_whoever_prefers_to_wait_gets_the_outcome(api: Api, prefer: str) -> None:
    with api.device() as device:
        answer = send(device, child_scan(), Prefer=prefer)

    assert answer.status_code == httpx.codes.OK
    assert (answer.json()["outcome"], answer.json()["feedback"]) == ("applied", "ok")


@pytest.mark.parametrize("prefer", ["wait=0", "wait=-1", "wait=abc", "return=minimal", "await=5", ""])
def test_a_preference_that_names_no_wait_is_no_wait(api: Api, prefer: str) -> None:
    with api.device() as device:
        assert send(device, child_scan(), Prefer=prefer).status_code == httpx.codes.ACCEPTED


def test_a_wait_that_is_too_short_ends_with_queued_and_the_scan_stays_accepted(
    settings: Settings, warehouse: Warehouse
) -> None:
    scan = child_scan()
    with GatewayThread(settings) as gateway, gateway.client(warehouse.device().token) as device:
        answer = send(device, scan, Prefer="wait=1")

        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        queued = {"scan_id": scan["scan_id"], "status": "queued"}
        assert device.get(f"/api/v1/scans/{scan['scan_id']}").json() == {**queued, "delivery": None}
        batch = device.post("/api/v1/scans/batch", json={"scans": [scan]}, headers={"Prefer": "wait=1"})
        assert (batch.status_code, batch.json()["results"]) == (202, [queued])
        with gateway.client(warehouse.device().token) as another:
            problem_of(another.get(f"/api/v1/scans/{scan['scan_id']}"), 404)


def test_codes_are_read_as_people_and_labels_write_them(api: Api) -> None:
    sack = new_sack()
    with api.device() as device:
        first = send(device, scan_of("child", " ch77777 ", parent_code=sack.lower()), **WAIT).json()
        label = send(device, scan_of("child", "LABEL NO.0016586 LOT 77", parent_code=sack), **WAIT).json()

        assert first["message"] == f"CH77777 in {sack} (1/30, 1 kg)"
        assert label["message"] == f"0016586 in {sack} (2/30, 2 kg)"
        assert device.get(f"/api/v1/bags/{sack.lower()}").json()["children"] == ["CH77777", "0016586"]


@pytest.mark.parametrize("fast_by", [timedelta(days=3650), timedelta(hours=-5), timedelta(0)])
def test_a_device_whose_clock_is_wrong_says_what_it_shows_and_is_corrected(api: Api, fast_by: timedelta) -> None:
    truly = datetime.now(UTC) - timedelta(minutes=10)
    scan = child_scan(scanned_at=(truly + fast_by).isoformat())
    with api.device() as device:
        send(device, {**scan, "sent_at": (datetime.now(UTC) + fast_by).isoformat()}, **WAIT)
        found = device.get(f"/api/v1/scans/{scan['scan_id']}").json()

    assert abs(datetime.fromisoformat(found["scanned_at"]) - truly) < timedelta(seconds=5)
    kept = api.warehouse.value("SELECT device_time FROM scan WHERE scan_id = :id", id=scan["scan_id"])
    assert kept == truly + fast_by


def test_a_batch_is_answered_in_its_order(api: Api) -> None:
    sack, child = new_sack(), new_child()
    scans = [
        scan_of("parent", sack),
        scan_of("child", child, parent_code=sack),
        scan_of("child", child, parent_code=sack),
    ]
    with api.device() as device:
        answer = device.post("/api/v1/scans/batch", json={"scans": scans}, headers=WAIT)

    assert answer.status_code == httpx.codes.OK
    document = answer.json()
    assert [document[name] for name in ("accepted", "rejected", "errors", "delivery")] == [3, 0, [], None]
    assert [result["scan_id"] for result in answer.json()["results"]] == [scan["scan_id"] for scan in scans]
    assert [result["outcome"] for result in answer.json()["results"]] == ["applied", "applied", "duplicate"]


def test_a_batch_of_a_thousand_is_applied_whole(api: Api) -> None:
    sacks = [new_sack() for _ in range(40)]
    scans = [scan_of("child", new_child(), parent_code=sack) for sack in sacks for _ in range(25)]
    with api.device() as device:
        answer = device.post("/api/v1/scans/batch", json={"scans": scans}, headers=WAIT)

        assert {result["outcome"] for result in answer.json()["results"]} == {"applied"}
        assert [len(device.get(f"/api/v1/bags/{sack}").json()["children"]) for sack in sacks] == [25] * 40


def test_lines_are_a_batch_and_the_header_says_what_the_clock_shows(api: Api) -> None:
    fast_by = timedelta(hours=7)
    scans = [child_scan(scanned_at=(datetime.now(UTC) + fast_by).isoformat()) for _ in range(3)]
    body = b"\n\r\n".join(orjson.dumps(scan) for scan in scans) + b"\n\n"
    headers = WAIT | NDJSON | {"Sent-At": (datetime.now(UTC) + fast_by).isoformat()}
    with api.device() as device:
        answer = device.post("/api/v1/scans/batch", content=body, headers=headers)

        assert [result["outcome"] for result in answer.json()["results"]] == ["applied"] * 3
        found = device.get(f"/api/v1/scans/{scans[0]['scan_id']}").json()
    assert abs(datetime.fromisoformat(found["scanned_at"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_scan_sent_again_hears_its_first_outcome(api: Api) -> None:
    scan = child_scan()
    with api.device() as device:
        first = send(device, scan, **WAIT).json()
        assert first["outcome"] == "applied"
        assert [send(device, scan, **WAIT).json() for _ in range(3)] == [first] * 3
    assert api.warehouse.value("SELECT count(*) FROM scan WHERE scan_id = :id", id=scan["scan_id"]) == 1


def test_a_scan_sent_fifty_times_at_once_is_applied_once_and_each_hears_the_outcome(api: Api) -> None:
    scan = child_scan()
    with api.device() as device:
        answers = at_once([partial(send, device, scan, **WAIT)] * 50)

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["message"] for answer in answers} == {f"{scan['code']} in {scan['parent_code']} (1/30, 1 kg)"}
    assert api.warehouse.value("SELECT count(*) FROM scan WHERE scan_id = :id", id=scan["scan_id"]) == 1


def test_other_content_under_a_used_identity_is_refused_and_shows_in_the_failed_work(api: Api) -> None:
    scan = child_scan()
    with api.device() as device, api.device(INDORE) as stranger:
        first = send(device, scan, **WAIT).json()
        for sender, other in ((device, {**scan, "code": new_child()}), (stranger, scan)):
            assert problem_of(send(sender, other, **WAIT), 422)["type"].endswith("/id_reused")

        assert device.get(f"/api/v1/scans/{scan['scan_id']}").json()["message"] == first["message"]
        problem_of(stranger.get(f"/api/v1/scans/{scan['scan_id']}"), 404)
    failed = api.warehouse.rows("SELECT reason FROM failed_work WHERE payload ->> 'scan_id' = :id", id=scan["scan_id"])
    assert failed == [{"reason": "id_reused"}] * 2


def test_an_identity_twice_in_a_batch_with_other_content_is_told_apart(api: Api) -> None:
    scan = child_scan()
    with api.device() as device:
        answer = device.post("/api/v1/scans/batch", json={"scans": [scan, {**scan, "code": new_child()}]}, headers=WAIT)

    assert [result["outcome"] for result in answer.json()["results"]] == ["applied", "id_reused"]


def test_two_devices_with_one_identity_at_once_never_hear_each_others_outcome(api: Api) -> None:
    headers = WAIT | {"X-Request-Id": "the-same-for-both"}
    with api.device() as one, api.device(INDORE) as other:
        for _ in range(10):
            mine, theirs = child_scan(), child_scan()
            theirs["scan_id"] = mine["scan_id"]

            answers = at_once([partial(send, one, mine, **headers), partial(send, other, theirs, **headers)])

            assert sorted(answer.status_code for answer in answers) == [200, 422]
            for scan, answer in zip((mine, theirs), answers, strict=True):
                assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY or scan["code"] in answer.text


def test_nothing_is_left_in_the_ledger_when_all_is_applied(api: Api) -> None:
    with api.device() as device:
        for _ in range(5):
            send(device, child_scan())
    redis = connect_worker(api.settings)
    eventually(lambda: is_empty(redis))
    redis.close()


def test_a_request_keeps_the_name_it_came_with_or_is_given_one(api: Api) -> None:
    with api.device() as device:
        assert (
            send(device, child_scan(), **{"X-Request-Id": "gun-7.request-1"}).headers["x-request-id"]
            == "gun-7.request-1"
        )
        for bad in ("short", "x" * 65, "with blank here", "<script>alert(1)</script>"):
            given = send(device, child_scan(), **{"X-Request-Id": bad}).headers["x-request-id"]
            assert given != bad
            assert len(given) == 32
