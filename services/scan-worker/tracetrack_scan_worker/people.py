"""Commands on sessions and devices (domain.md, People, devices, areas). No token travels here, only its SHA-256."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from redis import Redis
from sqlalchemy import Connection, text

from tracetrack_common import accounts, audit
from tracetrack_common.contracts import Command
from tracetrack_common.credentials import Principal, mirror_one
from tracetrack_common.errors import ConflictError, UnauthorizedError
from tracetrack_scan_worker.areas import find_area

_INSERT_SESSION = text(
    "INSERT INTO user_session (session_id, user_id, token_sha256, created_at, expires_at)"
    " SELECT :session_id, user_id, :token_sha256, :created_at, :expires_at"
    " FROM app_user WHERE user_id = :user_id AND disabled_at IS NULL RETURNING session_id"
)


def start_session(connection: Connection, command: Command) -> dict[str, Any]:
    """Start a session for a user whose password the gateway has checked.

    Returns
    -------
    dict
        ``expires_at``.

    Raises
    ------
    UnauthorizedError
        The user was disabled meanwhile.
    """
    started_at = command.origin.received_at
    expires_at = accounts.session_end(started_at)
    session_id = connection.scalar(
        _INSERT_SESSION,
        {
            "session_id": command.command_id,
            "user_id": command.arguments["user_id"],
            "token_sha256": bytes.fromhex(command.arguments["token_sha256"]),
            "created_at": started_at,
            "expires_at": expires_at,
        },
    )
    if session_id is None:
        raise UnauthorizedError("The username or the password is wrong.")
    _audit(connection, command, f"session:{session_id}", {"expires_at": expires_at})
    return {"expires_at": expires_at.isoformat()}


def mirror_session(redis: Redis, command: Command, outcome: Mapping[str, Any]) -> None:
    """Let the gateways know a session that was started."""
    user = command.arguments
    expires_at = datetime.fromisoformat(outcome["expires_at"]).timestamp()
    principal = Principal(
        "user", user["user_id"], user["username"], user["role"], user["area_id"], user["area"], expires_at
    )
    mirror_one(redis, user["token_sha256"], principal)


def enrol_device(connection: Connection, command: Command) -> dict[str, Any]:
    """Enrol a device in an area.

    Returns
    -------
    dict
        ``device_id``, ``area_id``.

    Raises
    ------
    ConflictError
        The name is taken.
    InvalidInputError
        There is no such area.
    """
    wanted = command.arguments
    find_area(connection, wanted["area"])
    device = accounts.insert_device(
        connection, name=wanted["name"], area=wanted["area"], token_sha256=bytes.fromhex(wanted["token_sha256"])
    )
    if device is None:
        raise ConflictError(f"There is a device {wanted['name']} already.")
    _audit(connection, command, f"device:{device.device_id}", {"name": wanted["name"], "area": wanted["area"]})
    return {"device_id": device.device_id, "area_id": device.area_id}


def mirror_device(redis: Redis, command: Command, outcome: Mapping[str, Any]) -> None:
    """Let the gateways know a device that was enrolled."""
    wanted = command.arguments
    principal = Principal("device", outcome["device_id"], wanted["name"], "device", outcome["area_id"], wanted["area"])
    mirror_one(redis, wanted["token_sha256"], principal)


def _audit(connection: Connection, command: Command, object_: str, after: Mapping[str, Any]) -> None:
    audit.append(
        connection,
        actor=command.actor,
        action=command.name,
        object_=object_,
        at=command.origin.received_at,
        after=after,
        request_id=command.origin.request_id,
        address=command.origin.address,
    )
