"""Authentication: from a bearer token to whom it stands for, with Redis alone when its mirror is complete."""

import time
from datetime import UTC, datetime
from typing import cast

from redis import asyncio as aioredis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from tracetrack_common.accounts import hash_token
from tracetrack_common.credentials import COMPLETE_FIELD, MIRROR_KEY, Principal, decode_principal, find_principal
from tracetrack_common.errors import UnauthorizedError, UnavailableError
from tracetrack_gateway.snapshots import Snapshots

_CACHE_MOST = 10_000
_TOKEN_MAX_CHARS = 200


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
    """

    def __init__(self, redis: aioredis.Redis, snapshots: Snapshots, *, ttl_s: float) -> None:
        self._redis = redis
        self._snapshots = snapshots
        self._ttl_s = ttl_s
        self._cache: dict[bytes, tuple[Principal, float]] = {}

    async def authenticate(self, authorization: str | None) -> Principal:
        """Tell whom the `Authorization` header stands for.

        Raises
        ------
        UnauthorizedError
            There is no token, or it stands for nobody (any more).
        UnavailableError
            It could not be looked up.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthorizedError("Send your token in the header Authorization: Bearer <token>.")
        if len(token) > _TOKEN_MAX_CHARS:
            raise UnauthorizedError("This token is not valid; it was revoked, has ended or never existed.")
        digest = hash_token(token.strip())
        cached = self._cache.get(digest)
        if cached is not None and cached[1] > time.monotonic():
            principal: Principal | None = cached[0]
        else:
            principal = await self._look_up(digest)
        if principal is None or (principal.expires_at is not None and principal.is_expired(datetime.now(UTC))):
            raise UnauthorizedError("This token is not valid; it was revoked, has ended or never existed.")
        return principal

    async def _look_up(self, digest: bytes) -> Principal | None:
        self._cache.pop(digest, None)
        try:
            value, complete = cast(
                "list[bytes | None]", await self._redis.hmget(MIRROR_KEY, [digest.hex(), COMPLETE_FIELD])
            )
        except (RedisError, OSError) as error:
            raise UnavailableError("Tokens cannot be looked up; nothing was accepted, send it again.") from error
        if value is not None:
            principal: Principal | None = decode_principal(value)
        elif complete is not None:
            principal = None
        else:
            principal = await self._ask_database(digest)
        if principal is not None and self._ttl_s > 0:
            if len(self._cache) >= _CACHE_MOST:
                self._cache.clear()
            self._cache[digest] = (principal, time.monotonic() + self._ttl_s)
        return principal

    async def _ask_database(self, digest: bytes) -> Principal | None:
        try:
            return await self._snapshots.read(lambda connection: find_principal(connection, digest))
        except SQLAlchemyError as error:
            raise UnavailableError("Tokens cannot be looked up; nothing was accepted, send it again.") from error
