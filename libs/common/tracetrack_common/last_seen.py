"""When each credential was last used: in Redis, to the minute, so that reading a page writes nothing to Postgres."""

from datetime import UTC, datetime
from typing import cast

from redis import Redis
from sqlalchemy import Connection, text

KEY = "tt:last_seen"
"""Hash: a token's SHA-256 in hexadecimal, to seconds since the Unix epoch."""
GRAIN_S = 60
"""Written at most so often for a credential."""

_SELECT_IN_FORCE = text(
    "SELECT token_sha256 FROM device WHERE revoked_at IS NULL"
    " UNION ALL SELECT token_sha256 FROM user_session WHERE ended_at IS NULL AND expires_at > now()"
)
_KEEP = text(
    "UPDATE device SET last_seen_at = seen.at FROM unnest(CAST(:tokens AS bytea[]), CAST(:times AS timestamptz[]))"
    " AS seen (token, at) WHERE token_sha256 = seen.token AND (last_seen_at IS NULL OR last_seen_at < seen.at)"
)


def read_all(redis: Redis) -> dict[bytes, datetime]:
    """Give when each token was last used, by its SHA-256."""
    found = cast("dict[bytes, bytes]", redis.hgetall(KEY))
    return {bytes.fromhex(token.decode()): time_of(value) for token, value in found.items()}


def time_of(value: bytes) -> datetime:
    """Give the moment that Redis holds."""
    return datetime.fromtimestamp(int(value), UTC)


def keep_devices(connection: Connection, seen: dict[bytes, datetime]) -> None:
    """Keep in Postgres when each device was last seen, for when Redis is emptied."""
    connection.execute(_KEEP, {"tokens": list(seen), "times": list(seen.values())})


def forget_others(redis: Redis, connection: Connection, seen: dict[bytes, datetime]) -> None:
    """Forget the tokens that are no longer in force."""
    in_force = {bytes(token) for token in connection.scalars(_SELECT_IN_FORCE)}
    if gone := [token.hex() for token in seen if token not in in_force]:
        redis.hdel(KEY, *gone)
