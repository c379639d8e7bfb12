"""Commands on second factors. Neither a secret nor a code travels here: only salts, steps and SHA-256s."""

from typing import Any

from sqlalchemy import Connection, text

from tracetrack_common.contracts import Command
from tracetrack_common.errors import ConflictError, ForbiddenError
from tracetrack_common.records import keep_record
from tracetrack_scan_worker.users import end_access, lock_user

_ENROL = text("UPDATE app_user SET totp_pending_salt = :salt WHERE user_id = :user_id")
_CONFIRM = text(
    "UPDATE app_user SET totp_salt = totp_pending_salt, totp_pending_salt = NULL, totp_step = :step"
    " WHERE user_id = :user_id AND totp_pending_salt = :salt"
)
_REMOVE = text(
    "UPDATE app_user SET totp_salt = NULL, totp_pending_salt = NULL, totp_step = NULL WHERE user_id = :user_id"
)
_FORGET_CODES = text("DELETE FROM recovery_code WHERE user_id = :user_id")
_INSERT_CODES = text(
    "INSERT INTO recovery_code (user_id, code_sha256) SELECT :user_id, unnest(CAST(:codes AS bytea[]))"
)


def enrol_second_factor(connection: Connection, command: Command) -> dict[str, Any]:
    """Keep the salt of a second factor that the actor has yet to confirm; what is in force stays in force until then.

    Returns
    -------
    dict
        Nothing.
    """
    user_id = _actor_of(command)
    connection.execute(_ENROL, {"user_id": user_id, "salt": bytes.fromhex(command.arguments["salt"])})
    keep_record(connection, command, f"user:{user_id}")
    return {}


def confirm_second_factor(connection: Connection, command: Command) -> dict[str, Any]:
    """Put the actor's second factor in force, with its recovery codes.

    Returns
    -------
    dict
        Nothing.

    Raises
    ------
    ConflictError
        Another was enrolled meanwhile.
    """
    user_id, wanted = _actor_of(command), command.arguments
    values = {"user_id": user_id, "salt": bytes.fromhex(wanted["salt"]), "step": wanted["totp_step"]}
    if connection.execute(_CONFIRM, values).rowcount != 1:
        raise ConflictError("This second factor is not the newest that was enrolled; enrol once more.")
    connection.execute(_FORGET_CODES, {"user_id": user_id})
    codes = [bytes.fromhex(code) for code in wanted["codes_sha256"]]
    connection.execute(_INSERT_CODES, {"user_id": user_id, "codes": codes})
    keep_record(connection, command, f"user:{user_id}", after={"second_factor": "totp", "recovery_codes": len(codes)})
    return {}


def remove_second_factor(connection: Connection, command: Command) -> dict[str, Any]:
    """Take the second factor of another user away, who has lost it; their sessions end.

    Returns
    -------
    dict
        ``user_id``.

    Raises
    ------
    NotFoundError
        There is no such user.
    ForbiddenError
        It is the actor's own.
    """
    user = lock_user(connection, command.arguments["username"])
    if user.user_id == _actor_of(command):
        raise ForbiddenError("Nobody takes their own second factor away; ask another admin, or enrol another one.")
    connection.execute(_REMOVE, {"user_id": user.user_id})
    connection.execute(_FORGET_CODES, {"user_id": user.user_id})
    end_access(connection, command, user.user_id)
    before = {"second_factor": None if user.totp_salt is None else "totp"}
    keep_record(connection, command, f"user:{user.user_id}", before=before, after={"second_factor": None})
    return {"user_id": user.user_id}


def _actor_of(command: Command) -> int:
    return int(command.actor.removeprefix("user:"))
