"""Bad scans: each mistake is a problem that names the field and what is allowed; nothing is written, nothing hurt."""

import gzip
import itertools
import uuid
from typing import Any

import httpx
import orjson
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.system import scan_of

_numbers = itertools.count(1)
WAIT = {"Prefer": "wait=20"}
JSON, NDJSON = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}
BILL = {"area": "lucknow", "capacity": 5, "destination": "Delhi"}
V4 = str(uuid.UUID("b2f1f7a0-3c1d-4e56-9d2b-8a8f1f0e2d3c"))


def child_scan(**fields: Any) -> dict[str, Any]:
    return scan_of("child", f"CH{next(_numbers):06d}", parent_code="SB00001", **fields)


SCAN_MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"scan_id": V4}, "scan_id", "version 7"),
    ({"scan_id": "no uuid"}, "scan_id", "UUID"),
    ({"scan_id": 7}, "scan_id", "UUID"),
    ({"scan_id": None}, "scan_id", "UUID"),
    ({"kind": "pallet"}, "kind", "'parent', 'child', 'bill' or 'return'"),
    ({"code": "X" * 5_000}, "code", "at most 200 characters"),
    ({"code": ""}, "code", "at least 1 character"),
    ({"code": 12345}, "code", "string"),
    ({"code": ["CH12345"]}, "code", "string"),
    ({"parent_code": "X" * 5_000}, "parent_code", "at most 200 characters"),
    ({"device_id": 1}, "device_id", "not permitted"),
    ({"area_id": 1}, "area_id", "not permitted"),
    ({"outcome": "applied"}, "outcome", "not permitted"),
    ({"scanned_at": "yesterday"}, "scanned_at", "datetime"),
    ({"scanned_at": "2026-11-23T10:00:00"}, "scanned_at", "timezone"),
    ({"scanned_at": "1969-12-31T23:59:59Z"}, "scanned_at", "1970"),
    ({"scanned_at": "2200-01-01T00:00:00Z"}, "scanned_at", "2200"),
    ({"scanned_at": True}, "scanned_at", "datetime"),
    ({"epoch": 1, "seq": -1}, "seq", "greater than or equal to 0"),
    ({"epoch": 2**31, "seq": 1}, "epoch", "less than or equal to"),
    ({"epoch": 1, "seq": 2**63}, "seq", "less than or equal to"),
    ({"epoch": 1.5, "seq": 1}, "epoch", "integer"),
    ({"epoch": "1", "seq": 1}, "epoch", "integer"),
]


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(("wrong", "field", "allowed"), SCAN_MISTAKES, ids=lambda value: str(value)[:40])
def test_a_scan_with_a_mistake_is_refused_alone_and_in_a_batch(
    device: httpx.Client, wrong: dict[str, Any], field: str, allowed: str
) -> None:
    scan = child_scan() | wrong
    body = orjson.dumps(scan)
    for answer in (
        device.post("/api/v1/scans", content=body, headers=JSON | WAIT),
        device.post("/api/v1/scans/batch", content=b'{"scans":[%s]}' % body, headers=JSON | WAIT),
        device.post("/api/v1/scans/batch", content=body, headers=NDJSON | WAIT),
    ):
        problem = problem_of(answer, 422)
        assert field in [error["field"] for error in problem["errors"]]
        assert allowed in " ".join(error["detail"] for error in problem["errors"])


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("missing", ["scan_id", "kind", "code", "scanned_at", "parent_code"])
def test_a_scan_without_what_it_needs_is_refused(device: httpx.Client, missing: str) -> None:
    scan = child_scan()
    del scan[missing]

    problem = problem_of(device.post("/api/v1/scans", json=scan), 422)

    assert missing in problem["errors"][0]["field"] + problem["errors"][0]["detail"]


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"scan_id": ', JSON),
        (b"", JSON),
        (b"\xff\xfe\x00", JSON),
        (b"[" * 10_000, JSON),
        (b'{"a":' * 10_000, JSON),
        (b"{'scan_id': 1}", JSON),
    ],
    ids=["cut off", "empty", "no text", "deep lists", "deep objects", "single quotes"],
)
@pytest.mark.parametrize("path", ["scans", "scans/batch", "bills", "devices", "returns", "sessions"])
def test_what_is_no_json_is_refused(
    device: httpx.Client, admin: httpx.Client, path: str, body: bytes, headers: dict[str, str]
) -> None:
    client = device if path.startswith("scans") else admin

    answer = client.post(f"/api/v1/{path}", content=body, headers=headers)

    assert answer.status_code in {400, 422}, answer.text
    assert problem_of(answer, answer.status_code)["detail"]


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"7", b"{}"])
def test_what_is_json_of_another_form_is_refused(device: httpx.Client, body: bytes) -> None:
    problem_of(device.post("/api/v1/scans", content=body, headers=JSON), 422)
    problem_of(device.post("/api/v1/scans/batch", content=body, headers=JSON), 422)


@pytest.mark.usefixtures("nothing_written")
def test_a_batch_has_one_to_a_thousand_scans(device: httpx.Client) -> None:
    scans = [child_scan() for _ in range(1_001)]

    problem = problem_of(device.post("/api/v1/scans/batch", json={"scans": scans}), 422)
    assert [(error["field"], "1000" in error["detail"]) for error in problem["errors"]] == [("scans", True)]
    lines = b"\n".join(orjson.dumps(scan) for scan in scans)
    assert "1000" in problem_of(device.post("/api/v1/scans/batch", content=lines, headers=NDJSON), 413)["detail"]
    problem_of(device.post("/api/v1/scans/batch", json={"scans": []}), 422)
    problem_of(device.post("/api/v1/scans/batch", content=b"\n \n", headers=NDJSON), 422)


def test_a_bad_scan_hurts_no_other_of_its_batch_and_each_is_named(api: Api, device: httpx.Client) -> None:
    good = [child_scan() for _ in range(2)]
    items = [good[0], *[child_scan() | wrong for wrong, _, _ in SCAN_MISTAKES], good[1], {}, 7, None]

    answer = device.post("/api/v1/scans/batch", content=orjson.dumps({"scans": items}), headers=JSON | WAIT)

    document = answer.json()
    assert (document["accepted"], document["rejected"]) == (2, len(items) - 2)
    assert [result["scan_id"] for result in document["results"]] == [scan["scan_id"] for scan in good]
    named = {(error["index"], error["field"]) for error in document["errors"]}
    assert {(index, field) for index, (_, field, _) in enumerate(SCAN_MISTAKES, start=1)} <= named
    kept = api.warehouse.rows("SELECT scan_id FROM scan WHERE device_id = (SELECT max(device_id) FROM device)")
    assert {str(row["scan_id"]) for row in kept} == {scan["scan_id"] for scan in good}


def test_a_line_that_is_no_json_hurts_no_other(device: httpx.Client) -> None:
    good = [child_scan() for _ in range(2)]
    body = b"\n".join(
        [orjson.dumps(good[0]), b"{oops", b"]", b"}{", orjson.dumps(good[1]) + b",", orjson.dumps(good[1])]
    )

    document = device.post("/api/v1/scans/batch", content=body, headers=NDJSON | WAIT).json()

    assert (document["accepted"], document["rejected"]) == (2, 4)
    assert [error["index"] for error in document["errors"]] == [1, 2, 3, 4]
    assert {error["field"] for error in document["errors"]} == {"line"}


@pytest.mark.usefixtures("nothing_written")
def test_lines_cannot_be_joined_into_something_else(device: httpx.Client) -> None:
    scan = orjson.dumps(child_scan())
    for body in (b"[" + scan + b"]", scan[:20] + b"\n" + scan[20:], scan + scan):
        problem_of(device.post("/api/v1/scans/batch", content=body, headers=NDJSON), 422)


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("path", ["scans", "scans/batch", "bills", "devices", "sessions", "bills/B-1/complete"])
def test_a_body_of_fifty_megabytes_is_refused_with_and_without_its_length(
    device: httpx.Client, admin: httpx.Client, path: str
) -> None:
    client = device if path.startswith("scans") else admin
    large = b'"' + b"x" * 50_000_000

    told = client.post(f"/api/v1/{path}", content=large, headers=JSON)
    assert "2097152" in problem_of(told, 413)["errors"][0]["detail"]

    untold = client.post(f"/api/v1/{path}", content=iter([large[:3_000_000]]), headers=JSON)
    assert "2097152" in problem_of(untold, 413)["detail"]


def test_a_body_without_its_length_that_is_small_is_taken(device: httpx.Client) -> None:
    body = orjson.dumps(child_scan())

    answer = device.post("/api/v1/scans", content=iter([body[:10], body[10:]]), headers=JSON | WAIT)

    assert answer.json()["status"] == "done"


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity"])
def test_a_compressed_body_is_refused(device: httpx.Client, encoding: str) -> None:
    body = gzip.compress(orjson.dumps(child_scan()))
    for path in ("scans", "scans/batch"):
        headers = JSON | {"Content-Encoding": encoding}
        assert (
            "Content-Encoding"
            in problem_of(device.post(f"/api/v1/{path}", content=body, headers=headers), 415)["detail"]
        )


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"]
)
def test_a_body_of_another_type_is_refused(device: httpx.Client, admin: httpx.Client, content_type: str) -> None:
    headers, body = {"Content-Type": content_type}, orjson.dumps(child_scan())
    assert "application/json" in problem_of(device.post("/api/v1/scans", content=body, headers=headers), 415)["detail"]
    assert "x-ndjson" in problem_of(device.post("/api/v1/scans/batch", content=body, headers=headers), 415)["detail"]

    answer = admin.post("/api/v1/bills", content=orjson.dumps(BILL), headers=headers)
    assert answer.status_code in {415, 422}
    problem_of(answer, answer.status_code)


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("clock", ["noon", "2026-11-23T10:15:00", "1900-01-01T00:00:00Z", "12345678901234567890"])
def test_a_clock_that_is_no_time_is_refused(device: httpx.Client, clock: str) -> None:
    headers = NDJSON | {"Sent-At": clock}
    answers = [
        device.post("/api/v1/scans/batch", content=orjson.dumps(child_scan()), headers=headers),
        device.post("/api/v1/scans/batch", json={"sent_at": clock, "scans": [child_scan()]}),
        device.post("/api/v1/scans", json=child_scan(sent_at=clock)),
    ]
    named = [problem_of(answer, 422)["errors"][0]["field"] for answer in answers]

    assert named == ["Sent-At", "sent_at", "sent_at"]
