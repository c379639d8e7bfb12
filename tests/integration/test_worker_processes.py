"""Workers and beat as processes: none of them ends for good because Redis or Postgres is away."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import text

from tests.support.ledgers import accept_scans, is_empty, open_ledger
from tests.support.scans import filled
from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.migrate import migrate
from tracetrack_common.settings import Settings
from tracetrack_local import services
from tracetrack_local.process import Child
from tracetrack_local.state import StateFolder

CONSUMING_AGAIN_S = 60.0
STOPPED_S = 30.0


@pytest.fixture(scope="module")
def own_servers() -> Iterator[EmbeddedServers]:
    """Give servers that keep what they confirmed, for tests that kill them."""
    with EmbeddedServers(durable=True) as servers:
        yield servers


@pytest.fixture
def own_settings(own_servers: EmbeddedServers, tmp_path: Path) -> Settings:
    """Give settings that name a migrated database of those servers."""
    url = own_servers.create_database(f"db_{tmp_path.name}")
    own_servers.flush_redis()
    settings = make_settings(url, own_servers.redis_url(), state_dir=tmp_path, log_level="info")
    with closing(Database(settings, application_name="tests")) as database:
        migrate(database)
    return settings


@pytest.fixture
def warehouse(own_settings: Settings) -> Iterator[Warehouse]:
    """Give the database behind the workers."""
    with closing(Database(own_settings, application_name="tests")) as database:
        yield Warehouse(database)


@pytest.fixture
def redis(own_servers: EmbeddedServers) -> Iterator[Redis]:
    """Give their Valkey."""
    with closing(own_servers.valkey_server.connect()) as client:
        yield client


@pytest.fixture
def worker(own_settings: Settings, tmp_path: Path) -> Iterator[Child]:
    """Give the scan-worker as `tracetrack up` starts it, not yet started."""
    child = Child(services.worker_specs(own_settings)[0], tmp_path)
    yield child
    child.kill_group()


@pytest.fixture
def beat(own_settings: Settings, tmp_path: Path) -> Iterator[Child]:
    """Give beat as `tracetrack up` starts it, not yet started, asking every second whether a nightly run is due."""
    spec = services.beat_spec(own_settings, StateFolder(tmp_path))
    child = Child(replace(spec, env={**spec.env, "TRACETRACK_EOD_TICK_S": "1"}), tmp_path)
    yield child
    child.kill_group()


def start_and_wait(worker: Child) -> None:
    worker.start()
    eventually(lambda: "ready" in worker.output(), within_s=CONSUMING_AGAIN_S)


def applies(redis: Redis, warehouse: Warehouse, sack: str) -> None:
    """Hold that scans that are accepted now are applied soon; nothing but the sweeper calls the worker to them."""
    scans = filled(sack, 3)
    accept_scans(redis, scans)
    found = f"SELECT count(*) FROM scan WHERE scan_id IN ({', '.join(repr(scan.scan_id) for scan in scans)})"  # noqa: S608
    eventually(lambda: warehouse.value(found) == len(scans), within_s=CONSUMING_AGAIN_S)
    eventually(lambda: is_empty(redis))


def test_a_worker_that_starts_before_its_servers_waits_for_them(
    own_servers: EmbeddedServers, worker: Child, redis: Redis, warehouse: Warehouse
) -> None:
    own_servers.valkey.kill_group()
    own_servers.postgres.kill_group()
    worker.start()
    eventually(lambda: "Cannot connect" in worker.output(), within_s=CONSUMING_AGAIN_S)

    own_servers.restart()

    applies(redis, warehouse, "SB00001")
    assert worker.is_running()


def test_a_worker_that_is_in_the_middle_of_its_work_outlives_every_kill_of_redis(
    own_servers: EmbeddedServers, worker: Child, redis: Redis, warehouse: Warehouse
) -> None:
    start_and_wait(worker)
    open_ledger(redis)
    for number in range(4):
        with warehouse.database.transaction() as connection:
            connection.execute(text("LOCK TABLE scan"))
            accept_scans(redis, filled(f"SB0000{number}", 20))
            eventually(lambda: redis.xpending("tt:ledger:scans", "workers")["pending"] == 1)
            own_servers.valkey.kill_group()
        own_servers.restart()

        applies(redis, warehouse, f"SB0001{number}")

    assert worker.is_running()
    assert warehouse.value("SELECT sum(children) FROM bag") == 4 * (20 + 3)
    assert warehouse.value("SELECT count(*) FROM failed_work") == 0


def test_a_worker_that_is_told_to_stop_finishes_what_it_holds_and_leaves_the_rest(
    worker: Child, redis: Redis, warehouse: Warehouse
) -> None:
    start_and_wait(worker)
    for number in range(100):
        accept_scans(redis, filled(f"SB{number:05d}", 30))
    eventually(lambda: warehouse.value("SELECT count(*) FROM scan"))

    told_at = time.monotonic()
    worker.ask_to_stop()
    eventually(lambda: not worker.is_running(), within_s=STOPPED_S)

    assert worker.exit_code() == 0
    assert time.monotonic() - told_at < STOPPED_S
    pending = redis.xpending("tt:ledger:scans", "workers")["pending"]
    assert pending == 0
    assert warehouse.value("SELECT count(*) FROM scan") == 3_000 - 30 * redis.xlen("tt:ledger:scans")


def test_beat_ticks_whatever_became_of_its_file_and_of_redis(
    own_servers: EmbeddedServers, beat: Child, redis: Redis, tmp_path: Path
) -> None:
    for suffix in ("", ".dat", ".dir", ".bak", ".db"):
        StateFolder(tmp_path).beat_schedule.with_name(f"beat-schedule{suffix}").write_bytes(b"damaged")
    own_servers.valkey.kill_group()
    beat.start()
    eventually(lambda: "Connection error" in beat.output(), within_s=CONSUMING_AGAIN_S)
    own_servers.restart()
    eventually(lambda: redis.llen("reports"), within_s=CONSUMING_AGAIN_S)

    own_servers.valkey.kill_group()
    eventually(lambda: "Couldn't apply scheduled task" in beat.output(), within_s=CONSUMING_AGAIN_S)
    own_servers.restart()
    redis.delete("reports")

    eventually(lambda: redis.llen("reports"), within_s=CONSUMING_AGAIN_S)
    assert beat.is_running()
