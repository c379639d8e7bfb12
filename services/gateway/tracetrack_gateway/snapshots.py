"""Snapshots: what the gateway reads of Postgres, beside the requests and in bounded time.

A Postgres that hangs (a stopped process, a stalled disk) keeps its connections open and says nothing, so no timeout of
its own comes true. A read that takes too long is therefore cut off from this side: the connection is shut down under
it, which frees the thread that waits for it. Reads have threads of their own, so that they hold up nothing but reads.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import Connection

from tracetrack_common.db.session import Database
from tracetrack_common.errors import UnavailableError
from tracetrack_common.log import get_logger

log = get_logger(__name__)

Found = TypeVar("Found")


class Snapshots:
    """Reads of Postgres, at most so many at a time.

    Parameters
    ----------
    database
        Postgres, read-only.
    at_once
        How many reads are under way at most; not more than the pool has connections.
    timeout_s
        How long a read may take, its wait for the others included.
    """

    def __init__(self, database: Database, *, at_once: int, timeout_s: float) -> None:
        self._database = database
        self._timeout_s = timeout_s
        self._executor = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="snapshots")
        self._under_way: set[_Line] = set()

    async def read(self, read: Callable[[Connection], Found]) -> Found:
        """Read, with every statement seeing the same moment.

        Parameters
        ----------
        read
            Reads; on a thread.

        Raises
        ------
        UnavailableError
            Postgres did not answer in time.
        sqlalchemy.exc.SQLAlchemyError
            As the statements raise it.
        """
        line = _Line()

        def in_snapshot() -> Found:
            with self._database.snapshot() as connection, line.held(connection):
                return read(connection)

        self._under_way.add(line)
        try:
            under_way = asyncio.get_running_loop().run_in_executor(self._executor, in_snapshot)
            return await asyncio.wait_for(under_way, self._timeout_s)
        except TimeoutError:
            line.cut()
            log.warning("database_read_cut_off", after_s=self._timeout_s)
            raise UnavailableError("The database does not answer; try again.") from None
        finally:
            self._under_way.discard(line)

    def close(self) -> None:
        """Cut off what is under way and read nothing more."""
        for line in list(self._under_way):
            line.cut()
        self._executor.shutdown(wait=False, cancel_futures=True)


class _Line:
    """The connection a read is waiting on, while it has one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    @contextmanager
    def held(self, connection: Connection) -> Iterator[None]:
        """Let the connection be cut from elsewhere while the block runs, and never after it."""
        driver: Any = connection.connection.driver_connection
        with socket.socket(fileno=os.dup(driver.fileno())) as own:
            with self._lock:
                self._socket = own
            if self._is_cut:
                self.cut()
            try:
                yield
            finally:
                with self._lock:
                    self._socket = None

    def cut(self) -> None:
        """End the read: who waits on the connection hears that it was closed."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
