"""Second factors: time-based codes (RFC 6238) and recovery codes.

A secret is never written anywhere: it is made of a key that only the database holds and a salt that the user's row
holds, so what travels through the ledger, the salt, is worth nothing by itself.
"""

import base64
import hashlib
import hmac
import secrets
import time

import pyotp
from sqlalchemy import Connection, text

ISSUER = "TraceTrack"
RECOVERY_CODES = 10
_SALT_BYTES = 20
_SECRET_BYTES = 20
_RECOVERY_BYTES = 10
"""80 bits: cannot be guessed, so a plain SHA-256 of it is safe to store."""
_STEP_S = 30
_STEPS_OFF = 1
"""A phone's clock may be so many steps off, either way."""

_SELECT_KEY = text("SELECT key FROM server_key WHERE name = 'totp'")


def make_salt() -> bytes:
    """Make the salt of a new secret."""
    return secrets.token_bytes(_SALT_BYTES)


def find_key(connection: Connection) -> bytes:
    """Give the key that every secret is made with."""
    return bytes(connection.execute(_SELECT_KEY).scalar_one())


def derive_secret(key: bytes, salt: bytes) -> str:
    """Give the secret of a salt, in base32 as authenticators take it."""
    return base64.b32encode(hmac.digest(key, salt, "sha256")[:_SECRET_BYTES]).decode()


def describe_secret(secret: str, username: str) -> str:
    """Give the `otpauth://` address of a secret, which authenticators read as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def find_step(secret: str, code: str, *, now_s: float | None = None) -> int | None:
    """Give the time step that a code belongs to.

    Parameters
    ----------
    secret
        In base32.
    code
        Six digits; blanks are left out.
    now_s
        Seconds since the Unix epoch; the clock's when left out.

    Returns
    -------
    int or None
        The step, to be used once; None when the code is of none about now.
    """
    totp, step = pyotp.TOTP(secret), int((time.time() if now_s is None else now_s) // _STEP_S)
    digits = "".join(code.split()).encode()
    matching = [
        near
        for near in range(step - _STEPS_OFF, step + _STEPS_OFF + 1)
        if hmac.compare_digest(totp.generate_otp(near).encode(), digits)
    ]
    return max(matching, default=None)


def make_recovery_codes() -> list[str]:
    """Make the codes that each stand in for the second factor once."""
    return [_group(base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()) for _ in range(RECOVERY_CODES)]


def hash_recovery_code(code: str) -> bytes:
    """Give what is stored of a recovery code, in whatever case and grouping it was typed."""
    return hashlib.sha256(code.upper().replace("-", "").replace(" ", "").encode()).digest()


def _group(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))
