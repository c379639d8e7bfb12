"""Devices, as admins look after them. A token is made here; only its SHA-256 goes on."""

from typing import Any

from redis import asyncio as aioredis

from tracetrack_common import accounts
from tracetrack_common.contracts import Origin
from tracetrack_common.credentials import Principal
from tracetrack_common.errors import NotFoundError
from tracetrack_gateway import storage
from tracetrack_gateway.commands import Commander, settled
from tracetrack_gateway.models import DeviceEnrolled, DeviceOut, Page
from tracetrack_gateway.paging import key_of
from tracetrack_gateway.people import seen_at
from tracetrack_gateway.snapshots import Snapshots


class Devices:
    """Reads devices and gives them tokens.

    Parameters
    ----------
    snapshots
        Reads Postgres.
    redis
        Tells when a device was last seen.
    commander
        Has devices written.
    wait_s
        How long the writing is waited for.
    """

    def __init__(self, snapshots: Snapshots, redis: aioredis.Redis, commander: Commander, *, wait_s: float) -> None:
        self._read = snapshots.read
        self._redis = redis
        self._commander = commander
        self._wait_s = wait_s

    async def page(self, *, cursor: str | None, limit: int) -> Page[DeviceOut]:
        """Give devices in the order of their enrolment."""
        above = key_of(cursor) or 0
        rows = await self._read(lambda connection: storage.select_devices(connection, above, limit + 1))
        seen = await seen_at(self._redis, [bytes(row.token_sha256) for row in rows])
        items = []
        for row, at in zip(rows[:limit], seen, strict=False):
            fields: dict[str, Any] = row._asdict()
            del fields["token_sha256"]
            items.append(DeviceOut(**{**fields, "last_seen_at": at or row.last_seen_at}))
        return Page(items=items, next_cursor=str(rows[limit - 1].device_id) if len(rows) > limit else None)

    async def require(self, device_id: int) -> None:
        """See that a device is there.

        Raises
        ------
        NotFoundError
            It is not.
        """
        if not await self._read(lambda connection: storage.has_device(connection, device_id)):
            raise NotFoundError(f"There is no device {device_id}.")

    async def enrol(self, name: str, area: str, caller: Principal, origin: Origin) -> DeviceEnrolled:
        """Enrol a device.

        Raises
        ------
        ConflictError
            The name is taken.
        UnavailableError
            It could not be done now.
        """
        token = accounts.make_token()
        arguments = {"name": name, "area": area, "token_sha256": accounts.hash_token(token).hex()}
        made = await self._send("device.enrol", arguments, caller, origin)
        return DeviceEnrolled(device_id=int(made["device_id"]), name=name, area=area, token=token)

    async def rotate(self, device_id: int, caller: Principal, origin: Origin) -> DeviceEnrolled:
        """Give a device another token; the old one dies at once.

        Raises
        ------
        NotFoundError, ConflictError
            There is no such device, or it is revoked.
        UnavailableError
            It could not be done now.
        """
        token = accounts.make_token()
        arguments = {"device_id": device_id, "token_sha256": accounts.hash_token(token).hex()}
        made = await self._send("device.rotate", arguments, caller, origin)
        return DeviceEnrolled(device_id=device_id, name=made["name"], area=made["area"], token=token)

    async def _send(self, name: str, arguments: dict[str, Any], caller: Principal, origin: Origin) -> dict[str, Any]:
        answer = await self._commander.send(name, arguments, principal=caller, origin=origin, wait_s=self._wait_s)
        return settled(answer)
