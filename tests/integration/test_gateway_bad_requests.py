"""Bad requests of people: the field is named, what is not there is not there, and nothing is written."""

from typing import Any

import httpx
import pytest

from tests.support.gateway import problem_of

BILL = {"area": "lucknow", "capacity": 5, "destination": "Delhi"}


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("bills", BILL | {"capacity": 0}, "capacity"),
        ("bills", BILL | {"capacity": 501}, "capacity"),
        ("bills", BILL | {"capacity": "5"}, "capacity"),
        ("bills", BILL | {"destination": ""}, "destination"),
        ("bills", BILL | {"destination": "x" * 201}, "destination"),
        ("bills", BILL | {"destination": "a\x00b"}, "destination"),
        ("bills", BILL | {"description": "a\x00b"}, "description"),
        ("bills", BILL | {"bill_no": "ab"}, "bill_no"),
        ("bills", BILL | {"bill_no": "x" * 51}, "bill_no"),
        ("bills", BILL | {"bill_no": "B 1!"}, "bill_no"),
        ("bills", BILL | {"bill_no": "BILL-1\n"}, "bill_no"),
        ("bills", BILL | {"status": "completed"}, "status"),
        ("bills", {"area": "lucknow", "capacity": 1}, "destination"),
        ("bills", {"capacity": 1, "destination": "x"}, "area"),
        ("bills/B-1/bags", {"code": "x" * 201}, "code"),
        ("bills/B-1/bags", {}, "code"),
        ("bills/B-1/complete", {"reason": 7}, "reason"),
        ("bills/B-1/complete", {"force": True}, "force"),
        ("returns", {"area": "lucknow", "return_no": "RTN-1"}, "return_no"),
        ("returns", {}, "area"),
        ("devices", {"name": "", "area": "lucknow"}, "name"),
        ("devices", {"name": "a\nb", "area": "lucknow"}, "name"),
        ("devices", {"name": "gun", "area": "lucknow", "token": "chosen"}, "token"),
        ("sessions", {"username": "admin"}, "password"),
        ("sessions", {"username": "a\x00b", "password": "x"}, "username"),
        ("sessions", {"username": "admin", "password": "x" * 1_001}, "password"),
        ("sessions", {"username": "admin", "password": "x", "role": "admin"}, "role"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_a_mistake_in_what_people_send_is_refused_by_field(
    admin: httpx.Client, path: str, body: dict[str, Any], field: str
) -> None:
    problem = problem_of(admin.post(f"/api/v1/{path}", json=body), 422)

    assert field in [error["field"] for error in problem["errors"]]
    assert field in problem["detail"]


def test_a_wrong_area_is_named(admin: httpx.Client) -> None:
    for path, body in (("bills", BILL | {"area": "atlantis"}), ("returns", {"area": "atlantis"})):
        problem = problem_of(admin.post(f"/api/v1/{path}", json=body), 422)
        assert [error["field"] for error in problem["errors"]] == ["area"]


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    "path",
    [
        "bags/%00",
        "bags/SB00001%00",
        "bags/%ff%fe",
        "bags/" + "x" * 5_000,
        "bags/%00/history",
        "bills/%00",
        "bills/%ed%a0%80",
        "returns/%00",
        "scans/019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
        "scans/no-uuid",
        "commands/no-uuid",
        "eod/no-date",
        "eod/2026-02-30",
        "eod/0001-01-01",
        "eod/9999-12-31",
        "eod/2026-11-23?area=%00",
        "eod/2026-11-23?area=atlantis",
        "eod/2026-11-23/document.xlsx?area=%00",
        "nowhere",
        "..%2f..%2fetc%2fpasswd",
    ],
)
def test_what_cannot_be_there_is_not_there_whatever_is_asked_for(admin: httpx.Client, path: str) -> None:
    answer = admin.get(f"/api/v1/{path}")

    assert answer.status_code in {404, 422}, answer.text
    problem_of(answer, answer.status_code)


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    "query",
    [
        "status=open",
        "limit=0",
        "limit=201",
        "limit=ten",
        "cursor=-1",
        "cursor=abc",
        "cursor=99999999999",
        "area=" + "x" * 51,
    ],
)
def test_a_list_says_which_parameter_is_wrong(admin: httpx.Client, query: str) -> None:
    problem = problem_of(admin.get(f"/api/v1/bills?{query}"), 422)

    assert query.split("=", maxsplit=1)[0] in problem["errors"][0]["field"]


@pytest.mark.parametrize("query", ["area=%00", "area=atlantis", "area=%ff"])
def test_a_list_of_an_area_that_is_not_there_is_empty_or_refused(admin: httpx.Client, query: str) -> None:
    answer = admin.get(f"/api/v1/bills?{query}")

    assert answer.status_code in {200, 404, 422}
    assert answer.status_code != httpx.codes.OK or answer.json()["items"] == []


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("key", ["", "x" * 201, "k\N{LATIN SMALL LETTER E WITH ACUTE}y"])
def test_an_idempotency_key_that_is_none_is_refused(admin: httpx.Client, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    problem_of(admin.post("/api/v1/bills", json=BILL, headers=headers), 422)  # type: ignore[arg-type]


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "scans"), ("PUT", "bills/B-1"), ("PATCH", "devices"), ("PUT", "sessions")]
)
def test_a_method_that_a_route_has_not_is_refused(admin: httpx.Client, method: str, path: str) -> None:
    assert problem_of(admin.request(method, f"/api/v1/{path}"), 405)["title"] == "Method Not Allowed"


def test_a_refused_method_is_told_with_all_that_there_are(admin: httpx.Client) -> None:
    assert admin.put("/api/v1/users").headers["allow"] == "GET, POST"
    assert admin.put("/api/v1/bills/B-1").headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize("query", ["scans?scanned_until", "bags?created_until", "audit?until"])
def test_a_time_of_an_offset_that_postgres_does_not_read_is_understood(admin: httpx.Client, query: str) -> None:
    assert admin.get(f"/api/v1/{query}=0210-12-13T11:16:35-19:03").json()["items"] == []
    problem_of(admin.get(f"/api/v1/{query}=0001-01-01T00:00:00%2B14:00"), 422)
