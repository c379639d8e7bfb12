"""The audit log over HTTP: by who, what, which, when and request; newest first; for admins only."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.support.gateway import Api, problem_of
from tests.support.warehouse import Warehouse
from tracetrack_gateway.audit import _statement_for

URL = "/api/v1/audit"
_BILL = {"area": "lucknow", "capacity": 5, "destination": "Kanpur"}


def search(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """Give the rows of every page."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get(URL, params={"limit": 2, **query, **cursor}).raise_for_status().json()
        rows += page["items"]
        if page["next_cursor"] is None:
            return rows
        cursor = {"cursor": page["next_cursor"]}


@pytest.fixture
def biller(api: Api) -> Iterator[httpx.Client]:
    with api.person("biller") as client:
        yield client


def test_a_change_is_found_by_who_what_which_when_and_request(admin: httpx.Client, biller: httpx.Client) -> None:
    request_ids = []
    for number in range(5):
        answer = biller.post("/api/v1/bills", json=_BILL | {"bill_no": f"FOUND-{number}"}).raise_for_status()
        request_ids.append(answer.headers["x-request-id"])
    (third,) = search(admin, object="bill:FOUND-2")

    assert third["action"] == "bill.create"
    assert third["request_id"] == request_ids[2]
    assert [row["object"] for row in search(admin, actor=third["actor"])] == [
        f"bill:FOUND-{n}" for n in (4, 3, 2, 1, 0)
    ]
    assert search(admin, request_id=request_ids[2]) == [third]
    assert third in search(admin, action="bill.create")
    at = datetime.fromisoformat(third["at"])
    assert third in search(admin, since=at.isoformat(), until=(at + timedelta(microseconds=1)).isoformat())
    assert third not in search(admin, until=at.isoformat())
    assert search(admin, actor=third["actor"], action="bill.complete") == []


def test_pages_miss_nothing_and_repeat_nothing(api: Api, admin: httpx.Client, biller: httpx.Client) -> None:
    for number in range(7):
        biller.post("/api/v1/bills", json=_BILL | {"bill_no": f"PAGED-{number}"}).raise_for_status()

    places = [(row["chain"], row["seq"]) for row in search(admin)]

    assert len(places) == len(set(places)) == api.warehouse.value("SELECT count(*) FROM audit_log")


@pytest.mark.parametrize("role", ["biller", "operator", "dispatcher"])
def test_nobody_but_admins_reads_it(api: Api, role: str) -> None:
    with api.person(role, 1 if role == "dispatcher" else None) as client:
        problem_of(client.get(URL), 403)


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "1.2"},
        {"cursor": "9" * 40 + ".1.1"},
        {"cursor": f"0.{2**70}.1"},
        {"since": "yesterday"},
        {"since": "2026-11-23T10:00:00"},
        {"actor": "a\0b"},
        {"limit": "0"},
        {"mine": "1"},
    ],
)
def test_what_it_cannot_understand_is_refused(admin: httpx.Client, query: dict[str, str]) -> None:
    problem_of(admin.get(URL, params=query), 422)


def test_a_cursor_beyond_every_row_gives_an_end(admin: httpx.Client) -> None:
    assert admin.get(URL, params={"cursor": "0.0.0"}).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("wanted", ["", "actor", "action", "object", "request_id"])
def test_every_search_finds_its_page_in_an_index(warehouse: Warehouse, wanted: str) -> None:
    warehouse.change(
        "INSERT INTO audit_log SELECT 1, n, now() + make_interval(secs => n), 'user:' || n % 100, 'a' || n % 100,"
        " 'o' || n % 100, NULL, NULL, 'r' || n, NULL, '' FROM generate_series(1, 20000) AS n"
    )
    with warehouse.database.transaction() as connection:
        connection.execute(text("ANALYZE audit_log"))
    given = frozenset({"below_at", *([wanted] if wanted else [])})
    values = {"below_at": "2100-01-01", "below_chain": 1, "below_seq": 1, "limit": 50, wanted: "user:1"}

    with warehouse.database.snapshot() as connection:
        plan = "\n".join(connection.scalars(text("EXPLAIN " + _statement_for(given)), values))

    assert "Index Scan" in plan
    assert "Seq Scan" not in plan
