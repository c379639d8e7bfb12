"""A network that can be broken: a TCP proxy that cuts, goes silent, or swallows the answer to a chosen request."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

_CHUNK = 64 * 1024
_START_S = 10.0


class Proxy:
    """Hands connections on to a server; use it as a context manager.

    Parameters
    ----------
    port
        The server's, on this machine.
    host
        Where to listen.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self._target = port
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows: asyncio.Event | None = None
        self._server: asyncio.Server | None = None
        self._swallow: tuple[bytes, int] = (b"", 0)
        self.port = 0
        self.swallowed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection; new ones may come at once."""
        self._run(self._cut())

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let nothing through in either direction with every connection left open, as a dead switch does."""
        self._run(self._set_flow(on=False))
        try:
            yield
        finally:
            self._run(self._set_flow(on=True))

    def swallow_answers(self, to: bytes, *, times: int) -> None:
        """Hand on the next requests that hold some bytes, wait for each answer, and reset the connection instead of it.

        Parameters
        ----------
        to
            Found in the request.
        times
            How many of them.
        """
        self._swallow = (to, times)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_S)

    async def _start(self) -> None:
        self._flows = asyncio.Event()
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _set_flow(self, *, on: bool) -> None:
        assert self._flows is not None
        if on:
            self._flows.set()
        else:
            self._flows.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        doomed = asyncio.Event()
        try:
            await asyncio.gather(
                self._hand_on(reader, far_writer, doomed, is_request=True),
                self._hand_on(far_reader, writer, doomed, is_request=False),
            )
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for each in pair:
                each.transport.abort()
            self._writers -= pair

    async def _hand_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event, *, is_request: bool
    ) -> None:
        assert self._flows is not None
        while data := await reader.read(_CHUNK):
            await self._flows.wait()
            if not is_request and doomed.is_set():
                self.swallowed += 1
                raise ConnectionResetError
            pattern, left = self._swallow
            if is_request and left and pattern in data:
                self._swallow = (pattern, left - 1)
                doomed.set()
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.transport.abort()
        raise ConnectionResetError
