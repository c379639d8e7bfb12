"""Settings for tests, and the databases they name."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import SecretStr

from tests.support.databases import Databases
from tests.support.servers import EmbeddedServers
from tracetrack_common.settings import Settings

_REDIS_DATABASES = 16
_numbers = itertools.count(1)


def make_settings(database_url: str, redis_url: str, **changes: Any) -> Settings:
    """Give settings for a test: quiet, and trusting no looked-up token.

    Parameters
    ----------
    database_url, redis_url
        The servers.
    **changes
        Settings that differ from those.
    """
    values: dict[str, Any] = {"log_level": "error", "credential_ttl_s": 0.0, **changes}
    return Settings(database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), **values)


@contextmanager
def fresh_settings(servers: EmbeddedServers, databases: Databases, **changes: Any) -> Iterator[Settings]:
    """Borrow a database and empty a Valkey database; give settings that name both.

    Parameters
    ----------
    servers
        Where they are.
    databases
        Lends the database.
    **changes
        Settings that differ from those of every test.
    """
    redis_database = next(_numbers) % _REDIS_DATABASES
    servers.flush_redis(redis_database)
    name = databases.borrow()
    try:
        with TemporaryDirectory(prefix="tracetrack-files-") as files:
            urls = servers.database_url(name), servers.redis_url(redis_database)
            yield make_settings(*urls, **{"files_dir": Path(files), **changes})
    finally:
        databases.give_back(name)
