"""Servers that hold the promise, as in operation, and on them a healthy system with something of everything in it."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from tests.support.health import ALL_BUT_WORKERS, PATIENT, Diagnose, fill_with_everything, mirror
from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.doctor.examination import examine
from tracetrack_common.doctor.finding import Finding
from tracetrack_common.doctor.system import Limits
from tracetrack_common.migrate import migrate
from tracetrack_common.settings import Settings

_TEMPLATE = "healthy"
_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def durable() -> Iterator[EmbeddedServers]:
    """Give servers that sync every write: the doctor finds fault with those of the other tests."""
    with EmbeddedServers(durable=True) as running:
        yield running


@pytest.fixture(scope="package")
def healthy(durable: EmbeddedServers) -> str:
    """Name a database that is filled once, to be copied and never written to."""
    settings = make_settings(durable.create_database(_TEMPLATE), durable.redis_url())
    database = Database(settings, application_name="tests-healthy")
    migrate(database)
    fill_with_everything(Warehouse(database))
    database.close()
    return _TEMPLATE


@pytest.fixture
def settings(durable: EmbeddedServers, healthy: str) -> Iterator[Settings]:
    """Give settings that name a copy of the healthy database, never used again, and an empty Valkey database."""
    name = f"patient_{next(_numbers)}"
    durable.flush_redis()
    try:
        yield make_settings(durable.create_database(name, template=healthy), durable.redis_url())
    finally:
        durable.drop_database(name)


@pytest.fixture(autouse=True)
def _mirrored(database: Database, redis: Redis) -> None:
    """Make the mirror, as a worker does within a minute."""
    mirror(database, redis)


@pytest.fixture
def diagnose(settings: Settings) -> Diagnose:
    """Give what the doctor finds, with limits and settings as a test wants them."""

    def run(limits: Limits = PATIENT, **how: Any) -> list[Finding]:
        return examine(how.pop("settings", settings), only=ALL_BUT_WORKERS, limits=limits, **how).findings

    return run
