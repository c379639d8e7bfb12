"""Commands on users (domain.md, People, devices, areas). No password travels here, only its Argon2id hash."""

from collections.abc import Mapping
from typing import Any

from redis import Redis
from sqlalchemy import Connection, Row, text

from tracetrack_common import accounts
from tracetrack_common.contracts import Command
from tracetrack_common.credentials import mirror_owner
from tracetrack_common.db.session import Database
from tracetrack_common.entity_tag import require_unchanged
from tracetrack_common.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from tracetrack_common.notification import notify
from tracetrack_common.records import keep_record
from tracetrack_scan_worker.areas import find_area

# In the order of their keys, so that two changes at once wait for one another, and the second sees what the first did.
_LOCK_ADMINS = text(
    "SELECT user_id FROM app_user WHERE role = 'admin' AND disabled_at IS NULL ORDER BY user_id FOR UPDATE"
)
_USER_COLUMNS = (
    "SELECT user_id, username, email, role, app_user.area_id, area.code AS area, disabled_at, totp_salt"
    " FROM app_user LEFT JOIN area USING (area_id)"
)
_LOCK_BY_NAME = text(f"{_USER_COLUMNS} WHERE lower(username) = lower(:username) FOR UPDATE OF app_user")
_LOCK_BY_KEY = text(f"{_USER_COLUMNS} WHERE user_id = :user_id FOR UPDATE OF app_user")
_EMAIL_IS_TAKEN = text(
    "SELECT EXISTS (SELECT FROM app_user"
    " WHERE lower(email) = lower(:email) AND disabled_at IS NULL AND user_id IS DISTINCT FROM CAST(:user_id AS int))"
)
_UPDATE = text(
    "UPDATE app_user SET email = :email, role = :role, area_id = :area_id,"
    " disabled_at = CASE WHEN :disabled THEN coalesce(disabled_at, :at) END WHERE user_id = :user_id"
)
_SET_PASSWORD = text("UPDATE app_user SET password_hash = :password_hash WHERE user_id = :user_id")
_END_SESSIONS = text(
    "UPDATE user_session SET ended_at = :at WHERE user_id = :user_id AND ended_at IS NULL AND expires_at > :at"
)
_END_RESETS = text("UPDATE password_reset SET used_at = :at WHERE user_id = :user_id AND used_at IS NULL")


def create_user(connection: Connection, command: Command) -> dict[str, Any]:
    """Create a user.

    Returns
    -------
    dict
        ``user_id``.

    Raises
    ------
    InvalidInputError
        There is no such area, or a dispatcher has none.
    ConflictError
        The name is taken, be it by somebody who is disabled, or the e-mail address is.
    """
    wanted = command.arguments
    if wanted["area"] is not None:
        find_area(connection, wanted["area"])
    _check_area(wanted["role"], wanted["area"])
    user_id = accounts.insert_user(connection, **wanted)
    if user_id is None:
        _check_email(connection, wanted["email"], None)
        raise ConflictError(
            f"There is a user {wanted['username']} already, or there was one; names are not used twice."
        )
    after = {name: wanted[name] for name in ("username", "email", "role", "area")}
    keep_record(connection, command, f"user:{user_id}", after=after)
    return {"user_id": user_id}


def change_user(connection: Connection, command: Command) -> dict[str, Any]:
    """Change a user's e-mail address, role or area, disable or enable them; what they did stays theirs.

    Returns
    -------
    dict
        ``user_id``.

    Raises
    ------
    NotFoundError
        There is no such user.
    PreconditionFailedError
        They are not as the caller has read them.
    ForbiddenError
        It is the actor's own role.
    ConflictError
        It is the last admin, or the e-mail address is taken.
    InvalidInputError
        There is no such area, or a dispatcher would have none.
    """
    changes = command.arguments["changes"]
    admins = list(connection.scalars(_LOCK_ADMINS))
    user = lock_user(connection, command.arguments["username"])
    before = describe_user(user)
    require_unchanged("user", before, command.arguments)
    after = {**before, **changes}
    if after["role"] != user.role and command.actor == f"user:{user.user_id}":
        raise ForbiddenError("Nobody changes their own role; ask another admin.")
    if admins == [user.user_id] and (after["role"] != "admin" or after["disabled"]):
        raise ConflictError(f"{user.username} is the last admin; make another one first.")
    _check_area(after["role"], after["area"])
    if not after["disabled"]:
        _check_email(connection, after["email"], user.user_id)
    values = {
        "user_id": user.user_id,
        "email": after["email"],
        "role": after["role"],
        "area_id": None if after["area"] is None else find_area(connection, after["area"]).area_id,
        "disabled": after["disabled"],
        "at": command.origin.received_at,
    }
    connection.execute(_UPDATE, values)
    if any(before[name] != after[name] for name in ("role", "area", "disabled")):
        end_access(connection, command, user.user_id)
    keep_record(connection, command, f"user:{user.user_id}", before=before, after=after)
    return {"user_id": user.user_id}


def set_password(connection: Connection, command: Command) -> dict[str, Any]:
    """Set a user's password, for an admin or for the user, whose old one the gateway has checked.

    Returns
    -------
    dict
        ``user_id``.

    Raises
    ------
    NotFoundError
        There is no such user.
    ForbiddenError
        An admin would set their own past the old one.
    """
    user = lock_user(connection, command.arguments["username"])
    if command.name == "password.set" and command.actor == f"user:{user.user_id}":
        raise ForbiddenError("Change your own password with the old one, at /api/v1/users/me/password.")
    replace_password(connection, command, user.user_id, command.arguments["password_hash"])
    keep_record(connection, command, f"user:{user.user_id}", after={"username": user.username})
    return {"user_id": user.user_id}


def end_sessions(connection: Connection, command: Command) -> dict[str, Any]:
    """End every session of a user.

    Returns
    -------
    dict
        ``user_id``.

    Raises
    ------
    NotFoundError
        There is no such user.
    """
    user = lock_user(connection, command.arguments["username"])
    ended = _end_sessions(connection, command, user.user_id)
    keep_record(connection, command, f"user:{user.user_id}", after={"sessions_ended": ended})
    return {"user_id": user.user_id}


def mirror_user(database: Database, redis: Redis, _: Command, outcome: Mapping[str, Any]) -> None:
    """Let the gateways know what became of a user's sessions."""
    with database.transaction() as connection:
        mirror_owner(redis, connection, "user", outcome["user_id"])


def lock_user(connection: Connection, username: str) -> Row[Any]:
    """Give a user by name, locked until the transaction ends.

    Raises
    ------
    NotFoundError
        There is none.
    """
    user = connection.execute(_LOCK_BY_NAME, {"username": username}).one_or_none()
    if user is None:
        raise NotFoundError(f"There is no user {username}.")
    return user


def lock_user_by_key(connection: Connection, user_id: int) -> Row[Any]:
    """Give a user by key, locked until the transaction ends."""
    return connection.execute(_LOCK_BY_KEY, {"user_id": user_id}).one()


def describe_user(user: Row[Any]) -> dict[str, Any]:
    """Give a user as the audit log has them."""
    fields = {name: getattr(user, name) for name in ("username", "email", "role", "area")}
    return {**fields, "disabled": user.disabled_at is not None}


def replace_password(connection: Connection, command: Command, user_id: int, password_hash: str) -> None:
    """Put another password in the place of a user's, end what the old one had opened, and tell the user."""
    connection.execute(_SET_PASSWORD, {"user_id": user_id, "password_hash": password_hash})
    end_access(connection, command, user_id)
    notify(
        connection,
        event_key=f"{command.name}:{command.command_id}",
        recipients=(user_id,),
        priority="high",
        title="Your password was changed",
        body="Whoever was logged in as you is not any more. If it was not you, ask an admin for help at once.",
    )


def end_access(connection: Connection, command: Command, user_id: int) -> None:
    """End a user's sessions, and the links to reset the password that are still open."""
    _end_sessions(connection, command, user_id)
    connection.execute(_END_RESETS, {"user_id": user_id, "at": command.origin.received_at})


def _end_sessions(connection: Connection, command: Command, user_id: int) -> int:
    return connection.execute(_END_SESSIONS, {"user_id": user_id, "at": command.origin.received_at}).rowcount


def _check_area(role: str, area: str | None) -> None:
    if role == "dispatcher" and area is None:
        raise InvalidInputError("A dispatcher needs an area.", errors=[{"field": "area", "detail": "is needed"}])


def _check_email(connection: Connection, email: str | None, user_id: int | None) -> None:
    if email is not None and connection.scalar(_EMAIL_IS_TAKEN, {"email": email, "user_id": user_id}):
        raise ConflictError(f"Another user has the e-mail address {email}.")
