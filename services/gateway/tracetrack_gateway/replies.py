"""Replies: a worker publishes outcomes on the channel of the gateway that waits for them."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from tracetrack_common.ids import uuid7
from tracetrack_common.ledger import reply_channel
from tracetrack_common.log import get_logger

log = get_logger(__name__)

_RECONNECT_PAUSE_S = 0.5


class ReplyListener:
    """Hears the outcomes that requests of this process wait for.

    Parameters
    ----------
    redis
        A client for subscriptions.
    """

    def __init__(self, redis: aioredis.Redis) -> None:
        self._redis = redis
        self.channel = reply_channel(uuid7().hex)
        self._waiting: dict[str, list[asyncio.Future[Mapping[str, Any]]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen; a Redis that is not there yet is waited for in the background."""
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """End listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def expect(self, identity: str) -> asyncio.Future[Mapping[str, Any]]:
        """Begin to wait for an outcome; call it before the work is accepted, so that no reply is missed.

        Parameters
        ----------
        identity
            A `scan_id` or `command_id`.
        """
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(identity, []).append(future)
        return future

    async def collect(
        self, expected: Mapping[str, asyncio.Future[Mapping[str, Any]]], timeout_s: float
    ) -> dict[str, Mapping[str, Any]]:
        """Wait for outcomes, together at most so long.

        Parameters
        ----------
        expected
            What `expect` gave, by identity.
        timeout_s
            How long.

        Returns
        -------
        dict
            The outcomes that came in time, by identity.
        """
        if expected:
            await asyncio.wait(expected.values(), timeout=timeout_s)
        return {identity: future.result() for identity, future in expected.items() if future.done()}

    def forget(self, expected: Mapping[str, asyncio.Future[Mapping[str, Any]]]) -> None:
        """Stop waiting; call it whatever became of the request."""
        for identity, future in expected.items():
            futures = self._waiting.get(identity, [])
            if future in futures:
                futures.remove(future)
            if not futures:
                self._waiting.pop(identity, None)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(self.channel)
                    async for message in subscription.listen():
                        self._deliver(orjson.loads(message["data"]))
            except (RedisError, OSError) as error:
                log.warning("replies_interrupted", reason=str(error))
            await asyncio.sleep(_RECONNECT_PAUSE_S)

    def _deliver(self, documents: Sequence[Mapping[str, Any]]) -> None:
        for document in documents:
            identity = document.get("scan_id") or document["command_id"]
            for future in self._waiting.pop(identity, ()):
                if not future.done():
                    future.set_result(document)
