"""Accounts: tokens, and the rows of users, sessions and devices."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

TOKEN_BYTES = 32
"""256 bits: a token cannot be guessed, so a plain SHA-256 of it is safe to store."""
SESSION_HOURS = 12

_INSERT_USER = text(
    "INSERT INTO app_user (username, email, role, area_id, password_hash)"
    " VALUES (:username, :email, :role, (SELECT area_id FROM area WHERE code = :area), :password_hash)"
    " ON CONFLICT DO NOTHING RETURNING user_id"
)
_HAS_ADMIN = text("SELECT EXISTS (SELECT FROM app_user WHERE role = 'admin' AND disabled_at IS NULL)")
_SELECT_USER = text(
    "SELECT user_id, username, email, role, app_user.area_id, area.code AS area, password_hash,"
    " app_user.created_at, disabled_at, totp_salt, totp_pending_salt"
    " FROM app_user LEFT JOIN area USING (area_id) WHERE lower(username) = lower(:username)"
)
_INSERT_DEVICE = text(
    "INSERT INTO device (name, area_id, token_sha256) SELECT :name, area_id, :token_sha256 FROM area WHERE code = :area"
    " ON CONFLICT (name) DO NOTHING RETURNING device_id, area_id"
)


def make_token() -> str:
    """Make a bearer token of 256 bits, in URL-safe text."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Give what is stored of a token: its SHA-256."""
    return hashlib.sha256(token.encode()).digest()


def find_user(connection: Connection, username: str) -> Row[Any] | None:
    """Give the user with this name in any case: every column that the gateway reads of one, and `area` (its code)."""
    return connection.execute(_SELECT_USER, {"username": username}).one_or_none()


def has_admin(connection: Connection) -> bool:
    """Tell whether there is an admin who can log in."""
    return bool(connection.scalar(_HAS_ADMIN))


def insert_user(
    connection: Connection,
    *,
    username: str,
    role: str,
    password_hash: str,
    email: str | None = None,
    area: str | None = None,
) -> int | None:
    """Create a user.

    Returns
    -------
    int or None
        The user's key; None when the name, or the e-mail address of somebody who can log in, is taken.
    """
    values = {"username": username, "email": email, "role": role, "area": area, "password_hash": password_hash}
    user_id: int | None = connection.scalar(_INSERT_USER, values)
    return user_id


def insert_device(connection: Connection, *, name: str, area: str, token_sha256: bytes) -> Row[Any] | None:
    """Enrol a device.

    Returns
    -------
    Row or None
        device_id and area_id; None when the name is taken or the area is not known.
    """
    values = {"name": name, "area": area, "token_sha256": token_sha256}
    return connection.execute(_INSERT_DEVICE, values).one_or_none()


def session_end(started_at: datetime) -> datetime:
    """Give the moment a session ends whatever its user does."""
    return started_at + timedelta(hours=SESSION_HOURS)
