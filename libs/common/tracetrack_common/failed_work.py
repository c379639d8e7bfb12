"""Failed work: what no retry would cure, kept with its payload and the reason until a person has decided about it.

It is replayed once its cause is gone, or discarded with a reason (docs/failed-work.md).
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from tracetrack_common.contracts import Command
from tracetrack_common.errors import ConflictError, NotFoundError
from tracetrack_common.notification import notify
from tracetrack_common.records import keep_record

REPLAY: Final = "failed.replay"
DISCARD: Final = "failed.discard"
MAIL: Final = "mail"
ATTEMPT_ONLY: Final = "id_reused"
"""An attempt to use an identity twice: the first scan stands, so no accepted work waits."""
REPLAYED_BY: Final[Mapping[str, str]] = {
    "scans": "commands",
    "commands": "commands",
    "reports": "reports",
    MAIL: "commands",
}
"""By the queue that work came from, the one whose worker replays it: a worker that can do it in the transaction that
says so, or that has the jobs."""

_DETAIL_MOST = 500

_INSERT = text(
    "INSERT INTO failed_work (failed_id, queue, reason, detail, payload, attempts, first_at, last_at)"
    " VALUES (:failed_id, :queue, :reason, :detail, CAST(:payload AS jsonb), :attempts, now(), now())"
    " ON CONFLICT (failed_id) DO UPDATE SET last_at = now(), attempts = failed_work.attempts + 1"
)
_COLUMNS = (
    "SELECT failed_id, queue, reason, detail, payload, attempts, state, resolved_at, note,"
    " app_user.username AS resolved_by"
    " FROM failed_work LEFT JOIN app_user ON app_user.user_id = failed_work.resolved_by WHERE failed_id = :failed_id"
)
_FIND = text(_COLUMNS)
_LOCK = text(f"{_COLUMNS} FOR UPDATE OF failed_work")
_FAIL_AGAIN = text(
    "UPDATE failed_work SET detail = :detail, attempts = attempts + 1, last_at = now() WHERE failed_id = :failed_id"
)
_RESOLVE = text(
    "UPDATE failed_work SET state = :state, note = :note, attempts = :attempts, resolved_at = now(),"
    " resolved_by = :user_id WHERE failed_id = :failed_id"
)
_NAMESPACE = uuid.UUID("7d1f3a52-0c57-4d0c-9a52-3f8f0f6f4f5e")


def insert(
    connection: Connection, *, queue: str, reason: str, detail: str, payload: Mapping[str, Any], attempts: int
) -> None:
    """Keep a piece of work that failed for good; the same piece failing for the same reason again is the same row.

    Parameters
    ----------
    connection
        Inside a transaction.
    queue
        Where it came from.
    reason, detail
        A word for counting, a sentence for reading.
    payload
        What is needed to replay it; no secrets.
    attempts
        How often it was tried.
    """
    document = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS).decode()
    connection.execute(
        _INSERT,
        {
            "failed_id": uuid.uuid5(_NAMESPACE, f"{queue}|{reason}|{document}"),
            "queue": queue,
            "reason": reason,
            "detail": _storable(detail),
            "payload": document.replace("\\u0000", "\\ufffd"),
            "attempts": attempts,
        },
    )
    notify(
        connection,
        # Once an hour is enough to be called by; the list has every piece.
        event_key=f"failed_work:{queue}:{reason}:{datetime.now(UTC):%Y-%m-%dT%H}",
        roles=("operator", "admin"),
        priority="low" if reason == ATTEMPT_ONLY else "high",
        title=f"Failed work: {reason} ({queue})",
        body="Work could not be done and waits for a decision: see the failed work.",
        # That mail fails is not told by mail.
        by_mail=queue != MAIL,
    )


def describe(error: BaseException) -> str:
    """Say in a line what a piece of work failed with; the statement and its values are for the log."""
    cause = (error.orig if isinstance(error, DBAPIError) else None) or error
    first_line = str(cause).strip().partition("\n")[0]
    return f"{type(cause).__name__}: {first_line}"[:_DETAIL_MOST]


def find(connection: Connection, failed_id: str) -> Row[Any]:
    """Give a piece of failed work.

    Raises
    ------
    NotFoundError
        There is none of that identity.
    """
    return _found(connection, _FIND, failed_id)


def lock_open(connection: Connection, failed_id: str) -> Row[Any]:
    """Give a piece that waits for a decision, and keep others from deciding until the transaction ends.

    Raises
    ------
    NotFoundError
        There is none of that identity.
    ConflictError
        It was decided about before; the sentence says what, by whom and when.
    """
    row = _found(connection, _LOCK, failed_id)
    if row.state != "open":
        by = f" by {row.resolved_by}" if row.resolved_by else ""
        raise ConflictError(f"It was {row.state}{by} at {row.resolved_at:%F %T} UTC: {row.note}")
    return row


def resolve_replayed(connection: Connection, command: Command, row: Row[Any], note: str) -> dict[str, Any]:
    """Note that a piece has been done; give the outcome of the command that replayed it.

    Parameters
    ----------
    connection
        Inside the transaction in which the row is locked.
    command
        The replay.
    row
        The piece.
    note
        What became of it, without business data.
    """
    return _resolve(connection, command, row, state="replayed", note=note, attempts=row.attempts + 1)


def fail_again(connection: Connection, command: Command, row: Row[Any], detail: str) -> ConflictError:
    """Note that a replay failed, so that the piece goes on waiting; give what the operator is told.

    Parameters
    ----------
    connection
        Inside the transaction in which the row is locked.
    command
        The replay.
    row
        The piece.
    detail
        What it failed with this time.
    """
    detail = _storable(detail)
    connection.execute(_FAIL_AGAIN, {"failed_id": row.failed_id, "detail": detail})
    _audit(connection, command, row, {"state": "open", "attempts": row.attempts + 1, "detail": detail})
    return ConflictError(f"It failed again and stays in the failed work: {detail}")


def discard(connection: Connection, command: Command) -> dict[str, Any]:
    """Handle ``failed.discard``: a person decides that a piece shall never be done, and says why.

    Returns
    -------
    dict
        ``failed_id``, ``state``, ``note``.

    Raises
    ------
    NotFoundError, ConflictError
        As `lock_open` says.
    """
    row = lock_open(connection, command.arguments["failed_id"])
    return _resolve(
        connection, command, row, state="discarded", note=command.arguments["reason"], attempts=row.attempts
    )


def _found(connection: Connection, statement: Any, failed_id: str) -> Row[Any]:
    row = connection.execute(statement, {"failed_id": failed_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no failed work {failed_id}.")
    return row


def _resolve(
    connection: Connection, command: Command, row: Row[Any], *, state: str, note: str, attempts: int
) -> dict[str, Any]:
    user_id = int(command.actor.removeprefix("user:"))
    values = {"failed_id": row.failed_id, "state": state, "note": note, "attempts": attempts, "user_id": user_id}
    connection.execute(_RESOLVE, values)
    _audit(connection, command, row, {"state": state, "attempts": attempts, "note": note})
    return {"failed_id": str(row.failed_id), "state": state, "note": note}


def _audit(connection: Connection, command: Command, row: Row[Any], after: Mapping[str, Any]) -> None:
    before = {name: getattr(row, name) for name in ("queue", "reason", "detail", "state", "attempts")}
    keep_record(connection, command, f"failed_work:{row.failed_id}", before=before, after=after)


def _storable(detail: str) -> str:
    return detail.replace("\x00", "\N{REPLACEMENT CHARACTER}")
