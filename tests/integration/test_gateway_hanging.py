"""Servers that hang or are not there yet: every request is answered in time, and all comes to life by itself."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest
from redis import Redis

from tests.support.gateway import GatewayThread, WorkerThread, problem_of
from tests.support.hanging import hanging
from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tests.support.system import scan_of
from tests.support.together import at_once
from tests.support.waiting import eventually
from tests.support.warehouse import PASSWORD, Device, Person, Warehouse
from tracetrack_common.credentials import mirror_all
from tracetrack_common.db.session import Database
from tracetrack_common.migrate import migrate
from tracetrack_common.settings import Settings

IN_TIME_S = 3.0
AT_ONCE_S = 1.0
GIVEN_UP_S = 1.0
"""When a read is given up here: a busy machine that also runs twenty readers adds to it."""
MANY = 20
"""Readers: more than the gateway has connections, and more than asyncio has threads on two cores."""
Ask = Callable[[httpx.Client], httpx.Response]
BILL = {"area": "lucknow", "capacity": 5, "destination": "Delhi"}


@pytest.fixture
def people(warehouse: Warehouse, redis: Redis) -> tuple[Device, Person]:
    """Give a device and an admin, with their credentials mirrored."""
    people = warehouse.device(), warehouse.person("admin")
    with warehouse.database.snapshot() as connection:
        mirror_all(redis, connection)
    return people


@contextmanager
def taking_at_most(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def big_batch() -> bytes:
    """Give a batch whose checking is left to a thread."""
    body = b'{"scans":[' + httpx.Request("POST", "http://x", json=scan_of("parent", "SB00001")).content + b"]}"
    return body.ljust(600 * 1024)


def test_reads_that_a_hanging_postgres_holds_up_hold_up_nothing_else(
    settings: Settings, servers: EmbeddedServers, people: tuple[Device, Person]
) -> None:
    device, admin = people
    impatient = settings.model_copy(update={"db_read_timeout_s": GIVEN_UP_S})
    with GatewayThread(impatient) as gateway, gateway.client(device.token) as gun, gateway.client(admin.token) as desk:
        assert desk.get("/api/v1/bills").status_code == httpx.codes.OK

        def read() -> httpx.Response:
            with taking_at_most(IN_TIME_S):
                return desk.get("/api/v1/bills")

        with hanging(servers.postgres):
            calls: list[Callable[[], httpx.Response]] = [partial(_scan_meanwhile, gun), *[read] * MANY]
            scanned, *reads = at_once(calls)
            with taking_at_most(IN_TIME_S):
                assert desk.get("/ready").status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert scanned.status_code == httpx.codes.ACCEPTED
        for answer in reads:
            assert problem_of(answer, 503)["type"].endswith("/unavailable")
            assert int(answer.headers["retry-after"]) >= 1

        with taking_at_most(IN_TIME_S):
            eventually(lambda: desk.get("/api/v1/bills").status_code == httpx.codes.OK)


def _scan_meanwhile(gun: httpx.Client) -> httpx.Response:
    """Do what must go on, in time."""
    json = {"Content-Type": "application/json"}
    for _ in range(5):
        with taking_at_most(AT_ONCE_S):
            assert gun.get("/health").status_code == httpx.codes.OK
        with taking_at_most(AT_ONCE_S):
            assert gun.post("/api/v1/scans", json=scan_of("parent", "SB00001")).status_code == httpx.codes.ACCEPTED
        with taking_at_most(AT_ONCE_S):
            answer = gun.post("/api/v1/scans/batch", content=big_batch(), headers=json)
            assert answer.status_code == httpx.codes.ACCEPTED
    with taking_at_most(1.0 + AT_ONCE_S):
        return gun.post("/api/v1/scans", json=scan_of("parent", "SB00001"), headers={"Prefer": "wait=1"})


def test_a_gateway_that_is_told_to_stop_does_not_wait_for_a_hanging_postgres(
    settings: Settings, servers: EmbeddedServers, people: tuple[Device, Person]
) -> None:
    _, admin = people
    with (
        hanging(servers.postgres),
        taking_at_most(2 * IN_TIME_S),
        GatewayThread(settings) as gateway,
        gateway.client(admin.token) as desk,
    ):
        problem_of(desk.get("/api/v1/bills"), 503)


ASKS: dict[str, Ask] = {
    "a scan": lambda gun: gun.post("/api/v1/scans", json=scan_of("parent", "SB00001")),
    "a scan that is waited for": lambda gun: gun.post(
        "/api/v1/scans", json=scan_of("parent", "SB00001"), headers={"Prefer": "wait=20"}
    ),
    "a batch": lambda gun: gun.post("/api/v1/scans/batch", json={"scans": [scan_of("parent", "SB00001")]}),
    "a bag": lambda gun: gun.get("/api/v1/bags/SB00001"),
    "its delivery": lambda gun: gun.get("/api/v1/devices/me/delivery"),
    "readiness": lambda gun: gun.get("/ready"),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=list(ASKS))
def test_a_redis_that_hangs_holds_nobody_up(
    settings: Settings, servers: EmbeddedServers, people: tuple[Device, Person], ask: Ask
) -> None:
    device, _ = people
    with GatewayThread(settings) as gateway, gateway.client(device.token) as gun:
        gun.post("/api/v1/scans", json=scan_of("parent", "SB00001"))

        def timed() -> httpx.Response:
            with taking_at_most(IN_TIME_S):
                return ask(gun)

        with hanging(servers.valkey):
            answers = at_once([timed] * 10)
            with taking_at_most(AT_ONCE_S):
                assert gun.get("/health").status_code == httpx.codes.OK
            with taking_at_most(IN_TIME_S):
                assert gun.get("/metrics").status_code == httpx.codes.OK
        assert {answer.status_code for answer in answers} == {503}
        with taking_at_most(IN_TIME_S):
            eventually(lambda: ASKS["a scan"](gun).status_code == httpx.codes.ACCEPTED)


def test_a_gateway_starts_with_both_servers_away_and_comes_to_life_as_each_comes() -> None:
    """Promised: the start needs neither server. Broken by starting with both away; then each comes, Redis first."""
    with EmbeddedServers(durable=True) as servers:
        settings = make_settings(servers.create_database("late"), servers.redis_url(), credential_ttl_s=2.0)
        database = Database(settings, application_name="tests-late")
        migrate(database)
        warehouse = Warehouse(database)
        device, admin = warehouse.device(), warehouse.person("admin")
        database.close()
        servers.valkey.kill_group()
        servers.postgres.kill_group()
        with (
            GatewayThread(settings) as gateway,
            gateway.client(device.token) as gun,
            gateway.client(admin.token) as desk,
        ):
            assert gun.get("/health").status_code == httpx.codes.OK
            parts = gun.get("/ready").json()["parts"]
            assert "ok" not in parts.values()
            for ask in ASKS.values():
                with taking_at_most(IN_TIME_S):
                    assert ask(gun).status_code == httpx.codes.SERVICE_UNAVAILABLE

            servers.valkey.start()
            eventually(lambda: gun.get("/ready").json()["parts"]["redis"] == "ok")
            # The mirror of credentials is empty, so Postgres must say who this is.
            problem_of(ASKS["a scan"](gun), 503)

            servers.restart()
            eventually(lambda: gun.get("/ready").status_code == httpx.codes.OK)
            assert ASKS["a scan"](gun).status_code == httpx.codes.ACCEPTED
            with WorkerThread(settings):
                outcome = ASKS["a scan that is waited for"](gun)
                assert (outcome.status_code, outcome.json()["outcome"]) == (200, "known")
                assert desk.post("/api/v1/bills", json=BILL).status_code == httpx.codes.CREATED
                login = {"username": admin.username, "password": PASSWORD}
                assert desk.post("/api/v1/sessions", json=login).status_code == httpx.codes.CREATED
