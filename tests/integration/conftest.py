"""What the integration tests share."""

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.support.databases import Databases
from tests.support.gateway import Api, GatewayThread, WorkerThread
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings
from tests.support.warehouse import Warehouse
from tracetrack_common import drain
from tracetrack_common.db.session import Database
from tracetrack_common.redis_client import connect_worker


@pytest.fixture(scope="session", autouse=True)
def _no_idling() -> Iterator[None]:
    """Have a drain end when nothing is left: a second's wait for more is for a shift, not for a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drain, "IDLE_MS", 1)
        yield


@pytest.fixture
def warehouse(database: Database) -> Warehouse:
    """Give the test's own database as a warehouse."""
    return Warehouse(database)


@pytest.fixture(scope="module")
def api(servers: EmbeddedServers, databases: Databases) -> Iterator[Api]:
    """Serve a gateway and its worker for a module; each test uses devices, people and codes of its own."""
    with fresh_settings(servers, databases, reply_timeout_s=20.0) as settings:
        database = Database(settings, application_name="tests-api")
        imports = WorkerThread(settings, queues=["imports"])
        with WorkerThread(settings), imports, GatewayThread(settings) as gateway:
            yield Api(gateway, Warehouse(database), settings)
        database.close()


@pytest.fixture
def device(api: Api) -> Iterator[httpx.Client]:
    """Give a client with the token of a device of the test's own, in lucknow."""
    with api.device() as client:
        yield client


@pytest.fixture
def admin(api: Api) -> Iterator[httpx.Client]:
    """Give a client with a session of an admin of the test's own."""
    with api.person("admin") as client:
        yield client


@pytest.fixture
def nothing_written(api: Api, device: httpx.Client, admin: httpx.Client) -> Iterator[None]:
    """Hold that the test leaves every table and every ledger as it found them."""
    del device, admin  # enrolled before
    with closing(connect_worker(api.settings)) as redis:

        def look() -> tuple[object, ...]:
            ledgers = sorted(redis.scan_iter("tt:ledger:*"))
            return api.warehouse.everything(), [redis.xlen(key) for key in ledgers if redis.type(key) == b"stream"]

        before = look()
        yield
        assert look() == before
