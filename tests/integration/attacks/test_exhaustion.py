"""Resource exhaustion: whoever is slow, huge or many is cut off, and the others are served meanwhile."""

import contextlib
import gzip
import itertools
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import orjson
import pytest

from tests.support.databases import Databases
from tests.support.gateway import Api, GatewayThread, problem_of
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings, make_settings
from tests.support.system import scan_of
from tests.support.together import at_once
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings
from tracetrack_gateway.main import create_app
from tracetrack_gateway.serving import HEAD_MOST_BYTES

_PATHS = create_app(make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0")).openapi()[
    "paths"
]
_WITH_BODY = [
    (method.upper(), path) for path, methods in _PATHS.items() for method in methods if "requestBody" in methods[method]
]
_numbers = itertools.count(63_000)
HEAD = b"POST /api/v1/scans HTTP/1.1\r\nHost: gateway\r\n"
SCAN_HEAD = HEAD + b"Content-Type: application/json\r\n"


@contextlib.contextmanager
def small_gateway(
    servers: EmbeddedServers, databases: Databases, **limits: object
) -> Iterator[tuple[GatewayThread, Warehouse]]:
    """Serve a gateway with limits that a test can reach."""
    with fresh_settings(servers, databases, **limits) as settings, GatewayThread(settings) as gateway:
        database = Database(settings, application_name="tests-limits")
        yield gateway, Warehouse(database)
        database.close()


def connect(gateway: GatewayThread, address: str = "127.0.0.1") -> socket.socket:
    host, port = gateway.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10, source_address=(address, 0))


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    read = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65_536):
            read += part
    return read


def is_refused(gateway: GatewayThread, address: str = "127.0.0.1") -> bool:
    with connect(gateway, address) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        return not read_to_end(connection)
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"POST /api",
        HEAD + b"X-Slow: ",
        SCAN_HEAD + b"Content-Length: 500\r\n\r\n",
        SCAN_HEAD + b"Content-Length: 500\r\n\r\n{",
        SCAN_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
    ids=["nothing", "an empty line", "half a line", "half a head", "no body", "half a body", "half of the chunks"],
)
def test_whoever_sends_slowly_is_cut_off_in_time_and_the_others_are_served_meanwhile(
    servers: EmbeddedServers, databases: Databases, sent: bytes
) -> None:
    with (
        small_gateway(servers, databases, request_head_timeout_s=0.6, request_timeout_s=0.6) as (gateway, _),
        closing(connect(gateway)) as slow,
        gateway.client() as other,
    ):
        began = time.monotonic()
        slow.sendall(sent)
        assert other.get("/health").status_code == httpx.codes.OK
        assert b"200 OK" not in read_to_end(slow)
        assert 0.4 < time.monotonic() - began < 5


def test_a_drop_now_and_then_does_not_buy_time(servers: EmbeddedServers, databases: Databases) -> None:
    with (
        small_gateway(servers, databases, request_head_timeout_s=0.6) as (gateway, _),
        closing(connect(gateway)) as slow,
    ):
        slow.sendall(b"GET /health HTTP/1.1\r\n")
        slow.settimeout(0.05)
        began = time.monotonic()
        is_open = True
        while is_open and time.monotonic() - began < 10:
            try:
                slow.sendall(b"X-A: b\r\n")
                is_open = bool(slow.recv(1))
            except TimeoutError:
                continue
            except ConnectionError:
                is_open = False
        assert 0.4 < time.monotonic() - began < 5


def test_a_head_without_an_end_is_refused(api: Api) -> None:
    with connect(api.gateway) as endless:
        endless.sendall(b"GET /health HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(HEAD_MOST_BYTES * 4 // 1_000):
                endless.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1_000))
        answer = read_to_end(endless)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


def test_an_address_has_so_many_connections_and_no_more_and_others_are_served(
    servers: EmbeddedServers, databases: Databases
) -> None:
    with small_gateway(servers, databases, address_connections_most=5) as (gateway, _):
        held = [connect(gateway, "127.0.0.9") for _ in range(5)]
        try:
            assert is_refused(gateway, "127.0.0.9")
            assert not is_refused(gateway, "127.0.0.1")
        finally:
            for each in held:
                each.close()


def test_a_gateway_has_so_many_connections_and_takes_new_ones_when_old_ones_end(
    servers: EmbeddedServers, databases: Databases
) -> None:
    with small_gateway(servers, databases, connections_most=5, request_head_timeout_s=0.6) as (gateway, _):
        held = [connect(gateway, f"127.0.0.{number}") for number in range(11, 16)]
        assert is_refused(gateway)
        assert [read_to_end(each) for each in held] == [b""] * 5  # they said nothing for too long
        assert not is_refused(gateway)
        for each in held:
            each.close()


@pytest.mark.parametrize("route", _WITH_BODY, ids=" ".join)
@pytest.mark.usefixtures("nothing_written")
def test_a_gzip_bomb_is_refused_unopened(device: httpx.Client, route: tuple[str, str]) -> None:
    bomb = gzip.compress(b"[" * 10_000_000)

    answer = device.request(
        route[0], route[1].replace("{", "").replace("}", ""), content=bomb, headers={"Content-Encoding": "gzip"}
    )

    assert "Content-Encoding" in problem_of(answer, 415)["detail"]


@pytest.mark.parametrize("number", [b"1" * 100_000, b"1e999999", b"-1e-999999", b"0." + b"1" * 100_000])
@pytest.mark.usefixtures("nothing_written")
def test_a_huge_number_is_refused(device: httpx.Client, admin: httpx.Client, number: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    scan = orjson.dumps(scan_of("parent", "SB00001"))[:-1] + b',"epoch":1,"seq":%s}' % number
    bill = b'{"area":"lucknow","destination":"Delhi","capacity":%s}' % number
    for client, path, body in ((device, "scans", scan), (admin, "bills", bill)):
        answer = client.post(f"/api/v1/{path}", content=body, headers=headers)
        assert answer.status_code in {400, 422}, answer.text
        problem_of(answer, answer.status_code)


def test_a_device_that_asks_too_often_is_told_when_to_come_again_and_others_are_served(
    servers: EmbeddedServers, databases: Databases
) -> None:
    with (
        small_gateway(servers, databases, caller_requests_per_s=0.5, caller_requests_burst=3) as (gateway, warehouse),
        gateway.client(warehouse.device().token) as busy,
        gateway.client(warehouse.device().token) as other,
    ):
        scans = [scan_of("parent", f"SB{next(_numbers):05d}") for _ in range(4)]
        answers = [busy.post("/api/v1/scans", json=scan) for scan in scans]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert "caller" in problem_of(answers[-1], 429)["detail"]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
        assert other.post("/api/v1/scans", json=scans[3]).status_code == httpx.codes.ACCEPTED


def test_a_large_body_counts_as_several_requests(servers: EmbeddedServers, databases: Databases) -> None:
    with (
        small_gateway(servers, databases, caller_requests_per_s=0.1, caller_requests_burst=10) as (gateway, warehouse),
        gateway.client(warehouse.device().token) as client,
    ):
        batch = {"scans": [scan_of("parent", f"SB{next(_numbers):05d}") for _ in range(1_000)]}
        statuses = [client.post("/api/v1/scans/batch", json=batch).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]


def test_an_address_that_asks_too_often_is_refused_before_anything_is_looked_up(
    servers: EmbeddedServers, databases: Databases
) -> None:
    with small_gateway(servers, databases, address_requests_per_s=0.5, address_requests_burst=3) as (gateway, _):
        with gateway.client("no token at all") as guessing:
            answers = [guessing.get("/api/v1/bills") for _ in range(4)]
        problem_of(answers[3], 429)
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert not is_refused(gateway, "127.0.0.2")


def test_a_normal_peak_is_not_limited(api: Api) -> None:
    """Fifty devices that scan twice a second and then deliver what an hour without a network left them."""

    def work() -> set[int]:
        with api.device() as device:
            singles = [
                device.post("/api/v1/scans", json=scan_of("parent", f"SB{next(_numbers):05d}")) for _ in range(10)
            ]
            scans = [scan_of("child", f"CHILD{next(_numbers)}", parent_code="SB63000") for _ in range(200)]
            batches = [device.post("/api/v1/scans/batch", json={"scans": scans}) for _ in range(2)]
            return {answer.status_code for answer in (*singles, *batches)}

    assert set().union(*at_once([work] * 50)) == {httpx.codes.ACCEPTED}


def test_the_limits_are_settings_with_values_that_a_warehouse_does_not_meet() -> None:
    settings: Settings = make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0")

    assert settings.caller_requests_per_s >= 50 * (60 / 50)  # one device with the whole warehouse's peak
    assert settings.address_requests_per_s >= 10 * 60  # ten warehouses behind one address
