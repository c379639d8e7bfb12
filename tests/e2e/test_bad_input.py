"""Bad input: each a problem that names the field and what is allowed; nothing written, nothing else hurt."""

import gzip
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import orjson
import pytest

from tests.support.system import RunningSystem, scan_of, submit
from tests.support.together import at_once
from tracetrack_common.ids import uuid7

Codes = Callable[[], str]
WAIT = {"Prefer": "wait=20"}


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"scan_id": str(uuid.UUID("b2f1f7a0-3c1d-4e56-9d2b-8a8f1f0e2d3c"))}, "scan_id"),
        ({"scan_id": 7}, "scan_id"),
        ({"kind": "pallet"}, "kind"),
        ({"code": "X" * 5_000}, "code"),
        ({"code": ""}, "code"),
        ({"code": 12345}, "code"),
        ({"colour": "red"}, "colour"),
        ({"device_id": 1}, "device_id"),
        ({"scanned_at": "yesterday"}, "scanned_at"),
        ({"scanned_at": "2026-11-23T10:00:00"}, "scanned_at"),
        ({"scanned_at": "0001-01-01T00:00:00Z"}, "scanned_at"),
        ({"seq": -1, "epoch": 1}, "seq"),
        ({"parent_code": None}, "body"),
        ({"bill_no": "B-1"}, "body"),
        ({"epoch": 1}, "body"),
    ],
)
def test_a_scan_with_a_mistake_is_refused_by_field(
    device: httpx.Client, sack: Codes, child: Codes, wrong: dict[str, Any], field: str
) -> None:
    scan = scan_of("child", child(), parent_code=sack()) | wrong
    problem = _problem(device.post("/api/v1/scans", content=orjson.dumps(scan)), 422)
    assert field in [error["field"] for error in problem["errors"]]
    if isinstance(scan["scan_id"], str):
        assert device.get(f"/api/v1/scans/{scan['scan_id']}").status_code == httpx.codes.NOT_FOUND


def test_malformed_json_is_refused(device: httpx.Client) -> None:
    assert "JSON" in _problem(device.post("/api/v1/scans", content=b'{"scan_id": '), 400)["detail"]
    assert "JSON" in _problem(device.post("/api/v1/scans/batch", content=b"[[["), 400)["detail"]


@pytest.mark.parametrize("path", ["/api/v1/scans", "/api/v1/scans/batch", "/api/v1/bills"])
def test_a_body_of_fifty_megabytes_is_refused_unread(admin: httpx.Client, path: str) -> None:
    assert "2097152" in _problem(admin.post(path, content=b" " * 50_000_000), 413)["detail"]


def test_a_body_without_its_length_is_counted(device: httpx.Client) -> None:
    for path in ("/api/v1/scans", "/api/v1/sessions"):
        _problem(device.post(path, content=iter([b" " * 1_000_000] * 5)), 413)


def test_a_compressed_body_is_refused(device: httpx.Client, child: Codes, sack: Codes) -> None:
    body = gzip.compress(orjson.dumps(scan_of("child", child(), parent_code=sack())))
    _problem(device.post("/api/v1/scans", content=body, headers={"Content-Encoding": "gzip"}), 415)


def test_more_than_a_thousand_scans_are_refused_together(device: httpx.Client, child: Codes) -> None:
    scans = [scan_of("parent", child()) for _ in range(1_001)]
    problem = _problem(device.post("/api/v1/scans/batch", json={"scans": scans}), 422)
    assert [error["field"] for error in problem["errors"]] == ["scans"]
    assert "1000" in problem["detail"]
    lines = b"\n".join(orjson.dumps(scan) for scan in scans)
    _problem(device.post("/api/v1/scans/batch", content=lines, headers={"Content-Type": "application/x-ndjson"}), 413)
    assert device.get(f"/api/v1/scans/{scans[0]['scan_id']}").status_code == httpx.codes.NOT_FOUND


@pytest.mark.parametrize("lines", [False, True])
def test_a_bad_scan_hurts_no_other_of_its_batch(
    device: httpx.Client, sack: Codes, child: Codes, *, lines: bool
) -> None:
    good = [scan_of("child", child(), parent_code=sack()) for _ in range(3)]
    bad = {**scan_of("parent", sack()), "colour": "red"}
    items = [good[0], bad, good[1], good[2]]
    if lines:
        body, content_type = b"\n".join(orjson.dumps(item) for item in items) + b"\n{oops\n", "application/x-ndjson"
    else:
        body, content_type = orjson.dumps({"scans": items}), "application/json"
    answer = device.post(
        "/api/v1/scans/batch", content=body, headers={"Content-Type": content_type, "Prefer": "wait=20"}
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    document = answer.json()
    assert (document["accepted"], document["rejected"]) == (3, 2 if lines else 1)
    assert (document["errors"][0]["index"], document["errors"][0]["field"]) == (1, "colour")
    assert [result["outcome"] for result in document["results"]] == ["applied"] * 3
    assert device.get(f"/api/v1/bags/{bad['code']}").status_code == httpx.codes.NOT_FOUND


def test_without_a_valid_token_nothing_is_answered(system: RunningSystem, sack: Codes) -> None:
    scan = scan_of("parent", sack())
    for token in (None, "nonsense", "x" * 5_000):
        with system.client(token) as stranger:
            problem = _problem(stranger.post("/api/v1/scans", json=scan), 401)
            assert problem["title"] == "A valid token is needed"
            _problem(stranger.get("/api/v1/bills"), 401)


def test_roles_may_do_what_is_theirs_and_no_more(device: httpx.Client, admin: httpx.Client, sack: Codes) -> None:
    bill = {"area": "lucknow", "capacity": 1, "destination": "Delhi"}
    assert "biller" in _problem(device.post("/api/v1/bills", json=bill), 403)["detail"]
    _problem(admin.post("/api/v1/scans", json=scan_of("parent", sack())), 403)


def test_another_areas_things_are_not_there(
    system: RunningSystem, device: httpx.Client, admin: httpx.Client, sack: Codes
) -> None:
    parent, bill_no = sack(), "E2E-FOREIGN"
    scan = scan_of("parent", parent)
    submit(device, scan)
    admin.post("/api/v1/bills", json={"bill_no": bill_no, "area": "lucknow", "capacity": 1, "destination": "Delhi"})
    enrolled = admin.post("/api/v1/devices", json={"name": f"foreign-{uuid7()}", "area": "indore"}).json()
    with system.client(enrolled["token"]) as foreign:
        for path in (f"bags/{parent}", f"bags/{parent}/history", f"bills/{bill_no}", f"scans/{scan['scan_id']}"):
            _problem(foreign.get(f"/api/v1/{path}"), 404)
        assert submit(foreign, scan_of("bill", parent, bill_no=bill_no))["outcome"] == "unknown_bill"
        reused = foreign.post("/api/v1/scans", json=scan, headers={"Prefer": "wait=20"})
        assert _problem(reused, 422)["type"].endswith("id_reused")


def test_a_wrong_password_and_an_unknown_user_look_the_same(system: RunningSystem) -> None:
    with system.client() as anyone:
        answers = [
            _problem(anyone.post("/api/v1/sessions", json={"username": name, "password": "not the password"}), 401)
            for name in ("admin", "nobody")
        ]
    assert answers[0]["detail"] == answers[1]["detail"]


def test_an_idempotency_key_makes_one_bill(admin: httpx.Client) -> None:
    bill = {"area": "lucknow", "capacity": 1, "destination": "Delhi"}
    key = {"Idempotency-Key": str(uuid7())}
    first, second = (admin.post("/api/v1/bills", json=bill, headers=key).json() for _ in range(2))
    assert first["bill_no"] == second["bill_no"]
    _problem(admin.post("/api/v1/bills", json=bill | {"capacity": 2}, headers=key), 422)


def test_every_route_documents_its_problems(system: RunningSystem) -> None:
    with system.client() as anyone:
        document = anyone.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/api/"):
                assert {"401", "503"} & set(operation["responses"]), f"{method} {path}"
    submit_scan = document["paths"]["/api/v1/scans"]["post"]
    assert submit_scan["requestBody"]["content"]["application/json"]["example"]["kind"] == "child"


def test_of_two_devices_that_use_one_identity_at_once_one_is_told_so(
    system: RunningSystem, device: httpx.Client, admin: httpx.Client, sack: Codes
) -> None:
    enrolled = admin.post("/api/v1/devices", json={"name": f"other-{uuid7()}", "area": "indore"}).json()
    with system.client(enrolled["token"]) as other:
        for _ in range(10):
            scan = scan_of("parent", sack())
            altered = {**scan, "code": sack()}
            mine, theirs = at_once([partial(_send_and_wait, device, scan), partial(_send_and_wait, other, altered)])
            assert sorted([mine.status_code, theirs.status_code]) == [200, 422]


def test_an_identity_twice_in_a_batch_is_answered_twice(device: httpx.Client, sack: Codes) -> None:
    scan = scan_of("parent", sack())
    other = {**scan, "code": sack()}
    answer = device.post("/api/v1/scans/batch", json={"scans": [scan, other, scan]}, headers=WAIT).json()
    assert [result["outcome"] for result in answer["results"]] == ["applied", "id_reused", "applied"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/bills/a%00b", 404),
        ("GET", "/api/v1/returns/a%00b", 404),
        ("GET", "/api/v1/bags/a%00b", 404),
        ("GET", "/api/v1/bills?area=%00", 422),
        ("GET", "/api/v1/bills?cursor=x", 422),
        ("GET", "/api/v1/bills?limit=0", 422),
        ("GET", "/api/v1/eod/2026-11-23?area=%00", 422),
        ("GET", "/api/v1/eod/1700006400", 422),
        ("POST", "/api/v1/eod/2026-11-23?area=%00", 422),
        ("GET", "/api/v1/nowhere", 404),
        ("PUT", "/api/v1/bills", 405),
    ],
)
def test_odd_paths_are_the_callers_mistake(admin: httpx.Client, method: str, path: str, status: int) -> None:
    _problem(admin.request(method, path), status)


def test_half_a_surrogate_pair_is_no_password(system: RunningSystem) -> None:
    body = rb'{"username": "admin", "password": "\ud800\ud800\ud800"}'
    with system.client() as anyone:
        answer = anyone.post("/api/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    assert _problem(answer, 422)["errors"][0]["field"] == "password"


def test_a_number_that_is_none_is_refused(device: httpx.Client, sack: Codes) -> None:
    scan = orjson.dumps(scan_of("parent", sack()) | {"seq": 1, "epoch": 1}).replace(b'"seq":1', b'"seq":1e999')
    problem = _problem(device.post("/api/v1/scans/batch", content=b'{"scans":[' + scan + b"]}"), 422)
    assert problem["errors"][0]["field"] == "seq"


@pytest.mark.parametrize("prefer", ["wait=20", "WAIT=20", 'wait="20"', "respond-async, wait = 20"])
def test_waiting_may_be_asked_for_as_the_standard_allows(device: httpx.Client, sack: Codes, prefer: str) -> None:
    answer = device.post("/api/v1/scans", json=scan_of("parent", sack()), headers={"Prefer": prefer})
    assert answer.status_code == httpx.codes.OK


@pytest.mark.parametrize("area", ["atlantis", "a\x00"])
def test_a_bill_for_an_area_that_is_not_there_is_refused_by_field(admin: httpx.Client, area: str) -> None:
    bill = {"area": area, "capacity": 1, "destination": "Delhi"}
    assert _problem(admin.post("/api/v1/bills", json=bill), 422)["errors"][0]["field"] == "area"


def _send_and_wait(client: httpx.Client, scan: dict[str, Any]) -> httpx.Response:
    return client.post("/api/v1/scans", json=scan, headers=WAIT)
