"""Commands on sessions (domain.md, People, devices, areas). No token travels here, only its SHA-256."""

from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from sqlalchemy import Connection, text

from tracetrack_common import accounts, audit, last_seen
from tracetrack_common.contracts import Command
from tracetrack_common.db.session import Database
from tracetrack_common.errors import NotFoundError, UnauthorizedError
from tracetrack_common.records import keep_record
from tracetrack_scan_worker.users import lock_user_by_key

_INSERT_SESSION = text(
    "INSERT INTO user_session (session_id, user_id, token_sha256, created_at, expires_at, address)"
    " VALUES (:session_id, :user_id, :token_sha256, :created_at, :expires_at, :address)"
)
_USE_STEP = text(
    "UPDATE app_user SET totp_step = :step WHERE user_id = :user_id AND (totp_step IS NULL OR totp_step < :step)"
)
_USE_RECOVERY_CODE = text(
    "UPDATE recovery_code SET used_at = :at WHERE user_id = :user_id AND code_sha256 = :code_sha256 AND used_at IS NULL"
)
_END = text(
    "UPDATE user_session SET ended_at = :at WHERE user_id = :user_id AND ended_at IS NULL AND expires_at > :at"
    " AND (session_id = CAST(:session_id AS uuid) OR token_sha256 = CAST(:token_sha256 AS bytea)) RETURNING session_id"
)
_END_IDLE = text(
    "UPDATE user_session SET ended_at = now() WHERE token_sha256 = ANY(:tokens) AND ended_at IS NULL"
    " RETURNING session_id, user_id"
)


def start_session(connection: Connection, command: Command) -> dict[str, Any]:
    """Start a session for a user whose password, and second factor where there is one, the gateway has checked.

    Returns
    -------
    dict
        ``user_id``, ``expires_at``.

    Raises
    ------
    UnauthorizedError
        The user was disabled, or got a second factor, meanwhile; or this code was used before.
    """
    wanted, started_at = command.arguments, command.origin.received_at
    user = lock_user_by_key(connection, wanted["user_id"])
    if user.disabled_at is not None or not _use_second_factor(
        connection, command, is_needed=user.totp_salt is not None
    ):
        raise UnauthorizedError("The username or the password is wrong.")
    expires_at = accounts.session_end(started_at)
    values = {
        "session_id": command.command_id,
        "user_id": user.user_id,
        "token_sha256": bytes.fromhex(wanted["token_sha256"]),
        "created_at": started_at,
        "expires_at": expires_at,
        "address": command.origin.address,
    }
    connection.execute(_INSERT_SESSION, values)
    after = {"expires_at": expires_at, "second_factor": wanted.get("second_factor")}
    keep_record(connection, command, f"session:{command.command_id}", after=after)
    return {"user_id": user.user_id, "expires_at": expires_at.isoformat()}


def end_session(connection: Connection, command: Command) -> dict[str, Any]:
    """End one of the actor's own sessions.

    Returns
    -------
    dict
        ``user_id``.

    Raises
    ------
    NotFoundError
        There is none of that identity, it is another's, or it has ended.
    """
    wanted = command.arguments
    user_id = int(command.actor.removeprefix("user:"))
    token = wanted.get("token_sha256")
    values = {
        "user_id": user_id,
        "session_id": wanted.get("session_id"),
        "token_sha256": None if token is None else bytes.fromhex(token),
        "at": command.origin.received_at,
    }
    session_id = connection.scalar(_END, values)
    if session_id is None:
        raise NotFoundError("There is no such session, or it has ended.")
    keep_record(connection, command, f"session:{session_id}")
    return {"user_id": user_id}


def look_after_sessions(database: Database, redis: Redis, *, idle_s: float) -> None:
    """End the sessions that were idle for too long, and keep when each device was last seen.

    The gateways turn an idle session away by themselves; what is written here stays so when Redis is emptied.
    """
    seen = last_seen.read_all(redis)
    long_ago = datetime.now(UTC) - timedelta(seconds=idle_s + last_seen.GRAIN_S)
    idle = [token for token, at in seen.items() if at < long_ago]
    with database.transaction() as connection:
        last_seen.keep_devices(connection, seen)
        ended = list(connection.execute(_END_IDLE, {"tokens": idle}))
        if ended:
            audit.append(
                connection,
                actor="system",
                action="session.idle",
                object_="session:*",
                at=datetime.now(UTC),
                after={"sessions": [{"session_id": str(row.session_id), "user_id": row.user_id} for row in ended]},
            )
    with database.snapshot() as connection:
        last_seen.forget_others(redis, connection, seen)


def _use_second_factor(connection: Connection, command: Command, *, is_needed: bool) -> bool:
    """Use up the code that the gateway has checked; tell whether it was there to be used."""
    wanted, user_id = command.arguments, command.arguments["user_id"]
    if wanted.get("second_factor") == "totp":
        return connection.execute(_USE_STEP, {"user_id": user_id, "step": wanted["totp_step"]}).rowcount == 1
    if wanted.get("second_factor") == "recovery_code":
        values = {
            "user_id": user_id,
            "code_sha256": bytes.fromhex(wanted["code_sha256"]),
            "at": command.origin.received_at,
        }
        return connection.execute(_USE_RECOVERY_CODE, values).rowcount == 1
    return not is_needed
