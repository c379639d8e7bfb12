"""Against password guessing: failures are counted in Redis, by account and address (docs/people.md, Lockout)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast
from weakref import WeakValueDictionary

from redis import asyncio as aioredis

LOCK_S = 15 * 60
PAIR_FAILURES_MOST = 5
"""Of one account from one address (domain.md, People)."""
ACCOUNT_FAILURES_MOST = 20
"""Of one account from all the addresses it was never logged in from, so that many addresses are not many guesses."""
ADDRESS_FAILURES_MOST = 100
"""Of one address over all accounts: fifty people behind one address mistype less."""
RESETS_MOST = 20
"""Links that one address asks for in the same time."""

_PREFIX = "tt:login:"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody at the door.

    Parameters
    ----------
    username
        As typed; it is hashed, since people type passwords here.
    address
        Where from.
    """

    username: str
    address: str | None

    @property
    def _account(self) -> str:
        return hashlib.sha256(self.username.lower().encode()).hexdigest()[:32]

    @property
    def pair(self) -> str:
        """The key of this account from this address."""
        return f"{_PREFIX}pair:{self._account}:{self.address}"

    @property
    def strangers(self) -> tuple[str, str]:
        """The keys of this account, and of this address, where the two were never seen together."""
        return f"{_PREFIX}account:{self._account}", f"{_PREFIX}address:{self.address}"


class LoginGuard:
    """Counts failures and tells who has had enough.

    Parameters
    ----------
    redis
        Where they are counted, each for 15 minutes after the last one.
    """

    def __init__(self, redis: aioredis.Redis) -> None:
        self._redis = redis
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, attempt: Attempt) -> AsyncIterator[None]:
        """Have the attempts on an account from an address come one after the other, so that each sees those before."""
        lock = self._turns.setdefault(attempt.pair, asyncio.Lock())
        async with lock:
            yield

    async def is_locked(self, attempt: Attempt, *, is_trusted: bool) -> bool:
        """Tell whether an attempt fails whatever the password.

        Parameters
        ----------
        attempt
            Who, from where.
        is_trusted
            Whether the user logged in from there before: what others do elsewhere then locks nobody out.

        Raises
        ------
        redis.exceptions.RedisError
            It cannot be told.
        """
        pair, account, address = [
            int(value or 0)
            for value in cast("list[bytes | None]", await self._redis.mget([attempt.pair, *attempt.strangers]))
        ]
        from_elsewhere = account >= ACCOUNT_FAILURES_MOST or address >= ADDRESS_FAILURES_MOST
        return pair >= PAIR_FAILURES_MOST or (from_elsewhere and not is_trusted)

    async def count_failure(self, attempt: Attempt, *, is_trusted: bool) -> None:
        """Count a failure, for 15 minutes."""
        keys = [attempt.pair] if is_trusted else [attempt.pair, *attempt.strangers]
        pipeline = self._redis.pipeline(transaction=True)
        for key in keys:
            pipeline.incr(key)
            pipeline.expire(key, LOCK_S)
        await pipeline.execute()

    async def forgive(self, attempt: Attempt) -> None:
        """Forget the failures of an account from an address, which has shown that it is the owner's."""
        await self._redis.delete(attempt.pair)

    async def may_ask_for_reset(self, address: str | None) -> bool:
        """Count a link that an address asks for; tell whether it may have more."""
        key = f"{_PREFIX}resets:{address}"
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.incr(key)
        pipeline.expire(key, LOCK_S, nx=True)
        asked, _ = cast("tuple[int, bool]", await pipeline.execute())
        return asked <= RESETS_MOST
