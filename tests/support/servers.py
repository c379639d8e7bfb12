"""PostgreSQL and Valkey for tests: the launcher's own, in a folder that is gone afterwards.

One :class:`EmbeddedServers` serves a whole test session. It starts in about two seconds; a database cloned from a
migrated template takes some hundredths of one::

    with EmbeddedServers() as servers:
        template = servers.create_database("template")      # migrate it once
        url = servers.create_database("t1", template="template")
        …
        servers.drop_database("t1")
        servers.flush_redis()
"""

import contextlib
import secrets
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg2 import sql

from tracetrack_local import ports, readiness
from tracetrack_local.postgres import APP_ROLE, EmbeddedPostgres
from tracetrack_local.process import Child, stop_all
from tracetrack_local.valkey import EmbeddedValkey
from tracetrack_local.waiting import wait_until

START_TIMEOUT_S = 60.0


class EmbeddedServers:
    """Both servers, as ``tracetrack up`` starts them; use it as a context manager, from the main thread.

    Parameters
    ----------
    durable
        True makes the servers sync every write, as in operation; fault tests and benchmarks want that.
    folder
        Where the data goes; a temporary folder, removed at the end, when left out.

    Attributes
    ----------
    postgres, valkey
        The running processes, for tests that kill them: ``servers.valkey.kill_group()``, then ``servers.restart()``.
    postgres_server, valkey_server
        What they were started from: ports, passwords, clients.
    """

    def __init__(self, *, durable: bool = False, folder: Path | None = None) -> None:
        self._temporary = folder is None
        self._folder = Path(tempfile.mkdtemp(prefix="tracetrack-test-")) if folder is None else folder
        if self._temporary:
            self._folder.chmod(0o711)  # root gives PostgreSQL to another user, who must find its way in
        postgres_port = ports.choose_free()
        self.postgres_server = EmbeddedPostgres(
            data_dir=self._folder / "postgres",
            port=postgres_port,
            superuser_password=secrets.token_urlsafe(16),
            owner_password=secrets.token_urlsafe(16),
            app_password=secrets.token_urlsafe(16),
            durable=durable,
        )
        self.valkey_server = EmbeddedValkey(
            data_dir=self._folder / "valkey",
            port=ports.choose_free(frozenset({postgres_port})),
            password=secrets.token_urlsafe(16),
            admin_password=secrets.token_urlsafe(16),
            durable=durable,
        )
        self.postgres_server.prepare()
        self.valkey_server.prepare()
        self.postgres = Child(self.postgres_server.spec(), self._folder)
        self.valkey = Child(self.valkey_server.spec(), self._folder)

    def __enter__(self) -> Self:
        try:
            self.restart()
            self.postgres_server.ensure_database()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def restart(self) -> None:
        """Start the server that is not running, or both, and wait until they answer.

        Raises
        ------
        RuntimeError
            One did not answer in time; the text has the end of its log.
        """
        stopped = [child for child in (self.postgres, self.valkey) if not child.is_running()]
        for child in stopped:
            child.start()
        answers = {
            self.postgres: lambda: readiness.postgres_answers(self.postgres_server),
            self.valkey: lambda: readiness.valkey_answers(self.valkey_server),
        }
        for child in stopped:
            if not wait_until(answers[child], timeout_s=START_TIMEOUT_S):
                raise RuntimeError(f"{child.name} did not start:\n{child.last_lines()}")

    def stop(self) -> None:
        """Stop both and remove the temporary folder."""
        stop_all([self.valkey, self.postgres])
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    def database_url(self, name: str) -> str:
        """Give the address of a database, as the services' role, which owns those that are made here."""
        return self.postgres_server.url(name)

    def superuser_url(self, name: str) -> str:
        """Give the address of a database, as the superuser."""
        return self.postgres_server.superuser_url(name)

    def create_database(self, name: str, template: str | None = None, *, owner: str = APP_ROLE) -> str:
        """Make a database, empty or as a copy of another one, and give its address.

        Parameters
        ----------
        name
            Its name.
        template
            The database to copy; connections to it are ended, since PostgreSQL copies none that is in use.
        owner
            Whose it is: the services', so that a test may do with it what it likes.
        """
        statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
        with closing(self.postgres_server.connect()) as connection, connection.cursor() as cursor:
            if template is not None:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (template,)
                )
                # Copying files is faster than copying through the log, as nothing waits for the disk here.
                statement += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
            cursor.execute(statement)
        return self.database_url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database if it is there, and end the connections to it."""
        with closing(self.postgres_server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def redis_url(self, database: int = 0) -> str:
        """Give the address of one of Valkey's sixteen databases, as the admin: a test may do with it what it likes."""
        return self.valkey_server.admin_url(database)

    def flush_redis(self, database: int = 0) -> None:
        """Empty one of Valkey's databases."""
        with contextlib.closing(self.valkey_server.connect(database)) as client:
            client.flushdb()
