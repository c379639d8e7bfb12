"""What happens around every request, as plain ASGI: its identity, its size, its time."""

import re
import time
from collections.abc import Callable, Mapping

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracetrack_common.errors import TooLargeError
from tracetrack_common.ids import uuid7
from tracetrack_gateway.problems import MEDIA_TYPE

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")


class RequestFrame:
    """Names each request, refuses bodies that are too large before they are read, and measures.

    Parameters
    ----------
    app
        What is inside.
    max_body_bytes
        The largest body.
    observe
        Told method, route, status and seconds of each request.
    uploads
        Method and path of what takes larger bodies, with the most bytes of each; it reads them itself, piece by piece,
        and counts them where their length is not told.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        observe: Callable[[str, str, int, float], None],
        uploads: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._observe = observe
        self._uploads = uploads or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else uuid7().hex
        scope["request_id"] = request_id
        status = 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-store"),
                ]
            await send(message)

        length = headers.get(b"content-length")
        upload_most = self._uploads.get((scope["method"], scope["path"]))
        most_bytes = self._max_body_bytes if upload_most is None else upload_most
        try:
            body = receive if length is not None or upload_most is not None else await self._read(receive)
            if body is None or (length is not None and int(length) > most_bytes):
                await self._refuse(scope, send_named, most_bytes)
            else:
                await self._app(scope, body, send_named)
        finally:
            route = str(scope.get("route_path") or getattr(scope.get("route"), "path", "unmatched"))
            self._observe(scope["method"], route, status, time.perf_counter() - started)

    async def _read(self, receive: Receive) -> Receive | None:
        """Read a body that comes without its length, up to the limit; give what hands it on, None if it is larger."""
        messages: list[Message] = []
        received = 0
        while not messages or messages[-1].get("more_body", False):
            messages.append(await receive())
            received += len(messages[-1].get("body", b""))
            if received > self._max_body_bytes:
                return None
        read = iter(messages)

        async def receive_again() -> Message:
            return next(read, None) or await receive()

        return receive_again

    @staticmethod
    async def _refuse(scope: Scope, send: Send, most_bytes: int) -> None:
        sentence = f"The body may have at most {most_bytes} bytes."
        body = orjson.dumps(
            {
                "type": "https://tracetrack.dev/problems/" + TooLargeError.code,
                "title": TooLargeError.title,
                "status": TooLargeError.status,
                "detail": sentence,
                "errors": [{"field": "body", "detail": sentence}],
                "request_id": scope["request_id"],
            }
        )
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": TooLargeError.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
