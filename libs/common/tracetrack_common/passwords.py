"""Passwords: their policy, and what is kept of them (domain.md, People, devices, areas).

Everything here takes tens of milliseconds of a processor, on purpose or not: call it on a thread.
"""

import hashlib
import secrets
import threading
from collections.abc import Iterable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from tracetrack_common.errors import InvalidInputError

PASSWORD_MIN_CHARS = 12
PASSWORD_MAX_CHARS = 128
_STRENGTH_LEAST = 3
"""Of 0 to 4: "safely unguessable", more than 10^8 guesses, which Argon2id stretches to years."""
_JUDGED_CHARS = 72
"""What follows is not looked at: the judge's time grows with the square of the length."""
_SALT_BYTES = 16
_HOUSE_WORDS = ("tracetrack", "warehouse", "scanner", "dispatcher", "biller", "operator")

_HASHER = PasswordHasher()
_HASH_OF_NOBODY = _HASHER.hash(secrets.token_urlsafe(32))
_JUDGE = threading.Lock()
"""The judge keeps the words it is given in one dictionary of the process."""


def check_password(password: str, *, words: Iterable[str | None] = ()) -> None:
    """Let a new password pass when it is long and hard to guess.

    Parameters
    ----------
    password
        As the person chose it.
    words
        What an attacker tries first: the username, the e-mail address.

    Raises
    ------
    InvalidInputError
        It is too short, too long or too easily guessed; the sentence does not quote it.
    """
    if not PASSWORD_MIN_CHARS <= len(password) <= PASSWORD_MAX_CHARS:
        raise _refusal(f"must have {PASSWORD_MIN_CHARS} to {PASSWORD_MAX_CHARS} characters")
    with _JUDGE:
        known = [word for word in words if word]
        judgement = zxcvbn(password[:_JUDGED_CHARS], user_inputs=[*known, *_HOUSE_WORDS])
    if judgement["score"] < _STRENGTH_LEAST:
        hint = judgement["feedback"]["warning"] or "too easily guessed"
        raise _refusal(f"{hint.rstrip('.')}; use several words that do not belong together")


def hash_password(password: str, *, repeatable_for: str | None = None) -> str:
    """Give what is stored of a password: Argon2id with its salt.

    Parameters
    ----------
    password
        The password.
    repeatable_for
        Names a request that may be sent again: its salt comes from this, so that the repetition is the same request.
    """
    if repeatable_for is None:
        return _HASHER.hash(password)
    return _HASHER.hash(password, salt=hashlib.sha256(repeatable_for.encode()).digest()[:_SALT_BYTES])


def verify_password(password: str, password_hash: str | None) -> bool:
    """Check a password; takes as long for nobody's (None)."""
    try:
        _HASHER.verify(password_hash or _HASH_OF_NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def _refusal(detail: str) -> InvalidInputError:
    return InvalidInputError(f"The password {detail}.", errors=[{"field": "password", "detail": detail}])
