"""Too much waits: scans are refused before Redis is full, and what people do goes on."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.support.databases import Databases
from tests.support.gateway import GatewayThread, WorkerThread, problem_of
from tests.support.ledgers import is_empty
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings
from tests.support.system import scan_of
from tests.support.waiting import eventually
from tests.support.warehouse import Device, Warehouse
from tracetrack_common.settings import Settings
from tracetrack_device import DeviceClient, Habits

MOST_SCANS = 200
BILL = {"area": "lucknow", "capacity": 5, "destination": "Delhi"}
PROMPT_S = 2.0


@pytest.fixture
def settings(servers: EmbeddedServers, databases: Databases) -> Iterator[Settings]:
    """Give settings with a small ledger; a refused device comes again soon."""
    with fresh_settings(servers, databases, ledger_most_scans=MOST_SCANS, retry_after_most_s=1) as own:
        yield own


@pytest.fixture
def gateway(settings: Settings) -> Iterator[GatewayThread]:
    with GatewayThread(settings) as running:
        yield running


@pytest.fixture
def gun(gateway: GatewayThread, warehouse: Warehouse) -> Iterator[httpx.Client]:
    with gateway.client(warehouse.device().token) as client:
        yield client


def batch_of(scans: int) -> dict[str, Any]:
    return {"scans": [scan_of("parent", "SB00001") for _ in range(scans)]}


def send(gun: httpx.Client, batch: dict[str, Any]) -> httpx.Response:
    return gun.post("/api/v1/scans/batch", json=batch)


def accept(gun: httpx.Client, scans: int) -> dict[str, Any]:
    batch = batch_of(scans)
    assert send(gun, batch).status_code == httpx.codes.ACCEPTED
    return batch


def wait_until_refusing(gun: httpx.Client, *sizes: str) -> None:
    eventually(lambda: gun.get("/ready").json()["refusing"] == list(sizes))


def ledger(redis: Redis) -> tuple[int, int]:
    return redis.xlen("tt:ledger:scans"), redis.hlen("tt:ledger:scans:ids")


@contextmanager
def memory_in_use(redis: Redis, share: float) -> Iterator[None]:
    """Have so much of Redis' memory be in use."""
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"] / share))
    try:
        yield
    finally:
        redis.config_set("maxmemory", 0)


def test_bulk_is_refused_while_scans_of_people_at_work_are_still_accepted(gun: httpx.Client, redis: Redis) -> None:
    accept(gun, 180)
    wait_until_refusing(gun, "bulk")
    before = ledger(redis)
    refusal = send(gun, batch_of(21))

    problem = problem_of(refusal, 503)
    assert problem["type"].endswith("/overloaded")
    assert "nothing was accepted" in problem["detail"]
    assert int(refusal.headers["retry-after"]) == 1
    assert ledger(redis) == before
    accept(gun, 20)
    assert gun.post("/api/v1/scans", json=scan_of("parent", "SB00002")).status_code == httpx.codes.ACCEPTED


def test_at_the_limit_no_scan_is_accepted_not_even_one_that_waits_already(gun: httpx.Client, redis: Redis) -> None:
    known = accept(gun, MOST_SCANS)
    wait_until_refusing(gun, "bulk", "few")
    before = ledger(redis)

    problem_of(send(gun, known), 503)
    problem_of(gun.post("/api/v1/scans", json=known["scans"][0], headers={"Prefer": "wait=5"}), 503)
    assert ledger(redis) == before


def test_a_gateway_that_refuses_is_ready_and_says_what_waits_and_what_it_refused(
    gateway: GatewayThread, gun: httpx.Client, warehouse: Warehouse
) -> None:
    accept(gun, MOST_SCANS)
    wait_until_refusing(gun, "bulk", "few")
    send(gun, batch_of(30))
    ready = gun.get("/ready")
    with gateway.client(warehouse.person("operator").token) as operator:
        stats = operator.get("/api/stats").json()
    metrics = gun.get("/metrics").text

    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    waits = ready.json()["ledger"]["scans"]
    assert (waits["entries"], waits["identities"]) == (1, MOST_SCANS)
    assert waits["oldest_age_s"] > 0
    assert ready.json()["ledger"]["commands"] == {"entries": 0, "identities": 0, "oldest_age_s": 0.0}
    assert stats["backpressure"] == {
        "load": 1.0,
        "refusing": ["bulk", "few"],
        "refused_scans": {"bulk": 30, "few": 0},
    }
    assert "tracetrack_backpressure_load 1.0" in metrics
    assert 'tracetrack_backpressure_refusing{size="few"} 1.0' in metrics
    assert 'tracetrack_refused_scans_total{size="bulk"} 30.0' in metrics
    assert f'tracetrack_ledger_identities{{queue="scans"}} {float(MOST_SCANS)}' in metrics


def test_commands_of_people_are_done_at_once_while_scans_wait_and_are_refused(
    gateway: GatewayThread, gun: httpx.Client, settings: Settings, warehouse: Warehouse
) -> None:
    biller = warehouse.person("biller")
    accept(gun, MOST_SCANS)
    wait_until_refusing(gun, "bulk", "few")
    with WorkerThread(settings, queues=["commands"]), gateway.client(biller.token) as client:
        began = time.monotonic()
        answer = client.post("/api/v1/bills", json=BILL)
        took_s = time.monotonic() - began

    assert answer.status_code == httpx.codes.CREATED
    assert took_s < PROMPT_S
    assert gun.get("/ready").json()["refusing"] == ["bulk", "few"]


def test_scans_are_refused_before_redis_is_full_and_commands_are_not(
    gateway: GatewayThread, gun: httpx.Client, redis: Redis, settings: Settings, warehouse: Warehouse
) -> None:
    biller = warehouse.person("biller")
    with memory_in_use(redis, 0.91), WorkerThread(settings):
        wait_until_refusing(gun, "bulk", "few")
        problem_of(gun.post("/api/v1/scans", json=scan_of("parent", "SB00001")), 503)
        with gateway.client(biller.token) as client:
            assert client.post("/api/v1/bills", json=BILL).status_code == httpx.codes.CREATED
    wait_until_refusing(gun)
    accept(gun, 100)


def test_an_age_that_is_set_is_a_limit_too(settings: Settings, warehouse: Warehouse) -> None:
    aged = settings.model_copy(update={"ledger_most_age_s": 0.5})
    with GatewayThread(aged) as gateway, gateway.client(warehouse.device().token) as gun:
        accept(gun, 1)
        wait_until_refusing(gun, "bulk", "few")
        problem_of(gun.post("/api/v1/scans", json=scan_of("parent", "SB00001")), 503)

        with WorkerThread(settings):
            wait_until_refusing(gun)
        accept(gun, 100)


def test_refused_devices_come_again_until_every_scan_is_applied_once(
    gateway: GatewayThread, settings: Settings, warehouse: Warehouse, redis: Redis, tmp_path: Path
) -> None:
    """Promised: what was refused is not lost. Broken by five devices with 90 scans each at a ledger for 200."""
    guns = [warehouse.device() for _ in range(5)]
    with ExitStack() as stack:
        clients = [stack.enter_context(_client(gateway, gun, tmp_path)) for gun in guns]
        for number, client in enumerate(clients):
            for child in range(90):
                client.record("child", f"CH{number}{child:03d}", parent_code=f"SB{number}{child // 30:04d}")
            stack.enter_context(client.delivering())
        with gateway.client() as anyone:
            eventually(lambda: 'refused_scans_total{size="bulk"} 0.0' not in anyone.get("/metrics").text)
        with WorkerThread(settings):
            eventually(lambda: all(client.waiting == 0 for client in clients), within_s=60)
        assert not any(client.troubles() for client in clients)

    assert warehouse.row("SELECT count(*), count(*) FILTER (WHERE outcome = 'applied') AS applied FROM scan") == {
        "count": 450,
        "applied": 450,
    }
    assert is_empty(redis)


def _client(gateway: GatewayThread, gun: Device, folder: Path) -> DeviceClient:
    habits = Habits(batch=45, wait_s=1, ask_every_s=0.2)
    return DeviceClient(gateway.address, gun.token, folder / f"{gun.device_id}.journal", habits=habits)
