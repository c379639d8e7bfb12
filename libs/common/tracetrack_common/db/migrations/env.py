"""Alembic environment: runs on the connection it is handed, with timeouts that spare a live system."""

from alembic import context
from sqlalchemy import Connection, text

from tracetrack_common.db.schema import metadata

_LOCK_TIMEOUT_MS = 4_000
_STATEMENT_TIMEOUT_MS = 600_000
_MIGRATION_LOCK = 0x7472_6163_6B  # "track": one migration at a time, whoever starts it


def _run(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}"))
    connection.execute(text(f"SET LOCAL statement_timeout = {_STATEMENT_TIMEOUT_MS}"))
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()


_run(context.config.attributes["connection"])
