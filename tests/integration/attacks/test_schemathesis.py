"""Schemathesis finds nothing: the whole document, four roles, all checks, seeded, in half a minute.

What it is told besides the document stands with its reasons in `tests/support/schemathesis.toml`.
"""

from collections.abc import Iterator

import pytest

from tests.support.databases import Databases
from tests.support.fuzzing import UNLIMITED, fuzz
from tests.support.gateway import Api, GatewayThread, WorkerThread
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database


@pytest.fixture(scope="module")
def unlimited(servers: EmbeddedServers, databases: Databases) -> Iterator[Api]:
    """Serve a gateway that is never asked too often."""
    with fresh_settings(servers, databases, **UNLIMITED) as settings:
        database = Database(settings, application_name="tests-fuzzing")
        with WorkerThread(settings), GatewayThread(settings) as gateway:
            yield Api(gateway, Warehouse(database), settings)
        database.close()


@pytest.mark.parametrize(("role", "seconds"), [("admin", 14), ("biller", 5), ("dispatcher", 5), ("device", 5)])
def test_schemathesis_finds_nothing(unlimited: Api, role: str, seconds: int) -> None:
    result = fuzz(unlimited, role, seconds=seconds, seed=20_261_124)

    assert result.returncode == 0, result.stdout + result.stderr
