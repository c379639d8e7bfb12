"""Logging in: a password, a second factor where there is one, and then a session's token, shown once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from tracetrack_common import accounts, second_factor
from tracetrack_common.contracts import Origin
from tracetrack_common.credentials import Principal
from tracetrack_common.errors import TotpRequiredError, UnauthorizedError
from tracetrack_common.log import get_logger
from tracetrack_gateway import storage
from tracetrack_gateway.commands import Commander, settled
from tracetrack_gateway.hashing import Hashing
from tracetrack_gateway.login_guard import Attempt, LoginGuard
from tracetrack_gateway.models import SessionIn, SessionOut, SessionUser
from tracetrack_gateway.snapshots import Snapshots

log = get_logger(__name__)

_REFUSAL = "The username or the password is wrong."


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of who logs in: nothing of somebody who is not there."""

    user: Row[Any] | None
    is_trusted: bool
    totp_key: bytes


class Login:
    """Starts sessions.

    Parameters
    ----------
    snapshots
        Where users are read.
    commander
        Has sessions written.
    hashing
        Checks passwords.
    guard
        Counts failures.
    wait_s
        How long the writing is waited for.
    """

    def __init__(
        self, snapshots: Snapshots, commander: Commander, hashing: Hashing, guard: LoginGuard, *, wait_s: float
    ) -> None:
        self._snapshots = snapshots
        self._commander = commander
        self._hashing = hashing
        self._guard = guard
        self._wait_s = wait_s

    async def log_in(self, session: SessionIn, origin: Origin) -> SessionOut:
        """Start a session.

        Raises
        ------
        UnauthorizedError
            The user is not known, the password or the second factor is wrong, or it is locked; all look the same.
        TotpRequiredError
            The password is right, and a second factor is needed besides.
        UnavailableError
            It could not be done now.
        """
        attempt = Attempt(session.username, origin.address)
        async with self._guard.turn(attempt):
            known = await self._snapshots.read(
                lambda connection: _look_up(connection, session.username, origin.address)
            )
            is_locked = await self._guard.is_locked(attempt, is_trusted=known.is_trusted)
            try:
                started = await self._start(session, known, origin, is_locked=is_locked)
            except TotpRequiredError:
                raise
            except UnauthorizedError:
                user_id = None if known.user is None else known.user.user_id
                log.info("login_failed", user_id=user_id, address=origin.address, locked=is_locked)
                if not is_locked:
                    await self._guard.count_failure(attempt, is_trusted=known.is_trusted)
                raise
            await self._guard.forgive(attempt)
            return started

    async def _start(self, session: SessionIn, known: _Known, origin: Origin, *, is_locked: bool) -> SessionOut:
        user = None if is_locked or known.user is None or known.user.disabled_at is not None else known.user
        password_hash = None if user is None else user.password_hash
        is_right = await self._hashing.verify(session.password.get_secret_value(), password_hash)
        if user is None or not is_right:
            raise UnauthorizedError(_REFUSAL)
        token = accounts.make_token()
        answer = await self._commander.send(
            "session.start",
            {
                "user_id": user.user_id,
                "token_sha256": accounts.hash_token(token).hex(),
                **_second_factor_of(session, user, known.totp_key),
            },
            principal=Principal("user", user.user_id, user.username, user.role, None, None),
            origin=origin,
            wait_s=self._wait_s,
        )
        return SessionOut(
            token=token,
            expires_at=datetime.fromisoformat(settled(answer)["expires_at"]),
            user=SessionUser(username=user.username, role=user.role, area=user.area),
        )


def _look_up(connection: Connection, username: str, address: str | None) -> _Known:
    user = accounts.find_user(connection, username)
    # The same statements for somebody who is not there, so that it takes as long.
    is_trusted = storage.has_logged_in_from(connection, 0 if user is None else user.user_id, address)
    return _Known(user, is_trusted, second_factor.find_key(connection))


def _second_factor_of(session: SessionIn, user: Row[Any], key: bytes) -> dict[str, Any]:
    """Give what the worker uses up of the second factor; nothing where there is none."""
    if user.totp_salt is None:
        return {}
    if session.recovery_code is not None:
        code_sha256 = second_factor.hash_recovery_code(session.recovery_code.get_secret_value())
        return {"second_factor": "recovery_code", "code_sha256": code_sha256.hex()}
    if session.totp is None:
        raise TotpRequiredError("The code of your authenticator is needed besides: send it as `totp`.")
    step = second_factor.find_step(
        second_factor.derive_secret(key, bytes(user.totp_salt)), session.totp.get_secret_value()
    )
    if step is None:
        raise UnauthorizedError(_REFUSAL)
    return {"second_factor": "totp", "totp_step": step}
