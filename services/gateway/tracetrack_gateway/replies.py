"""Replies: a worker publishes outcomes on the channel of the gateway that waits for them."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import orjson
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from tracetrack_common.contracts import ReplyAddress
from tracetrack_common.ids import uuid7
from tracetrack_common.ledger import reply_channel
from tracetrack_common.log import get_logger
from tracetrack_gateway.background import end

log = get_logger(__name__)

_RECONNECT_PAUSE_S = 0.5


class Waiter:
    """The outcomes that one request waits for.

    Parameters
    ----------
    ticket
        Names the request.
    count
        How many outcomes.
    """

    def __init__(self, ticket: str, count: int) -> None:
        self.ticket = ticket
        self.outcomes: dict[int, dict[str, Any]] = {}
        self._count = count
        self._complete = asyncio.Event()

    def deliver(self, index: int, document: dict[str, Any]) -> None:
        """Take an outcome."""
        self.outcomes[index] = document
        if len(self.outcomes) == self._count:
            self._complete.set()

    async def wait(self, timeout_s: float) -> Mapping[int, dict[str, Any]]:
        """Wait for all, at most so long; give those that came, by their index in the request."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._complete.wait(), timeout_s)
        return self.outcomes


class ReplyListener:
    """Hears the outcomes that requests of this process wait for.

    Parameters
    ----------
    redis
        A client for subscriptions.
    """

    def __init__(self, redis: aioredis.Redis) -> None:
        self._redis = redis
        self._channel = reply_channel(uuid7().hex)
        self._waiting: dict[str, Waiter] = {}
        self._tickets = itertools.count(1)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen; a Redis that is not there yet is waited for in the background."""
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """End listening."""
        if self._task is not None:
            await end(self._task)

    @contextmanager
    def expecting(self, count: int) -> Iterator[tuple[Waiter, str]]:
        """Begin to wait, before the work is accepted, so that no reply is missed; stop whatever became of it.

        Parameters
        ----------
        count
            How many outcomes the request waits for.

        Yields
        ------
        tuple of Waiter, str
            What the outcomes come to, and the address to give with the work.
        """
        waiter = Waiter(str(next(self._tickets)), count)
        self._waiting[waiter.ticket] = waiter
        try:
            yield waiter, ReplyAddress(self._channel, waiter.ticket).write()
        finally:
            del self._waiting[waiter.ticket]

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(self._channel)
                    async for message in subscription.listen():
                        self._deliver(orjson.loads(message["data"]))
            except (RedisError, OSError) as error:
                log.warning("replies_interrupted", reason=str(error))
            except Exception:
                # Whatever it is: without this loop nobody would hear an outcome until the process is started again.
                log.exception("replies_interrupted")
            await asyncio.sleep(_RECONNECT_PAUSE_S)

    def _deliver(self, replies: Sequence[tuple[str, int, dict[str, Any]]]) -> None:
        for ticket, index, document in replies:
            if (waiter := self._waiting.get(ticket)) is not None:
                waiter.deliver(index, document)
