"""Forged and replayed scans: the device is the credential's, and an identity belongs to who used it first."""

import itertools

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE, LUCKNOW
from tests.support.system import scan_of

_numbers = itertools.count(64_000)
WAIT = {"Prefer": "wait=20"}


def count(api: Api, scan_id: str) -> int:
    return int(api.warehouse.value("SELECT count(*) FROM scan WHERE scan_id = :id", id=scan_id))


@pytest.mark.parametrize("area_id", [LUCKNOW, INDORE], ids=["the same area", "another area"])
def test_an_id_first_used_by_another_device_is_reused_and_its_scan_stays_unreadable(api: Api, area_id: int) -> None:
    code = f"SB{next(_numbers):05d}"
    scan = scan_of("parent", code)
    with api.device(LUCKNOW) as owner, api.device(area_id) as thief:
        assert owner.post("/api/v1/scans", json=scan, headers=WAIT).json()["outcome"] == "applied"

        replayed = problem_of(thief.post("/api/v1/scans", json=scan, headers=WAIT), 422)
        altered = problem_of(
            thief.post("/api/v1/scans", json=scan | {"code": f"SB{next(_numbers):05d}"}, headers=WAIT), 422
        )
        assert replayed["type"].endswith("/id_reused")
        assert altered["type"].endswith("/id_reused")
        assert code not in str(altered)
        problem_of(thief.get(f"/api/v1/scans/{scan['scan_id']}"), 404)
        assert owner.get(f"/api/v1/scans/{scan['scan_id']}").json()["outcome"] == "applied"
    assert count(api, scan["scan_id"]) == 1


def test_a_scan_replayed_by_its_own_device_hears_its_first_outcome_and_writes_nothing(
    api: Api, device: httpx.Client
) -> None:
    scan = scan_of("parent", f"SB{next(_numbers):05d}")
    answers = [device.post("/api/v1/scans", json=scan, headers=WAIT).json() for _ in range(3)]

    assert [each["outcome"] for each in answers] == ["applied"] * 3
    assert count(api, scan["scan_id"]) == 1


@pytest.mark.parametrize("claim", [{"device_id": 1}, {"device": "gun-1"}, {"area": "indore"}, {"user_id": 1}])
def test_a_scan_cannot_say_whose_it_is(api: Api, device: httpx.Client, claim: dict[str, object]) -> None:
    scan = scan_of("parent", f"SB{next(_numbers):05d}", **claim)

    problem = problem_of(device.post("/api/v1/scans", json=scan, headers=WAIT), 422)

    assert [error["field"] for error in problem["errors"]] == list(claim)
    assert count(api, scan["scan_id"]) == 0


def test_a_scan_is_its_credentials_whatever_the_address_says(api: Api) -> None:
    device = api.warehouse.device(INDORE)
    scan = scan_of("parent", f"SB{next(_numbers):05d}")
    with api.gateway.client(device.token) as client:
        headers = {**WAIT, "X-Forwarded-For": "10.0.0.1", "X-Device-Id": "1", "Forwarded": "for=10.0.0.1"}
        client.post("/api/v1/scans?device_id=1&area=lucknow", json=scan, headers=headers)

    row = api.warehouse.row("SELECT device_id, area_id FROM scan WHERE scan_id = :id", id=scan["scan_id"])
    assert row == {"device_id": device.device_id, "area_id": INDORE}


def test_a_person_cannot_submit_a_scan_as_a_device(api: Api) -> None:
    scan = scan_of("parent", f"SB{next(_numbers):05d}")
    for role in ("dispatcher", "biller", "operator", "admin"):
        with api.person(role, LUCKNOW if role == "dispatcher" else None) as person:
            problem_of(person.post("/api/v1/scans", json=scan, headers=WAIT), 403)
    assert count(api, scan["scan_id"]) == 0
