"""The credentials the gateway checks: kept in Postgres, mirrored in Redis, so that accepting needs Redis only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

import orjson
from redis import Redis
from sqlalchemy import Connection, TextClause, text

MIRROR_KEY = "tt:credentials"
"""Hash: a token's SHA-256 in hexadecimal, to whom it stands for."""
COMPLETE_FIELD = "complete"
"""Field of the mirror that is there once it holds everything; a missing token then is an unknown token."""

_DEVICES = (
    "SELECT token_sha256, 'device' AS kind, device_id AS id, device.name, 'device' AS role, area_id, area.code AS area,"
    " CAST(NULL AS timestamptz) AS expires_at"
    " FROM device JOIN area USING (area_id) WHERE revoked_at IS NULL"
)
_SESSIONS = (
    "SELECT token_sha256, 'user' AS kind, user_id AS id, username AS name, role, app_user.area_id, area.code AS area,"
    " expires_at FROM user_session JOIN app_user USING (user_id) LEFT JOIN area USING (area_id)"
    " WHERE ended_at IS NULL AND disabled_at IS NULL AND expires_at > now()"
)
_SELECT_ALL = text(f"{_DEVICES} UNION ALL {_SESSIONS}")
_SELECT_ONE = text(f"SELECT * FROM ({_SELECT_ALL.text}) AS everyone WHERE token_sha256 = :token_sha256")  # noqa: S608
_SELECT_OF = {"device": text(f"{_DEVICES} AND device_id = :id"), "user": text(f"{_SESSIONS} AND user_id = :id")}
_SELECT_TOKENS = {
    "device": text("SELECT token_sha256 FROM device WHERE device_id = :id"),
    "user": text("SELECT token_sha256 FROM user_session WHERE user_id = :id AND expires_at > now()"),
}
_LOCK_OWNER = {
    "device": text("SELECT FROM device WHERE device_id = :id FOR UPDATE"),
    "user": text("SELECT FROM app_user WHERE user_id = :id FOR UPDATE"),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a token stands for.

    Parameters
    ----------
    kind
        A device or a user.
    id
        The device's or user's key.
    name
        The device's name or the username.
    role
        ``device``, or the user's role.
    area_id, area
        Key and code of the area it is bound to; None for all areas.
    expires_at
        Seconds since the Unix epoch at which the token ends; None when it does not.
    """

    kind: Literal["device", "user"]
    id: int
    name: str
    role: str
    area_id: int | None
    area: str | None
    expires_at: float | None = None

    @property
    def actor(self) -> str:
        """How it stands in the audit log: ``device:7``, ``user:3``."""
        return f"{self.kind}:{self.id}"

    def is_expired(self, now: datetime) -> bool:
        """Tell whether its token has ended."""
        return self.expires_at is not None and now.timestamp() >= self.expires_at


def encode_principal(principal: Principal) -> bytes:
    """Write a principal as it stands in the mirror."""
    return orjson.dumps(asdict(principal))


def decode_principal(value: bytes) -> Principal:
    """Read a principal from the mirror."""
    return Principal(**orjson.loads(value))


def mirror_owner(redis: Redis, connection: Connection, kind: Literal["device", "user"], key: int) -> None:
    """Make the mirror say of one user's sessions, or of one device, what Postgres says now.

    Parameters
    ----------
    redis
        A worker's client.
    connection
        Inside a transaction of its own, after the commit of what was changed; the owner's row is locked, so that of two
        changes at once the later one is what stays.
    kind, key
        Whose.
    """
    owner = {"id": key}
    connection.execute(_LOCK_OWNER[kind], owner)
    wanted = _entries(connection, _SELECT_OF[kind], owner)
    pipeline = redis.pipeline(transaction=True)
    tokens = [bytes(token).hex() for token in connection.scalars(_SELECT_TOKENS[kind], owner)]
    if gone := [token for token in tokens if token.encode() not in wanted]:
        pipeline.hdel(MIRROR_KEY, *gone)
    if wanted:
        pipeline.hset(MIRROR_KEY, items=[part for entry in wanted.items() for part in entry])
    pipeline.execute()


def forget_token(redis: Redis, token_sha256: str) -> None:
    """Take a token out of the mirror whose row holds another now; hexadecimal."""
    redis.hdel(MIRROR_KEY, token_sha256)


def mirror_all(redis: Redis, connection: Connection) -> int:
    """Make the mirror equal to Postgres: what is missing is added, what is revoked or over is removed.

    Returns
    -------
    int
        How many credentials there are.
    """
    # The mirror is read before Postgres: what is made between the two is then missing from the first and stays.
    present = cast("dict[bytes, bytes]", redis.hgetall(MIRROR_KEY))
    wanted = _wanted_entries(connection)
    complete = COMPLETE_FIELD.encode()
    changed = [part for field, value in wanted.items() if present.get(field) != value for part in (field, value)]
    gone = [field for field in present if field not in wanted and field != complete]
    pipeline = redis.pipeline(transaction=True)
    pipeline.hset(MIRROR_KEY, items=[*changed, complete, b"1"])
    if gone:
        pipeline.hdel(MIRROR_KEY, *gone)
    pipeline.execute()
    return len(wanted)


@dataclass(frozen=True, slots=True)
class MirrorDifference:
    """In what the mirror differs from Postgres.

    Parameters
    ----------
    credentials
        How many there are in Postgres.
    complete
        Whether the mirror says that it holds everything.
    missing
        Those in force that are not in the mirror: whose, and the first digits of the token's SHA-256.
    outdated
        Entries of the mirror that stand for what is not, or no longer, so.
    """

    credentials: int
    complete: bool
    missing: frozenset[str]
    outdated: frozenset[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return self.complete and not self.missing and not self.outdated


def compare_mirror(redis: Redis, connection: Connection, now: datetime) -> MirrorDifference:
    """Compare the mirror with Postgres, and change nothing.

    Parameters
    ----------
    redis
        A worker's client.
    connection
        Inside a snapshot.
    now
        The current time: an entry that has ended by itself is no difference.
    """
    present = cast("dict[bytes, bytes]", redis.hgetall(MIRROR_KEY))
    wanted = _wanted_entries(connection)
    complete = present.pop(COMPLETE_FIELD.encode(), None) is not None
    return MirrorDifference(
        credentials=len(wanted),
        complete=complete,
        missing=frozenset(_name_entry(field, wanted[field]) for field in wanted.keys() - present.keys()),
        outdated=frozenset(
            _name_entry(field, value)
            for field, value in present.items()
            if wanted.get(field) != value and not _has_ended(value, now)
        ),
    )


def _name_entry(field: bytes, value: bytes) -> str:
    try:
        principal = decode_principal(value)
        whose = f"{principal.actor} {principal.name}"
    except (TypeError, ValueError):
        whose = "unreadable"
    return f"{whose} ({field[:8].decode(errors='replace')}…)"


def _has_ended(value: bytes, now: datetime) -> bool:
    try:
        return decode_principal(value).is_expired(now)
    except (TypeError, ValueError):
        return False


def _wanted_entries(connection: Connection) -> dict[bytes, bytes]:
    """Give the mirror as it should be."""
    return _entries(connection, _SELECT_ALL, {})


def _entries(connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> dict[bytes, bytes]:
    return {
        bytes(row.token_sha256).hex().encode(): encode_principal(_principal_of(row._asdict()))
        for row in connection.execute(statement, values)
    }


def find_principal(connection: Connection, token_sha256: bytes) -> Principal | None:
    """Look a credential up in Postgres itself, for when the mirror is not complete."""
    row = connection.execute(_SELECT_ONE, {"token_sha256": token_sha256}).one_or_none()
    return None if row is None else _principal_of(row._asdict())


def _principal_of(row: Mapping[str, Any]) -> Principal:
    expires_at = cast("datetime | None", row["expires_at"])
    return Principal(
        kind=row["kind"],
        id=row["id"],
        name=row["name"],
        role=row["role"],
        area_id=row["area_id"],
        area=row["area"],
        expires_at=None if expires_at is None else expires_at.astimezone(UTC).timestamp(),
    )
