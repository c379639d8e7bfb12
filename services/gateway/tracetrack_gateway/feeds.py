"""The live feed as a gateway gives it: one subscription for all who watch, a bounded queue for each of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from redis import asyncio as aioredis
from redis.exceptions import RedisError
from sqlalchemy import Connection, text

from tracetrack_common import feed
from tracetrack_common.credentials import Principal
from tracetrack_common.errors import OverloadedError, TooManyRequestsError, TraceTrackError, UnavailableError
from tracetrack_common.log import get_logger
from tracetrack_gateway.authentication import Authenticator
from tracetrack_gateway.background import end
from tracetrack_gateway.snapshots import Snapshots

log = get_logger(__name__)

FEEDS_PER_CALLER = 5
"""A person has a few pages open; one person must not take all the feeds there are."""
WAITING_MOST = 2_000
"""Events that may wait for a reader: who falls further behind is cut off, and reads the list of scans."""
CHECK_S = 2.0
"""How often it is looked whether the caller may still watch: a revoked credential ends its feed within 5 s."""
HEARTBEAT_S = 15.0
_START_S = 2.0
_RENEW_S = 1.0
_RECONNECT_PAUSE_S = 0.5
_SELECT_AREAS = text("SELECT area_id, code FROM area")


class Feed:
    """What one caller watches.

    Parameters
    ----------
    caller
        Who.
    area
        The code of the one area they want to see; None for all they may see.
    """

    def __init__(self, caller: Principal, area: str | None) -> None:
        self.caller = caller
        self.area = area
        self.is_lagging = False
        self.waiting: asyncio.Queue[tuple[int | None, dict[str, Any]]] = asyncio.Queue(WAITING_MOST)

    def offer(self, area_id: int | None, document: dict[str, Any]) -> None:
        """Put an event in the queue when the caller may see its area."""
        if self.is_lagging or self.caller.area_id not in {None, area_id}:
            return
        try:
            self.waiting.put_nowait((area_id, document))
        except asyncio.QueueFull:
            self.is_lagging = True


class LiveFeeds:
    """The feeds that are open at this gateway.

    Parameters
    ----------
    listener, redis
        A client for the subscription; one for the sign that somebody watches.
    authenticator
        Tells whether a caller may still watch.
    snapshots
        Where the names of areas are read.
    most
        How many there may be.
    """

    def __init__(
        self,
        listener: aioredis.Redis,
        redis: aioredis.Redis,
        authenticator: Authenticator,
        snapshots: Snapshots,
        *,
        most: int,
    ) -> None:
        self._listener = listener
        self._redis = redis
        self._authenticator = authenticator
        self._snapshots = snapshots
        self._most = most
        self._feeds: set[Feed] = set()
        self._areas: dict[int, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_listening = asyncio.Event()

    async def open(self, caller: Principal, area: str | None) -> Feed:
        """Open a feed; from here on it misses nothing that a worker takes up.

        Raises
        ------
        OverloadedError, TooManyRequestsError, UnavailableError
            There are too many already, of this gateway or of the caller; Redis does not answer.
        """
        if len(self._feeds) >= self._most:
            raise OverloadedError(f"{self._most} feeds are open here already; try again.", retry_after_s=10)
        if sum(each.caller.actor == caller.actor for each in self._feeds) >= FEEDS_PER_CALLER:
            raise TooManyRequestsError(f"You have {FEEDS_PER_CALLER} feeds open; close one.", retry_after_s=10)
        opened = Feed(caller, area)
        self._feeds.add(opened)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        try:
            await asyncio.wait_for(self._is_listening.wait(), _START_S)
        except TimeoutError:
            self.close(opened)
            raise UnavailableError("The feed cannot be heard; try again.") from None
        return opened

    def close(self, opened: Feed) -> None:
        """Close a feed."""
        self._feeds.discard(opened)

    async def stop(self) -> None:
        """End listening."""
        if self._task is not None:
            await end(self._task)

    async def events(self, opened: Feed, authorization: str | None) -> AsyncIterator[bytes]:
        """Give what a feed shows as server-sent events, until its caller may not watch any more or reads too slowly."""
        yield b"event: open\ndata: {}\n\n"
        checked_at = written_at = time.monotonic()
        while not opened.is_lagging:
            if (now := time.monotonic()) - checked_at >= CHECK_S:
                if not await self._may_watch(opened, authorization):
                    return
                checked_at = now
            try:
                area_id, document = await asyncio.wait_for(opened.waiting.get(), CHECK_S / 2)
            except TimeoutError:
                if now - written_at >= HEARTBEAT_S:
                    written_at = now
                    yield b": still here\n\n"
                continue
            area = await self._code_of(area_id)
            if opened.area in {None, area}:
                written_at = now
                yield b"event: scan\nid: %s\ndata: %s\n\n" % (
                    document["scan_id"].encode(),
                    orjson.dumps({**document, "area": area}),
                )

    async def _may_watch(self, opened: Feed, authorization: str | None) -> bool:
        try:
            caller = await self._authenticator.authenticate(authorization, is_use=False)
        except TraceTrackError:
            return False
        return (caller.role, caller.area_id) == (opened.caller.role, opened.caller.area_id)

    async def _code_of(self, area_id: int | None) -> str | None:
        if area_id is not None and area_id not in self._areas:
            self._areas = await self._snapshots.read(_read_areas)
        return None if area_id is None else self._areas.get(area_id)

    async def _listen(self) -> None:
        """Listen as long as somebody watches."""
        while self._feeds:
            try:
                await self._hear()
            except (RedisError, OSError) as error:
                log.warning("feed_interrupted", reason=str(error))
            except Exception:
                # Whatever it is: without this loop every feed would be silent until the process is started again.
                log.exception("feed_interrupted")
            finally:
                self._is_listening.clear()
            if self._feeds:
                await asyncio.sleep(_RECONNECT_PAUSE_S)

    async def _hear(self) -> None:
        renewed_at = 0.0
        async with self._listener.pubsub() as subscription:
            await subscription.subscribe(feed.CHANNEL)
            await subscription.get_message(timeout=_START_S)  # that it is so
            while self._feeds:
                if (now := time.monotonic()) - renewed_at >= _RENEW_S:
                    await self._redis.set(feed.WATCHED_KEY, b"1", px=feed.WATCHED_MS)
                    renewed_at = now
                    self._is_listening.set()
                message = await subscription.get_message(timeout=_RENEW_S / 2)
                if message is not None and message["type"] == "message":
                    for area_id, document in feed.decode_events(message["data"]):
                        for opened in self._feeds:
                            opened.offer(area_id, document)


def _read_areas(connection: Connection) -> dict[int, str]:
    """Give the codes of all areas by their keys; there are few."""
    return {row.area_id: row.code for row in connection.execute(_SELECT_AREAS)}
