"""Replaying failed work: once more on its own road, so that it is done once however often it is replayed.

What a transaction can do is done in the transaction that says so: either both are there or neither. A job takes
transactions of its own; it is kept as done under its command's identity before the row says so, and a job that was
done is not done again.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from tracetrack_common import failed_work
from tracetrack_common.commands import CommandExecutor
from tracetrack_common.contracts import Command, decode_command
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.errors import TraceTrackError
from tracetrack_common.log import get_logger

log = get_logger(__name__)


class Road(Protocol):
    """How the work of a queue is done in a transaction."""

    def redo(self, connection: Connection, body: bytes) -> str:
        """Do it, and say without business data what became of it.

        Parameters
        ----------
        connection
            Inside a savepoint: what is raised undoes it.
        body
            The message, as it stood in the ledger.

        Raises
        ------
        TraceTrackError
            It can never be done.
        Exception
            It failed again.
        """

    def follow_up(self, body: bytes) -> None:
        """Do what must follow the commit; it may be done more than once."""


class CommandRoad:
    """The road of commands that a handler does.

    Parameters
    ----------
    executor
        Has the handlers.
    """

    def __init__(self, executor: CommandExecutor) -> None:
        self._executor = executor

    def redo(self, connection: Connection, body: bytes) -> str:
        """Execute the command unless it was executed before; a refusal is an outcome as any other."""
        command = decode_command(body)
        return _describe(command, *self._executor.execute_in(connection, command))

    def follow_up(self, body: bytes) -> None:
        """Do what follows this command's commit."""
        self._executor.follow_up(decode_command(body))


class Replayer:
    """Handles ``failed.replay`` of work that a transaction can do.

    Parameters
    ----------
    database
        Where failed work is.
    roads
        How it is done, by the queue it came from.
    """

    def __init__(self, database: Database, roads: Mapping[str, Road]) -> None:
        self._database = database
        self._roads = roads

    def __call__(self, connection: Connection, command: Command) -> dict[str, Any] | TraceTrackError:
        """Do a piece of failed work and note that it is done, or that it failed again.

        Returns
        -------
        dict or ConflictError
            ``failed_id``, ``state``, ``note``; or why it stays in the failed work.

        Raises
        ------
        NotFoundError, ConflictError
            There is no such piece, it was decided about before, or it can never be done.
        """
        row = failed_work.lock_open(connection, command.arguments["failed_id"])
        road = self._roads[row.queue]

        def redo() -> str:
            with self._database.savepoint(connection):
                return road.redo(connection, row.payload["body"].encode())

        done = _attempt(redo, row.failed_id)
        if isinstance(done, Exception):
            return failed_work.fail_again(connection, command, row, failed_work.describe(done))
        return failed_work.resolve_replayed(connection, command, row, done)

    def follow_up(self, command: Command, _: Mapping[str, Any]) -> None:
        """Do what must follow the commit of a replay; it may be done more than once."""
        with self._database.snapshot() as connection:
            row = failed_work.find(connection, command.arguments["failed_id"])
        self._roads[row.queue].follow_up(row.payload["body"].encode())


class JobReplayer:
    """Does ``failed.replay`` of jobs, as a job itself.

    Parameters
    ----------
    database
        Where failed work is.
    executor
        Has the jobs.
    """

    def __init__(self, database: Database, executor: CommandExecutor) -> None:
        self._database = database
        self._executor = executor

    def __call__(self, command: Command) -> dict[str, Any] | TraceTrackError:
        """Do a failed job and note that it is done, or that it failed again; as `Replayer`.

        A worker that dies after noting it is told at the next try that it was replayed already, by the same person.
        """
        failed_id = command.arguments["failed_id"]
        with self._database.transaction() as connection:
            body = failed_work.lock_open(connection, failed_id).payload["body"].encode()

        def redo() -> str:
            job = decode_command(body)
            return _describe(job, *self._executor.once(job))

        done = _attempt(redo, failed_id)
        with self._database.transaction() as connection:
            row = failed_work.lock_open(connection, failed_id)
            if isinstance(done, Exception):
                return failed_work.fail_again(connection, command, row, failed_work.describe(done))
            return failed_work.resolve_replayed(connection, command, row, done)


def give_up(connection: Connection, command: Command) -> TraceTrackError:
    """Note on a piece of failed work that every worker that replayed it died; it goes on waiting."""
    row = failed_work.lock_open(connection, command.arguments["failed_id"])
    return failed_work.fail_again(connection, command, row, "every worker that replayed it died")


def _attempt(redo: Callable[[], str], failed_id: Any) -> str | Exception:
    """Do a piece; give what became of it, or what it failed with when no retry would cure that.

    Where a constraint decided, another transaction may have been faster: once more sees what that one did.
    """
    try:
        try:
            return redo()
        except IntegrityError:
            return redo()
    except TraceTrackError:
        raise
    except Exception as error:
        if is_transient(error):
            raise
        log.exception("replay_failed", failed_id=str(failed_id))
        return error


def _describe(command: Command, status: str, outcome: Mapping[str, Any]) -> str:
    return f"{command.name}: {status}" + (f" ({outcome['code']})" if status == "refused" else "")
