"""Executing commands: each in a transaction of its own, once, with its outcome kept (design.md, The way of a scan)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from tracetrack_common import failed_work
from tracetrack_common.contracts import Command, Replies, UnreadableEntryError, decode_command
from tracetrack_common.db.session import Database, StateChangedError, is_transient
from tracetrack_common.drain import Handled
from tracetrack_common.errors import IdReusedError, TraceTrackError
from tracetrack_common.ledger import Entry
from tracetrack_common.log import get_logger

log = get_logger(__name__)

POISON_DELIVERIES = 4
"""A command whose holder died so often is failed work."""

Handler = Callable[[Connection, Command], dict[str, Any] | TraceTrackError]
"""Does one kind of command in an open transaction; gives its outcome, or raises a `TraceTrackError` to refuse. One
that it gives back instead refuses too, and what was written stays."""

Job = Callable[[Command], dict[str, Any] | TraceTrackError]
"""Does one kind of command that is long and idempotent, in transactions of its own; otherwise like a `Handler`."""

_SELECT = text(
    "SELECT command_id, content_sha256, status, outcome FROM command"
    " WHERE command_id = :command_id OR (actor = :actor AND idempotency_key = :idempotency_key)"
    " ORDER BY command_id = :command_id DESC LIMIT 1"
)
_INSERT = text(
    "INSERT INTO command (command_id, actor, idempotency_key, name, content_sha256, received_at, status, outcome)"
    " VALUES (:command_id, :actor, :idempotency_key, :name, :content_sha256, :received_at, :status,"
    " CAST(:outcome AS jsonb)) ON CONFLICT DO NOTHING"
)


def reply_document(command_id: str, status: str, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Give a command's outcome as it travels to the gateway that waits.

    Parameters
    ----------
    command_id
        Which command.
    status
        ``done``, or ``refused`` with an error as its outcome.
    outcome
        What the handler gave, or ``{"code", "detail", "errors"}``.
    """
    return {"command_id": command_id, "status": status, "outcome": outcome}


class CommandExecutor:
    """Executes the entries of a ledger of commands.

    Parameters
    ----------
    database
        Where they take effect.
    queue
        The ledger's queue.
    handlers
        What to do, by the command's name.
    jobs
        What is done outside of the command's transaction, by the command's name.
    after_commit
        What must follow the commit and precede the reply, by the command's name; it may be done more than once.
    given_up
        What is done instead of keeping it as failed work when every worker that took a command died, by its name.
    """

    def __init__(
        self,
        database: Database,
        *,
        queue: str,
        handlers: Mapping[str, Handler] | None = None,
        jobs: Mapping[str, Job] | None = None,
        after_commit: Mapping[str, Callable[[Command, Mapping[str, Any]], None]] | None = None,
        given_up: Mapping[str, Handler] | None = None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._handlers = handlers or {}
        self._jobs = jobs or {}
        self._after_commit = after_commit or {}
        self._given_up = given_up or {}

    def handle(self, entries: Sequence[Entry]) -> Handled:
        """Execute these entries, each in a transaction of its own.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, StateChangedError
            Only what a repetition may cure; commands done before it are not done again.
        """
        ids: list[str] = []
        replies = Replies()
        for entry in entries:
            command = self._read(entry)
            if command is None:
                continue
            ids.append(command.command_id)
            given_up = entry.deliveries >= POISON_DELIVERIES and not self._was_executed(command)
            if given_up and command.name not in self._given_up:
                self._fail(entry, "worker_died", "every worker that took it died", command)
                document = _failure(command)
            else:
                document = self._execute(command, entry, given_up=given_up)
            if command.reply_to is not None:
                replies.add(command.reply_to, document)
        return Handled(ids, replies.messages())

    def _read(self, entry: Entry) -> Command | None:
        try:
            return decode_command(entry.body)
        except UnreadableEntryError as error:
            self._fail(entry, "unreadable", str(error))
            return None

    def once(self, command: Command, *, given_up: bool = False) -> tuple[str, dict[str, Any]]:
        """Execute a command unless it was executed before; a refusal is an outcome and is kept as one.

        Returns
        -------
        tuple of str, dict
            ``done`` or ``refused``, and the outcome.

        Raises
        ------
        Exception
            As the handler, the job or the database raises it; nothing of a handler's work was kept.
        """
        try:
            return self._once(command, given_up=given_up)
        except IntegrityError:
            # A constraint decided against it: another transaction was faster. Once more sees what that one did.
            return self._once(command, given_up=given_up)

    def execute_in(self, connection: Connection, command: Command) -> tuple[str, dict[str, Any]]:
        """Execute a command as `once` does, in a transaction that the caller commits; a job cannot be."""
        return _keep_once(connection, command, lambda: _handle_in(connection, command, self._handlers))

    def follow_up(self, command: Command) -> None:
        """Do what must follow the commit of a command, when it was done."""
        with self._database.transaction() as connection:
            executed = _find_executed(connection, command, _digest_content(command))
        if executed is not None:
            self._follow_up(command, *executed)

    def _follow_up(self, command: Command, status: str, outcome: Mapping[str, Any]) -> None:
        if status == "done" and command.name in self._after_commit:
            self._after_commit[command.name](command, outcome)

    def _execute(self, command: Command, entry: Entry, *, given_up: bool) -> dict[str, Any]:
        try:
            status, outcome = self.once(command, given_up=given_up)
        except Exception as error:
            if is_transient(error):
                raise
            log.exception("command_failed", command=command.name, command_id=command.command_id)
            self._fail(entry, "not_executable", failed_work.describe(error), command)
            return _failure(command)
        self._follow_up(command, status, outcome)
        log.info(
            "command_executed",
            command=command.name,
            command_id=command.command_id,
            status=status,
            request_id=command.origin.request_id,
        )
        return reply_document(command.command_id, status, outcome)

    def _once(self, command: Command, *, given_up: bool) -> tuple[str, dict[str, Any]]:
        if given_up or command.name not in self._jobs:
            handlers = self._given_up if given_up else self._handlers
            with self._database.transaction() as connection:
                return _keep_once(connection, command, lambda: _handle_in(connection, command, handlers))
        with self._database.transaction() as connection:
            before = _find_executed(connection, command, _digest_content(command))
        if before is not None:
            return before
        try:
            given = self._jobs[command.name](command)
        except TraceTrackError as error:
            given = error
        with self._database.transaction() as connection:
            return _keep_once(connection, command, lambda: given)

    def _was_executed(self, command: Command) -> bool:
        """Tell whether a command took effect although every worker that had it died before it could say so."""
        with self._database.transaction() as connection:
            return _find_executed(connection, command, _digest_content(command)) is not None

    def _fail(self, entry: Entry, reason: str, detail: str, command: Command | None = None) -> None:
        named = {} if command is None else {"command_id": command.command_id, "command": command.name}
        with self._database.transaction() as connection:
            failed_work.insert(
                connection,
                queue=self._queue,
                reason=reason,
                detail=detail,
                payload={**named, "body": entry.body.decode(errors="replace")},
                attempts=entry.deliveries,
            )


def _digest_content(command: Command) -> bytes:
    return hashlib.sha256(orjson.dumps([command.name, command.arguments], option=orjson.OPT_SORT_KEYS)).digest()


def _handle_in(
    connection: Connection, command: Command, handlers: Mapping[str, Handler]
) -> dict[str, Any] | TraceTrackError:
    """Execute a command in a savepoint, so that a refusal leaves nothing behind."""
    with connection.begin_nested():
        return handlers[command.name](connection, command)


def _keep_once(
    connection: Connection, command: Command, execute: Callable[[], dict[str, Any] | TraceTrackError]
) -> tuple[str, dict[str, Any]]:
    """Execute a command unless it was executed before, and keep its outcome in the same transaction."""
    content_sha256 = _digest_content(command)
    before = _find_executed(connection, command, content_sha256)
    if before is not None:
        return before
    try:
        given = execute()
    except TraceTrackError as error:
        given = error
    status, outcome = ("refused", error_document(given)) if isinstance(given, TraceTrackError) else ("done", given)
    _keep(connection, command, content_sha256, status, outcome)
    return status, outcome


def _find_executed(
    connection: Connection, command: Command, content_sha256: bytes
) -> tuple[str, dict[str, Any]] | None:
    """Give what became of this command, or of another under its Idempotency-Key, when it was executed before."""
    keys = {
        "command_id": command.command_id,
        "actor": command.actor,
        "idempotency_key": command.idempotency_key,
    }
    before = connection.execute(_SELECT, keys).one_or_none()
    if before is None:
        return None
    if bytes(before.content_sha256) != content_sha256:
        error = IdReusedError("This Idempotency-Key was used before for another request; use a new one.")
        return "refused", error_document(error)
    return before.status, before.outcome


def _keep(
    connection: Connection, command: Command, content_sha256: bytes, status: str, outcome: Mapping[str, Any]
) -> None:
    inserted = connection.execute(
        _INSERT,
        {
            "command_id": command.command_id,
            "actor": command.actor,
            "idempotency_key": command.idempotency_key,
            "name": command.name,
            "content_sha256": content_sha256,
            "received_at": command.origin.received_at,
            "status": status,
            "outcome": orjson.dumps(outcome).decode(),
        },
    )
    if inserted.rowcount != 1:
        raise StateChangedError("another worker executed this command")


def error_document(error: TraceTrackError) -> dict[str, Any]:
    """Give a refusal as it is kept and travels."""
    return {"code": error.code, "detail": error.detail, "errors": error.errors}


def _failure(command: Command) -> dict[str, Any]:
    """Tell who waits that the command failed for a reason that is not theirs."""
    detail = "This could not be done; it was kept as failed work for an operator to look at."
    return reply_document(command.command_id, "failed", {"code": "failed", "detail": detail, "errors": []})
