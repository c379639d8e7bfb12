"""What happens around every request, as plain ASGI: its identity, its size, its time."""

import re
import time
from collections.abc import Callable, Mapping

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracetrack_common.errors import TooLargeError, TraceTrackError, UnsupportedMediaTypeError
from tracetrack_common.ids import uuid7
from tracetrack_gateway.limits import Limits
from tracetrack_gateway.problems import render_error

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_PAGES = frozenset({"/docs", "/docs/oauth2-redirect"})
"""The framework's pages about the API, which bring scripts of their own."""


class RequestFrame:
    """Names each request, refuses those that are too many and bodies that are too large before they are read, measures.

    Parameters
    ----------
    app
        What is inside.
    max_body_bytes
        The largest body.
    addresses
        How often an address may ask.
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
        addresses: Limits,
        observe: Callable[[str, str, int, float], None],
        uploads: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._addresses = addresses
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
                    *_HEADERS,
                    *(() if scope["path"] in _PAGES else (_POLICY,)),
                ]
            await send(message)

        try:
            try:
                body = await self._admit(scope, headers, receive)
            except TraceTrackError as error:
                response = await render_error(Request(scope), error)
                response.headers["connection"] = "close"  # what is left of the body is not read
                await response(scope, receive, send_named)
            else:
                await self._app(scope, body, send_named)
        finally:
            route = str(scope.get("route_path") or getattr(scope.get("route"), "path", "unmatched"))
            self._observe(scope["method"], route, status, time.perf_counter() - started)

    async def _admit(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
        """Let a request in; gives what hands its body on.

        Raises
        ------
        TooManyRequestsError, UnsupportedMediaTypeError, TooLargeError
            Its address asks too often; its body is compressed, so that nobody knows how large it is, or too large.
        """
        if scope["client"] is not None:
            self._addresses.take(scope["client"][0])
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedMediaTypeError("Send the body without Content-Encoding.")
        length = headers.get(b"content-length")
        upload_most = self._uploads.get((scope["method"], scope["path"]))
        most_bytes = self._max_body_bytes if upload_most is None else upload_most
        if length is not None and int(length) > most_bytes:
            raise _too_large(most_bytes)
        return await self._read(receive) if length is None and upload_most is None else receive

    async def _read(self, receive: Receive) -> Receive:
        """Read a body that comes without its length, up to the limit; give what hands it on."""
        messages: list[Message] = []
        received = 0
        while not messages or messages[-1].get("more_body", False):
            messages.append(await receive())
            received += len(messages[-1].get("body", b""))
            if received > self._max_body_bytes:
                raise _too_large(self._max_body_bytes)
        read = iter(messages)

        async def receive_again() -> Message:
            return next(read, None) or await receive()

        return receive_again


def _too_large(most_bytes: int) -> TooLargeError:
    sentence = f"The body may have at most {most_bytes} bytes."
    return TooLargeError(sentence, errors=[{"field": "body", "detail": sentence}])
