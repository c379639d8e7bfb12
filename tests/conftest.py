"""What every test may ask for: real servers, a database and a Valkey database of its own, and the settings of both.

The servers start when the first test asks for them and serve the whole run, with syncing off. Each test gets a migrated
database and a Valkey database that hold nothing, so that no test sees another's rows.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from redis import Redis

from tests.support.databases import Databases
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings, make_settings
from tracetrack_common.db.session import Database
from tracetrack_common.log import configure_logging
from tracetrack_common.migrate import migrate
from tracetrack_common.redis_client import connect_worker
from tracetrack_common.settings import PREFIX, Settings

_TEMPLATE = "template"

# A busy machine is no reason to fail an example; how long a whole test may take is pytest's to watch.
hypothesis_settings.register_profile(
    "tracetrack", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("tracetrack")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """Forget the settings of whoever runs the tests: a test states what it needs."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Log as the services do, what is critical only: structlog's own way to show a failure takes seconds of it."""
    configure_logging("critical", process="tests")


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    """PostgreSQL and Valkey for the whole run."""
    with EmbeddedServers() as running:
        yield running


@pytest.fixture(scope="session")
def databases(servers: EmbeddedServers) -> Databases:
    """Migrate a template, and lend copies of it."""
    database = Database(
        make_settings(servers.create_database(_TEMPLATE), servers.redis_url()), application_name="tests-template"
    )
    migrate(database)
    database.close()
    return Databases(servers, _TEMPLATE)


@pytest.fixture
def settings(servers: EmbeddedServers, databases: Databases) -> Iterator[Settings]:
    """Give settings that name a migrated database and an empty Valkey database, the test's own both."""
    with fresh_settings(servers, databases) as own:
        yield own


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Postgres, migrated, with nothing in it but the areas and bag types that ship by default."""
    opened = Database(settings, application_name="tests")
    yield opened
    opened.close()


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    """Valkey, empty, as a worker connects to it."""
    client = connect_worker(settings)
    yield client
    client.close()
