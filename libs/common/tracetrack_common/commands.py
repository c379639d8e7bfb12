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

Handler = Callable[[Connection, Command], dict[str, Any]]
"""Does one kind of command in an open transaction; gives its outcome, or raises a `TraceTrackError` to refuse."""

Job = Callable[[Command], dict[str, Any]]
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
    """

    def __init__(
        self,
        database: Database,
        *,
        queue: str,
        handlers: Mapping[str, Handler] | None = None,
        jobs: Mapping[str, Job] | None = None,
        after_commit: Mapping[str, Callable[[Command, Mapping[str, Any]], None]] | None = None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._handlers = handlers or {}
        self._jobs = jobs or {}
        self._after_commit = after_commit or {}

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
            if entry.deliveries >= POISON_DELIVERIES and not self._was_executed(command):
                self._fail(entry, "worker_died", "every worker that took it died")
                document = _failure(command)
            else:
                document = self._execute(command, entry)
            if command.reply_to is not None:
                replies.add(command.reply_to, document)
        return Handled(ids, replies.messages())

    def _read(self, entry: Entry) -> Command | None:
        try:
            return decode_command(entry.body)
        except UnreadableEntryError as error:
            self._fail(entry, "unreadable", str(error))
            return None

    def _execute(self, command: Command, entry: Entry) -> dict[str, Any]:
        try:
            try:
                status, outcome = self._once(command)
            except IntegrityError:
                # A constraint decided against it: another transaction was faster. Once more sees what that one did.
                status, outcome = self._once(command)
        except Exception as error:
            if is_transient(error):
                raise
            log.exception("command_failed", command=command.name, command_id=command.command_id)
            self._fail(entry, "not_executable", f"{type(error).__name__}: {error}")
            return _failure(command)
        if status == "done" and command.name in self._after_commit:
            self._after_commit[command.name](command, outcome)
        log.info(
            "command_executed",
            command=command.name,
            command_id=command.command_id,
            status=status,
            request_id=command.origin.request_id,
        )
        return reply_document(command.command_id, status, outcome)

    def _once(self, command: Command) -> tuple[str, dict[str, Any]]:
        """Execute a command unless it was executed before; a refusal is an outcome and is kept as one."""
        content_sha256 = _digest_content(command)
        if command.name in self._jobs:
            with self._database.transaction() as connection:
                before = _find_executed(connection, command, content_sha256)
            if before is not None:
                return before
            status, outcome = _outcome_of(lambda: self._jobs[command.name](command))
        with self._database.transaction() as connection:
            before = _find_executed(connection, command, content_sha256)
            if before is not None:
                return before
            if command.name not in self._jobs:
                status, outcome = _outcome_of(lambda: self._handle_in(connection, command))
            _keep(connection, command, content_sha256, status, outcome)
            return status, outcome

    def _was_executed(self, command: Command) -> bool:
        """Tell whether a command took effect although every worker that had it died before it could say so."""
        with self._database.transaction() as connection:
            return _find_executed(connection, command, _digest_content(command)) is not None

    def _handle_in(self, connection: Connection, command: Command) -> dict[str, Any]:
        """Execute a command in a savepoint, so that a refusal leaves nothing behind."""
        with connection.begin_nested():
            return self._handlers[command.name](connection, command)

    def _fail(self, entry: Entry, reason: str, detail: str) -> None:
        with self._database.transaction() as connection:
            failed_work.insert(
                connection,
                queue=self._queue,
                reason=reason,
                detail=detail,
                payload={"body": entry.body.decode(errors="replace")},
                attempts=entry.deliveries,
            )


def _digest_content(command: Command) -> bytes:
    return hashlib.sha256(orjson.dumps([command.name, command.arguments], option=orjson.OPT_SORT_KEYS)).digest()


def _outcome_of(execute: Callable[[], dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    try:
        return "done", execute()
    except TraceTrackError as error:
        return "refused", error_document(error)


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
