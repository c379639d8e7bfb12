"""What people change of accounts: secrets are made and hashed here, so that none goes on from here."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from tracetrack_common import accounts, second_factor
from tracetrack_common.contracts import Origin
from tracetrack_common.credentials import Principal
from tracetrack_common.errors import ConflictError, InvalidInputError
from tracetrack_gateway.commands import Answer, Commander, settled
from tracetrack_gateway.hashing import Hashing
from tracetrack_gateway.login_guard import Attempt, LoginGuard
from tracetrack_gateway.people import PeopleReader, RecoveryCodes, SecondFactorEnrolled
from tracetrack_gateway.snapshots import Snapshots

NOBODY = Principal("user", 0, "nobody", "nobody", None, None)
"""Who asks without being logged in."""


class Accounts:
    """Passwords, resets and second factors.

    Parameters
    ----------
    snapshots, people
        Where users are read.
    commander
        Has changes written.
    hashing
        Checks and hashes passwords.
    guard
        Counts failures.
    wait_s
        How long the writing is waited for.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        people: PeopleReader,
        commander: Commander,
        hashing: Hashing,
        guard: LoginGuard,
        *,
        wait_s: float,
    ) -> None:
        self._snapshots = snapshots
        self._people = people
        self._commander = commander
        self._hashing = hashing
        self._guard = guard
        self._wait_s = wait_s

    async def hash_new(
        self, password: str, *, words: tuple[str | None, ...], caller: Principal, idempotency_key: str | None
    ) -> str:
        """Give the hash of a new password; the same for the same request sent again under its Idempotency-Key.

        Raises
        ------
        InvalidInputError
            The password does not keep to the policy.
        """
        repeatable_for = None if idempotency_key is None else f"{caller.actor} {idempotency_key}"
        return await self._hashing.make(password, words=words, repeatable_for=repeatable_for)

    async def change_password(self, old: str, new: str, caller: Principal, origin: Origin) -> None:
        """Change the caller's own password; all of their sessions end.

        Raises
        ------
        InvalidInputError
            The old one is wrong, or the new one does not keep to the policy.
        """
        await self._check_own(old, caller, origin, field="old_password")
        row = await self._people.row(caller.name)
        password_hash = await self._hashing.make(new, words=(caller.name, row.email))
        arguments = {"username": caller.name, "password_hash": password_hash}
        settled(await self._send("password.change", arguments, caller, origin))

    async def ask_for_reset(self, username: str | None, email: str | None, origin: Origin) -> None:
        """Have a link mailed, if there is such a user; nothing tells whether there is."""
        if await self._guard.may_ask_for_reset(origin.address):
            arguments = {"username": username, "email": email}
            await self._commander.send("password.request_reset", arguments, principal=NOBODY, origin=origin, wait_s=0.0)

    async def reset_password(self, token: str, password: str, origin: Origin) -> None:
        """Set the password of whom a link was mailed to.

        Raises
        ------
        NotFoundError
            The link is not valid (any more).
        InvalidInputError
            The password does not keep to the policy; the link can be used again.
        """
        token_sha256 = accounts.hash_token(token)
        user = await self._people.user_of_reset(token_sha256)
        password_hash = await self._hashing.make(password, words=(user.username, user.email))
        arguments = {"token_sha256": token_sha256.hex(), "password_hash": password_hash}
        settled(await self._send("password.reset", arguments, NOBODY, origin))
        await self._guard.forgive(Attempt(user.username, origin.address))

    async def enrol_second_factor(self, password: str, caller: Principal, origin: Origin) -> SecondFactorEnrolled:
        """Make a second factor for the caller, to be confirmed with its first code.

        Raises
        ------
        InvalidInputError
            The password is wrong.
        """
        await self._check_own(password, caller, origin, field="password")
        salt = second_factor.make_salt()
        settled(await self._send("second_factor.enrol", {"salt": salt.hex()}, caller, origin))
        secret = second_factor.derive_secret(await self._snapshots.read(second_factor.find_key), salt)
        return SecondFactorEnrolled(secret=secret, otpauth_uri=second_factor.describe_secret(secret, caller.name))

    async def confirm_second_factor(self, code: str, caller: Principal, origin: Origin) -> RecoveryCodes:
        """Put the caller's second factor in force, and give its recovery codes.

        Raises
        ------
        ConflictError
            None was enrolled.
        InvalidInputError
            The code is wrong.
        """

        def read(connection: Connection) -> tuple[Any, bytes]:
            return accounts.find_user(connection, caller.name), second_factor.find_key(connection)

        user, key = await self._snapshots.read(read)
        if user is None or user.totp_pending_salt is None:
            raise ConflictError("There is no second factor to confirm; enrol one first.")
        salt = bytes(user.totp_pending_salt)
        step = second_factor.find_step(second_factor.derive_secret(key, salt), code)
        if step is None:
            raise _wrong("totp", "is not the code of now; see that the clock of your phone is right")
        codes = second_factor.make_recovery_codes()
        arguments = {
            "salt": salt.hex(),
            "totp_step": step,
            "codes_sha256": [second_factor.hash_recovery_code(each).hex() for each in codes],
        }
        settled(await self._send("second_factor.confirm", arguments, caller, origin))
        return RecoveryCodes(recovery_codes=codes)

    async def _check_own(self, password: str, caller: Principal, origin: Origin, *, field: str) -> None:
        """See that the caller knows their password; guessing is counted as at the door."""
        attempt = Attempt(caller.name, origin.address)
        async with self._guard.turn(attempt):
            row = await self._people.row(caller.name)
            is_locked = await self._guard.is_locked(attempt, is_trusted=True)
            if await self._hashing.verify(password, None if is_locked else row.password_hash):
                return
            if not is_locked:
                await self._guard.count_failure(attempt, is_trusted=True)
        raise _wrong(field, "is wrong")

    async def _send(self, name: str, arguments: Mapping[str, Any], caller: Principal, origin: Origin) -> Answer:
        return await self._commander.send(name, arguments, principal=caller, origin=origin, wait_s=self._wait_s)


def _wrong(field: str, detail: str) -> InvalidInputError:
    return InvalidInputError(f"`{field}` {detail}.", errors=[{"field": field, "detail": detail}])
