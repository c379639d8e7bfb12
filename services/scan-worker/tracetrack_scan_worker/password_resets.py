"""Commands on forgotten passwords: a link by mail, one hour, single use (domain.md, People, devices, areas)."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from tracetrack_common import accounts
from tracetrack_common.contracts import Command
from tracetrack_common.errors import NotFoundError
from tracetrack_common.mail_request import request_mail
from tracetrack_common.records import keep_record
from tracetrack_scan_worker.users import replace_password

RESET_HOURS = 1
RESETS_PER_HOUR = 3
"""For one user: nobody's mailbox is filled by a stranger."""

_SELECT_USER = text(
    "SELECT user_id, username, email FROM app_user WHERE disabled_at IS NULL AND email IS NOT NULL"
    " AND (lower(username) = lower(:username) OR lower(email) = lower(:email)) FOR UPDATE"
)
_COUNT_RECENT = text("SELECT count(*) FROM password_reset WHERE user_id = :user_id AND created_at > :since")
_INSERT = text(
    "INSERT INTO password_reset (reset_id, user_id, token_sha256, created_at, expires_at)"
    " VALUES (:reset_id, :user_id, :token_sha256, :created_at, :expires_at)"
)
_USE = text(
    "UPDATE password_reset SET used_at = :at FROM app_user"
    " WHERE app_user.user_id = password_reset.user_id AND disabled_at IS NULL"
    " AND token_sha256 = :token_sha256 AND used_at IS NULL AND expires_at > :at RETURNING password_reset.user_id"
)


def request_reset(connection: Connection, command: Command) -> dict[str, Any]:
    """Have a link mailed to a user who is there and can get one; nothing tells whether there was one.

    The token is made here, so that it is nowhere but in the mail.

    Returns
    -------
    dict
        Nothing.
    """
    wanted, now = command.arguments, command.origin.received_at
    user = connection.execute(_SELECT_USER, wanted).one_or_none()
    if user is None:
        return {}
    since = now - timedelta(hours=1)
    if connection.execute(_COUNT_RECENT, {"user_id": user.user_id, "since": since}).scalar_one() >= RESETS_PER_HOUR:
        return {}
    token, expires_at = accounts.make_token(), now + timedelta(hours=RESET_HOURS)
    values = {
        "reset_id": command.command_id,
        "user_id": user.user_id,
        "token_sha256": accounts.hash_token(token),
        "created_at": now,
        "expires_at": expires_at,
    }
    connection.execute(_INSERT, values)
    request_mail(
        connection,
        kind="password_reset",
        recipient=user.email,
        fields={"username": user.username, "token": token, "expires_at": expires_at},
        event_key=f"password_reset:{command.command_id}",
    )
    keep_record(connection, command, f"user:{user.user_id}", after={"expires_at": expires_at}, actor="nobody")
    return {}


def reset_password(connection: Connection, command: Command) -> dict[str, Any]:
    """Set the password of whom a link was mailed to; the link is used up.

    Returns
    -------
    dict
        ``user_id``.

    Raises
    ------
    NotFoundError
        There is no such link, or it has ended or was used.
    """
    values = {
        "token_sha256": bytes.fromhex(command.arguments["token_sha256"]),
        "at": command.origin.received_at,
    }
    user_id = connection.scalar(_USE, values)
    if user_id is None:
        raise NotFoundError("This link is not valid; it was used, has ended or never existed. Ask for another.")
    replace_password(connection, command, user_id, command.arguments["password_hash"])
    keep_record(connection, command, f"user:{user_id}", actor=f"user:{user_id}")
    return {"user_id": user_id}
