"""As much of HTTP/1.1 as a load needs: a request as bytes, and where a response ends."""

import asyncio
from typing import NamedTuple, cast


class Response(NamedTuple):
    """A response that has arrived."""

    status: int
    body: bytes


def request_bytes(
    method: str, path: str, *, host: str, token: str, body: bytes = b"", headers: tuple[str, ...] = ()
) -> bytes:
    """Write a request; a body is JSON."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_response(data: bytes) -> Response | None:
    """Read the one response that is in `data`; None when it is not whole yet."""
    head = data.find(b"\r\n\r\n") + 4
    if head < 4:
        return None
    end = head + _content_length(data[:head])
    return None if len(data) < end else Response(int(data[9:12]), data[head:end])


def _content_length(head: bytes) -> int:
    """Read the length of the body; every response that a load meets has one."""
    lowered = head.lower()
    name = b"\r\ncontent-length:"
    at = lowered.index(name) + len(name)
    return int(lowered[at : lowered.index(b"\r\n", at)])


class Connection(asyncio.Protocol):
    """A keep-alive connection on which one request waits for its response at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._waiting: asyncio.Future[Response] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        response = read_response(self._buffer)
        if response is not None and self._waiting is not None:
            self._buffer = b""
            self._waiting.set_result(response)
            self._waiting = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None:
            self._waiting.set_exception(exc or ConnectionResetError("the server closed the connection"))
            self._waiting = None

    async def ask(self, request: bytes) -> Response:
        """Send a request and give its response.

        Raises
        ------
        OSError
            The connection is gone.
        """
        if self._transport is None:
            raise ConnectionResetError("the server closed the connection")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()
