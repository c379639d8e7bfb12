"""A gateway whose servers are away: it accepts nothing that it cannot keep, and says when to come again."""

import time
from collections.abc import Iterator

import httpx
import pytest
from redis import Redis

from tests.support.gateway import GatewayThread, WorkerThread, problem_of
from tests.support.settings import make_settings
from tests.support.system import scan_of
from tests.support.warehouse import Device, Person, Warehouse
from tracetrack_common.credentials import mirror_all
from tracetrack_common.settings import Settings
from tracetrack_local import ports

IN_TIME_S = 3.0
"""How soon a device hears that nothing was accepted (design.md, The way of a scan)."""
BILL = {"area": "lucknow", "capacity": 5, "destination": "Delhi"}


@pytest.fixture
def people(warehouse: Warehouse) -> tuple[Device, Person]:
    """Give a device and an admin."""
    return warehouse.device(), warehouse.person("admin")


@pytest.fixture
def without_redis(settings: Settings) -> Iterator[GatewayThread]:
    """Give a gateway at whose Redis nobody answers."""
    away = make_settings(settings.database_url.get_secret_value(), f"redis://:x@127.0.0.1:{ports.choose_free()}/0")
    with GatewayThread(away) as gateway:
        yield gateway


@pytest.fixture
def without_postgres(
    settings: Settings, warehouse: Warehouse, people: tuple[Device, Person], redis: Redis
) -> Iterator[GatewayThread]:
    """Give a gateway at whose Postgres nobody answers, with the credentials mirrored before."""
    del people
    with warehouse.database.snapshot() as connection:
        mirror_all(redis, connection)
    away = make_settings(
        f"postgresql://x:x@127.0.0.1:{ports.choose_free()}/tracetrack", settings.redis_url.get_secret_value()
    )
    with GatewayThread(away) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("scans", scan_of("parent", "SB00001")),
        ("scans/batch", {"scans": [scan_of("parent", "SB00001")]}),
        ("bills", BILL),
        ("bills/B-1/bags", {"code": "SB00001"}),
        ("bills/B-1/complete", {}),
        ("returns", {"area": "lucknow"}),
        ("devices", {"name": "gun", "area": "lucknow"}),
        ("eod/2026-11-22", None),
    ],
)
def test_without_redis_nothing_is_accepted_and_it_is_said_soon(
    without_redis: GatewayThread, warehouse: Warehouse, people: tuple[Device, Person], path: str, body: object
) -> None:
    device, admin = people
    before = warehouse.everything()
    with without_redis.client(device.token if path.startswith("scans") else admin.token) as client:
        began = time.monotonic()
        answer = client.post(f"/api/v1/{path}", json=body, headers={"Prefer": "wait=20"})
        took_s = time.monotonic() - began

    problem_of(answer, 503)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert took_s < IN_TIME_S
    assert warehouse.everything() == before


def test_a_redis_that_hangs_is_as_good_as_away(settings: Settings, warehouse: Warehouse, redis: Redis) -> None:
    device = warehouse.device()
    with GatewayThread(settings) as gateway, gateway.client(device.token) as client:
        assert client.post("/api/v1/scans", json=scan_of("parent", "SB00001")).status_code == httpx.codes.ACCEPTED
        redis.client_pause(2_000)
        began = time.monotonic()
        answer = client.post("/api/v1/scans", json=scan_of("parent", "SB00002"))
        took_s = time.monotonic() - began
        redis.client_unpause()

        problem_of(answer, 503)
        assert took_s < IN_TIME_S
        again = client.post("/api/v1/scans", json=scan_of("parent", "SB00003"))
    assert again.status_code == httpx.codes.ACCEPTED


def test_a_redis_that_is_full_is_told_and_nothing_is_half_accepted(
    settings: Settings, warehouse: Warehouse, redis: Redis
) -> None:
    scan = scan_of("parent", "SB00001")
    with GatewayThread(settings) as gateway, gateway.client(warehouse.device().token) as client:
        used = redis.info("memory")["used_memory"]
        redis.config_set("maxmemory", used // 2)
        try:
            answer = client.post("/api/v1/scans", json=scan)
        finally:
            redis.config_set("maxmemory", 0)

        problem_of(answer, 503)
        assert "retry-after" in answer.headers
        problem_of(client.get(f"/api/v1/scans/{scan['scan_id']}"), 404)
        assert not redis.keys("tt:ledger:*")


def test_without_postgres_scans_are_accepted_and_applied_once_it_is_back(
    without_postgres: GatewayThread, settings: Settings, warehouse: Warehouse, people: tuple[Device, Person]
) -> None:
    device, _ = people
    scan = scan_of("child", "CH12345", parent_code="SB00001")
    with without_postgres.client(device.token) as client:
        answer = client.post("/api/v1/scans", json=scan)
        assert answer.status_code == httpx.codes.ACCEPTED
        problem_of(client.get("/api/v1/bags/SB00001"), 503)

        with WorkerThread(settings):
            again = client.post("/api/v1/scans", json=scan, headers={"Prefer": "wait=20"})
    assert again.json()["outcome"] == "applied"
    assert warehouse.value("SELECT count(*) FROM scan") == 1


@pytest.mark.parametrize(
    "path",
    [
        "bags",
        "bags/SB00001",
        "bags/SB00001/history",
        "scans",
        "bills",
        "bills/B-1",
        "returns/RTN-1",
        "eod/2026-11-22",
        "devices",
    ],
)
def test_without_postgres_what_is_asked_for_cannot_be_told_now(
    without_postgres: GatewayThread, people: tuple[Device, Person], path: str
) -> None:
    _, admin = people
    with without_postgres.client(admin.token) as client:
        answer = client.get(f"/api/v1/{path}")

    problem_of(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


def test_without_postgres_nobody_can_log_in_and_no_secret_is_told(without_postgres: GatewayThread) -> None:
    with without_postgres.client() as client:
        answer = client.post("/api/v1/sessions", json={"username": "admin", "password": "the password"})

    problem_of(answer, 503)
    assert "the password" not in answer.text


def test_without_redis_a_gateway_is_alive_and_not_ready(without_redis: GatewayThread) -> None:
    with without_redis.client() as client:
        assert client.get("/health").status_code == httpx.codes.OK
        assert "tracetrack_requests_total" in client.get("/metrics").text
        ready = client.get("/ready")

    assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
    assert ready.json()["parts"]["database"] == "ok"
    assert ready.json()["parts"]["redis"] != "ok"


def test_without_postgres_a_gateway_is_alive_and_not_ready(without_postgres: GatewayThread) -> None:
    with without_postgres.client() as client:
        assert client.get("/health").status_code == httpx.codes.OK
        ready = client.get("/ready")

    assert (ready.status_code, ready.json()["parts"]["redis"]) == (503, "ok")
    assert ready.json()["parts"]["database"] != "ok"


def test_a_gateway_without_workers_takes_commands_and_says_where_to_look(
    settings: Settings, warehouse: Warehouse
) -> None:
    admin = warehouse.person("admin")
    with GatewayThread(settings) as gateway, gateway.client(admin.token) as client:
        answer = client.post("/api/v1/bills", json=BILL, headers={"Prefer": "wait=0"})
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        assert client.get(answer.headers["location"]).json()["status"] == "queued"

        with WorkerThread(settings):
            client.post("/api/v1/bills", json=BILL, headers={"Prefer": "wait=20"})
        done = client.get(answer.headers["location"]).json()
    assert done["status"] == "done"
    assert done["outcome"]["bill_no"].startswith("BILL-")


def test_a_token_that_no_worker_has_confirmed_is_never_shown(settings: Settings, warehouse: Warehouse) -> None:
    impatient = settings.model_copy(update={"reply_timeout_s": 0.3})
    admin = warehouse.person("admin")
    with GatewayThread(impatient) as gateway, gateway.client(admin.token) as client:
        answer = client.post("/api/v1/devices", json={"name": "gun", "area": "lucknow"})

    problem_of(answer, 503)
    assert "token" not in answer.text
    assert warehouse.value("SELECT count(*) FROM device") == 0
