"""Authentication: from a bearer token to whom it stands for, with Redis alone when its mirror is complete."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

from redis import asyncio as aioredis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from tracetrack_common import last_seen
from tracetrack_common.accounts import hash_token
from tracetrack_common.credentials import COMPLETE_FIELD, MIRROR_KEY, Principal, decode_principal, find_principal
from tracetrack_common.errors import UnauthorizedError, UnavailableError
from tracetrack_gateway.snapshots import Snapshots

_CACHE_MOST = 10_000
_TOKEN_MAX_CHARS = 200


def digest_token(authorization: str | None) -> bytes | None:
    """Give the SHA-256 of the bearer token in an `Authorization` header; None where there is none of a right form."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > _TOKEN_MAX_CHARS:
        return None
    return hash_token(token.strip())


class Authenticator:
    """Tells whom a token stands for.

    Parameters
    ----------
    redis
        Holds the mirror of the credentials.
    snapshots
        Postgres is asked when the mirror is not complete.
    ttl_s
        How long this process trusts what it looked up; a revoked token works for at most so long.
    idle_s
        When a session that is not used has ended.
    """

    def __init__(self, redis: aioredis.Redis, snapshots: Snapshots, *, ttl_s: float, idle_s: float) -> None:
        self._redis = redis
        self._snapshots = snapshots
        self._ttl_s = ttl_s
        self._idle_s = idle_s
        self._cache: dict[bytes, tuple[Principal, float]] = {}

    async def authenticate(self, authorization: str | None, *, is_use: bool = True) -> Principal:
        """Tell whom the `Authorization` header stands for.

        Parameters
        ----------
        authorization
            The header.
        is_use
            Whether this counts as using it, so that a session does not become idle.

        Raises
        ------
        UnauthorizedError
            There is no token, or it stands for nobody (any more).
        UnavailableError
            It could not be looked up.
        """
        digest = digest_token(authorization)
        if digest is None:
            raise UnauthorizedError("Send your token in the header Authorization: Bearer <token>.")
        cached = self._cache.get(digest)
        if cached is not None and cached[1] > time.monotonic():
            principal: Principal | None = cached[0]
        else:
            principal = await self._look_up(digest, is_use=is_use)
        if principal is None or (principal.expires_at is not None and principal.is_expired(datetime.now(UTC))):
            raise UnauthorizedError("This token is not valid; it was revoked, has ended or never existed.")
        return principal

    async def _look_up(self, digest: bytes, *, is_use: bool) -> Principal | None:
        self._cache.pop(digest, None)
        token = digest.hex()
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hmget(MIRROR_KEY, [token, COMPLETE_FIELD])
        pipeline.hget(last_seen.KEY, token)
        try:
            (value, complete), seen = cast("tuple[list[bytes | None], bytes | None]", await pipeline.execute())
        except (RedisError, OSError) as error:
            raise UnavailableError("Tokens cannot be looked up; nothing was accepted, send it again.") from error
        if value is not None:
            principal: Principal | None = decode_principal(value)
        elif complete is not None:
            principal = None
        else:
            principal = await self._ask_database(digest)
        if principal is not None and not await self._is_in_use(principal, token, seen, is_use=is_use):
            principal = None
        if principal is not None and self._ttl_s > 0:
            if len(self._cache) >= _CACHE_MOST:
                self._cache.clear()
            self._cache[digest] = (principal, time.monotonic() + self._ttl_s)
        return principal

    async def _is_in_use(self, principal: Principal, token: str, seen: bytes | None, *, is_use: bool) -> bool:
        """Tell whether a credential was not idle for too long, and note that it is used now, to the minute.

        Where Redis was emptied nobody knows when it was last used, and that counts as now: the session still ends by
        its absolute limit.
        """
        now = int(time.time())
        idle_s = 0 if seen is None else now - int(seen)
        if principal.kind == "user" and idle_s > self._idle_s:
            return False
        if is_use and (seen is None or idle_s >= min(last_seen.GRAIN_S, self._idle_s / 4)):
            with suppress(RedisError, OSError):  # a full Redis still lets people read
                await self._redis.hset(last_seen.KEY, token, str(now))
        return True

    async def _ask_database(self, digest: bytes) -> Principal | None:
        try:
            return await self._snapshots.read(lambda connection: find_principal(connection, digest))
        except SQLAlchemyError as error:
            raise UnavailableError("Tokens cannot be looked up; nothing was accepted, send it again.") from error
