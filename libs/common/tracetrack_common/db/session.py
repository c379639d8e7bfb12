"""The one place that opens and commits transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from tracetrack_common.settings import Settings

_TRANSIENT_CLASSES = frozenset(
    {
        "08",  # connection_exception
        "40",  # transaction_rollback: a serialization failure, a deadlock
        "53",  # insufficient_resources: disk full, out of memory, too many connections
        "57",  # operator_intervention: a statement timeout under load, a shutdown, a start
    }
)
_TRANSIENT_SQLSTATES = frozenset(
    {
        "25006",  # read_only_sql_transaction: a demoted server
        "25P03",  # idle_in_transaction_session_timeout: this process was held up
        "25P04",  # transaction_timeout
        "55P03",  # lock_not_available
        "58030",  # io_error
    }
)
_WITHOUT_SQLSTATE = frozenset({"OperationalError", "InterfaceError", "DatabaseError"})
"""What the driver raises when the server said nothing: a connection that broke, whatever was under way."""


_CLIENT_CHECK_MS = 1_000


class StateChangedError(Exception):
    """What the transaction had read was changed by another before it could write; doing it again will see that."""


def is_transient(error: BaseException) -> bool:
    """Tell whether the same work may succeed when it is done again: a lost connection, a deadlock, a race.

    Parameters
    ----------
    error
        What a transaction ended with.
    """
    if isinstance(error, StateChangedError | PoolTimeoutError | MemoryError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    sqlstate = getattr(error.orig, "pgcode", None)
    if sqlstate is None:
        return error.connection_invalidated or type(error.orig).__name__ in _WITHOUT_SQLSTATE
    return sqlstate in _TRANSIENT_SQLSTATES or sqlstate[:2] in _TRANSIENT_CLASSES


class Database:
    """A pool of connections to Postgres.

    Parameters
    ----------
    settings
        Address, pool sizes and timeouts.
    application_name
        How the connections show in `pg_stat_activity`.
    read_only
        Whether Postgres itself refuses writes on them (the gateway).
    """

    def __init__(self, settings: Settings, *, application_name: str, read_only: bool = False) -> None:
        url = settings.database_url.get_secret_value()
        options = {
            "statement_timeout": settings.db_statement_timeout_ms,
            "lock_timeout": settings.db_lock_timeout_ms,
            "idle_in_transaction_session_timeout": settings.db_idle_in_transaction_timeout_ms,
            # Without it the statement of a worker that was killed goes on, and keeps its locks, to its own end.
            "client_connection_check_interval": _CLIENT_CHECK_MS,
            "timezone": "UTC",
            "default_transaction_read_only": "on" if read_only else "off",
        }
        self.engine = create_engine(
            "postgresql+psycopg2://" + url.split("://", 1)[1],
            poolclass=QueuePool,
            pool_size=settings.db_pool_size,
            max_overflow=settings.db_max_overflow,
            pool_timeout=settings.db_connect_timeout_s,
            pool_use_lifo=True,
            hide_parameters=True,  # an error is logged with its statement, and hashes and links are among the values
            connect_args={
                "application_name": application_name,
                "connect_timeout": settings.db_connect_timeout_s,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": settings.db_statement_timeout_ms + 5_000,
                "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
            },
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction; it is committed when the block ends, rolled back when it raises.

        Raises
        ------
        sqlalchemy.exc.DBAPIError
            As the statements or the commit raise it; `is_transient` tells whether a repetition makes sense.
        """
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a read-only transaction in which every statement sees the same moment."""
        with self.engine.connect().execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        ) as connection:
            yield connection

    @contextmanager
    def savepoint(self, connection: Connection) -> Iterator[None]:
        """Keep a transaction usable when a statement of the block fails; what the block did is undone then.

        Parameters
        ----------
        connection
            Inside a transaction or a snapshot.
        """
        with connection.begin_nested():
            yield

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()
