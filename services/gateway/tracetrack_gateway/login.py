"""Credentials made: sessions for people, tokens for devices. A token is made here; only its SHA-256 goes on."""

import asyncio
from datetime import datetime

from tracetrack_common import accounts
from tracetrack_common.contracts import Origin
from tracetrack_common.credentials import Principal
from tracetrack_common.errors import UnauthorizedError, UnavailableError
from tracetrack_gateway.commands import Answer, Commander
from tracetrack_gateway.models import DeviceEnrolled, SessionOut, SessionUser
from tracetrack_gateway.snapshots import Snapshots


class Login:
    """Makes credentials.

    Parameters
    ----------
    snapshots
        Where users are read.
    commander
        Has them written.
    wait_s
        How long the writing is waited for.
    """

    def __init__(self, snapshots: Snapshots, commander: Commander, *, wait_s: float) -> None:
        self._snapshots = snapshots
        self._commander = commander
        self._wait_s = wait_s

    async def log_in(self, username: str, password: str, origin: Origin) -> SessionOut:
        """Start a session.

        Raises
        ------
        UnauthorizedError
            The user is not known or the password is wrong; the two look the same.
        UnavailableError
            It could not be done now.
        """
        row = await self._snapshots.read(lambda connection: accounts.find_user(connection, username))
        if not await asyncio.to_thread(accounts.verify_password, password, row) or row is None:
            raise UnauthorizedError("The username or the password is wrong.")
        user = {name: getattr(row, name) for name in ("user_id", "username", "role", "area_id", "area")}
        token = accounts.make_token()
        principal = Principal("user", int(user["user_id"]), str(user["username"]), str(user["role"]), None, None)
        answer = await self._commander.send(
            "session.start",
            {**user, "token_sha256": accounts.hash_token(token).hex()},
            principal=principal,
            origin=origin,
            wait_s=self._wait_s,
        )
        expires_at = datetime.fromisoformat(self._outcome(answer)["expires_at"])
        area = user["area"]
        return SessionOut(
            token=token,
            expires_at=expires_at,
            user=SessionUser(username=principal.name, role=principal.role, area=None if area is None else str(area)),
        )

    async def enrol_device(self, name: str, area: str, caller: Principal, origin: Origin) -> DeviceEnrolled:
        """Enrol a device.

        Raises
        ------
        ConflictError
            The name is taken.
        UnavailableError
            It could not be done now.
        """
        token = accounts.make_token()
        answer = await self._commander.send(
            "device.enrol",
            {"name": name, "area": area, "token_sha256": accounts.hash_token(token).hex()},
            principal=caller,
            origin=origin,
            wait_s=self._wait_s,
        )
        return DeviceEnrolled(device_id=int(self._outcome(answer)["device_id"]), name=name, area=area, token=token)

    @staticmethod
    def _outcome(answer: Answer) -> dict[str, str]:
        """Give the outcome; a token whose writing is not known to be done must not be shown."""
        if answer.outcome is None:
            raise UnavailableError("The workers do not answer; try again.")
        return dict(answer.outcome)
