"""The live feed: it shows the caller's areas only, ends with the credential, and is held up by nobody."""

import itertools
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import pytest

from tests.support.databases import Databases
from tests.support.gateway import Api, GatewayThread, problem_of
from tests.support.scans import INDORE, LUCKNOW
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings
from tests.support.system import scan_of
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse
from tracetrack_common import feed as common_feed
from tracetrack_common.db.session import Database
from tracetrack_common.redis_client import connect_worker
from tracetrack_gateway import feeds

_numbers = itertools.count(71_000)
WAIT = {"Prefer": "wait=20"}


@contextmanager
def watching(client: httpx.Client, query: str = "") -> Iterator[Iterator[dict[str, Any]]]:
    """Open a feed, and give its events as they come."""
    with client.stream("GET", f"/api/v1/events{query}") as answer:
        assert answer.status_code == httpx.codes.OK
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = answer.iter_lines()
        assert next(lines) == "event: open"
        yield (orjson.loads(line.removeprefix("data: ")) for line in lines if line.startswith('data: {"'))


def scan_parent(client: httpx.Client) -> str:
    """Have a device scan a new sack; gives its code."""
    code = f"SB{next(_numbers):05d}"
    answer = client.post("/api/v1/scans", json=scan_of("parent", code), headers=WAIT)
    assert answer.json()["outcome"] == "applied"
    return code


def test_who_watches_sees_what_a_scan_came_to(api: Api, device: httpx.Client) -> None:
    with api.person("biller") as person, watching(person) as events:
        code = scan_parent(device)
        event = next(events)

    assert {"code": code, "kind": "parent", "outcome": "applied", "feedback": "ok", "area": "lucknow"}.items() <= (
        event.items()
    )
    assert event["message"].startswith(code)


def test_a_feed_shows_the_callers_area_only_whatever_they_ask_for(api: Api) -> None:
    with (
        api.device(LUCKNOW) as here,
        api.device(INDORE) as there,
        api.person("dispatcher", LUCKNOW) as own,
        api.person("admin") as admin,
        watching(own) as seen,
        watching(admin, "?area=indore") as chosen,
        watching(admin) as everything,
    ):
        foreign, mine = scan_parent(there), scan_parent(here)

        assert next(seen)["code"] == mine
        assert next(chosen)["code"] == foreign
        assert [next(everything)["code"] for _ in range(2)] == [foreign, mine]


def test_another_areas_feed_is_silent(api: Api, device: httpx.Client) -> None:
    with (
        api.device(INDORE) as there,
        api.person("dispatcher", INDORE) as own,
        api.person("dispatcher", INDORE) as curious,
        watching(own) as seen,
        watching(curious, "?area=lucknow") as nothing,
    ):
        scan_parent(device)
        code = scan_parent(there)
        assert next(seen)["code"] == code
        api.warehouse.change(
            "UPDATE user_session SET ended_at = now() WHERE user_id = (SELECT max(user_id) FROM app_user)"
        )
        assert list(nothing) == []  # until its end


@pytest.mark.parametrize(
    "revoke",
    [
        "UPDATE user_session SET ended_at = now() WHERE user_id = :id",
        "UPDATE app_user SET disabled_at = now() WHERE user_id = :id",
        "UPDATE app_user SET role = 'operator' WHERE user_id = :id",
    ],
    ids=["session ended", "user disabled", "role changed"],
)
def test_a_revoked_credential_ends_its_feed_within_five_seconds(api: Api, revoke: str) -> None:
    person = api.warehouse.person("biller")
    with api.gateway.client(person.token) as client, watching(client) as events:
        client.timeout = 5.0
        api.warehouse.change(revoke, id=person.user_id)

        assert list(events) == []


def test_a_caller_has_a_few_feeds_and_a_closed_one_makes_room(api: Api) -> None:
    person = api.warehouse.person("biller")
    clients = [api.gateway.client(person.token) for _ in range(feeds.FEEDS_PER_CALLER)]
    opened = [client.stream("GET", "/api/v1/events") for client in clients]
    answers = [each.__enter__() for each in opened]
    try:
        assert {answer.status_code for answer in answers} == {httpx.codes.OK}
        with api.gateway.client(person.token) as another:
            assert "Retry-After" in problem_headers(another)
            opened.pop().__exit__(None, None, None)
            clients.pop().close()
            eventually(lambda: status_of_feed(another) == httpx.codes.OK)
    finally:
        for each, client in zip(opened, clients, strict=True):
            each.__exit__(None, None, None)
            client.close()


def status_of_feed(client: httpx.Client) -> int:
    with client.stream("GET", "/api/v1/events") as answer:
        return answer.status_code


def problem_headers(client: httpx.Client) -> httpx.Headers:
    answer = client.get("/api/v1/events")
    problem_of(answer, 429)
    return answer.headers


def test_a_gateway_holds_so_many_feeds_and_no_more(servers: EmbeddedServers, databases: Databases) -> None:
    with fresh_settings(servers, databases, feeds_most=1) as settings, GatewayThread(settings) as gateway:
        database = Database(settings, application_name="tests-feeds")
        first, second = (Warehouse(database).person("biller") for _ in range(2))
        with gateway.client(first.token) as one, gateway.client(second.token) as other:
            with watching(one):
                assert "1 feeds" in problem_of(other.get("/api/v1/events"), 503)["detail"]
            eventually(lambda: status_of_feed(other) == httpx.codes.OK)
        database.close()


def test_who_does_not_read_is_dropped_and_holds_nobody_up(
    servers: EmbeddedServers, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "WAITING_MOST", 10)
    with (
        fresh_settings(servers, databases, feeds_most=2, request_timeout_s=0.5) as settings,
        GatewayThread(settings) as gateway,
        connect_worker(settings) as redis,
    ):
        database = Database(settings, application_name="tests-feeds")
        token = Warehouse(database).person("biller").token
        event = [1, {"scan_id": "x", "message": "y" * 20_000}]
        host, port = gateway.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as lazy, gateway.client(token) as client:
            lazy.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % token.encode())
            assert lazy.recv(15) == b"HTTP/1.1 200 OK"
            with watching(client) as events:
                for _ in range(2_000):
                    redis.publish(common_feed.CHANNEL, orjson.dumps([event]))
                    assert next(events)["scan_id"] == "x"
            eventually(lambda: not drain(lazy))
        database.close()


def drain(connection: socket.socket) -> bool:
    """Read what is there; tell whether more may come."""
    try:
        return bool(connection.recv(1 << 20))
    except ConnectionError:
        return False
