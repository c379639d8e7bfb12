"""Commands on devices (domain.md, People, devices, areas). No token travels here, only its SHA-256."""

from collections.abc import Mapping
from typing import Any

from redis import Redis
from sqlalchemy import Connection, Row, text

from tracetrack_common import accounts
from tracetrack_common.contracts import Command
from tracetrack_common.credentials import forget_token, mirror_owner
from tracetrack_common.db.session import Database
from tracetrack_common.errors import ConflictError, NotFoundError
from tracetrack_common.notification import notify
from tracetrack_common.records import keep_record
from tracetrack_scan_worker.areas import find_area

_LOCK = text(
    "SELECT device_id, device.name, area.code AS area, token_sha256, revoked_at"
    " FROM device JOIN area USING (area_id) WHERE device_id = :device_id FOR UPDATE OF device"
)
_ROTATE = text("UPDATE device SET token_sha256 = :token_sha256 WHERE device_id = :device_id")
_REVOKE = text("UPDATE device SET revoked_at = :at WHERE device_id = :device_id")


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
    after = {"name": wanted["name"], "area": wanted["area"]}
    keep_record(connection, command, f"device:{device.device_id}", after=after)
    return {"device_id": device.device_id, "area_id": device.area_id}


def rotate_device(connection: Connection, command: Command) -> dict[str, Any]:
    """Give a device another token; the old one dies at once.

    Returns
    -------
    dict
        ``device_id``, ``name``, ``area``, and ``replaced``: the SHA-256 of the old token, in hexadecimal.

    Raises
    ------
    NotFoundError
        There is no such device.
    ConflictError
        It is revoked.
    """
    device = _lock_device(connection, command)
    token_sha256 = bytes.fromhex(command.arguments["token_sha256"])
    connection.execute(_ROTATE, {"device_id": device.device_id, "token_sha256": token_sha256})
    keep_record(connection, command, f"device:{device.device_id}")
    _tell_admins(connection, command, f"Device {device.name} has another token", device.area)
    named = {"device_id": device.device_id, "name": device.name, "area": device.area}
    return {**named, "replaced": bytes(device.token_sha256).hex()}


def revoke_device(connection: Connection, command: Command) -> dict[str, Any]:
    """Turn a device away for good; what it scanned stays, and its name stays taken.

    Returns
    -------
    dict
        ``device_id``.

    Raises
    ------
    NotFoundError
        There is no such device.
    ConflictError
        It is revoked already.
    """
    device = _lock_device(connection, command)
    connection.execute(_REVOKE, {"device_id": device.device_id, "at": command.origin.received_at})
    keep_record(connection, command, f"device:{device.device_id}", before={"revoked": False}, after={"revoked": True})
    _tell_admins(connection, command, f"Device {device.name} is revoked", device.area)
    return {"device_id": device.device_id}


def mirror_device(database: Database, redis: Redis, _: Command, outcome: Mapping[str, Any]) -> None:
    """Let the gateways know what became of a device."""
    with database.transaction() as connection:
        mirror_owner(redis, connection, "device", outcome["device_id"])
    if "replaced" in outcome:
        forget_token(redis, outcome["replaced"])


def _tell_admins(connection: Connection, command: Command, title: str, area: str) -> None:
    notify(
        connection,
        event_key=f"{command.name}:{command.command_id}",
        roles=("admin",),
        priority="normal",
        title=title,
        body=f"It scans in {area}. The audit log says who did it, and from where.",
    )


def _lock_device(connection: Connection, command: Command) -> Row[Any]:
    device = connection.execute(_LOCK, {"device_id": command.arguments["device_id"]}).one_or_none()
    if device is None:
        raise NotFoundError(f"There is no device {command.arguments['device_id']}.")
    if device.revoked_at is not None:
        raise ConflictError(f"Device {device.name} is revoked; enrol it under another name.")
    return device
