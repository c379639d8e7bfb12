"""How the gateway is served: uvicorn, and a protocol that waits for nobody for ever (docs/security.md, Limits)."""

from asyncio import Transport
from asyncio.events import TimerHandle
from collections import Counter
from typing import Any, ClassVar

import uvicorn
from fastapi import Request
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tracetrack_common.log import get_logger
from tracetrack_common.settings import Settings

log = get_logger(__name__)

HEAD_MOST_BYTES = 64 * 1024
_BACKLOG = 2_048
_KEEP_ALIVE_S = 75
_GRACEFUL_SHUTDOWN_S = 20
_ENDLESS = "endless"
_UPLOAD = "upload"


def serve_config(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    """Say how an application is served."""
    return uvicorn.Config(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="uvloop",
        http=protocol_of(settings),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S,
    )


def mark_endless(request: Request) -> None:
    """Say that an answer has no end of its own, so that stopping the gateway does not wait for it."""
    setattr(request.state, _ENDLESS, True)


def mark_upload(request: Request) -> None:
    """Say that a body may take its time, since the route itself sets an end to it."""
    setattr(request.state, _UPLOAD, True)


def protocol_of(settings: Settings) -> type[HttpToolsProtocol]:
    """Make the protocol with the limits that the settings give; behind proxies all have the proxies' address."""

    class Limited(PatientProtocol):
        head_s = settings.request_head_timeout_s
        request_s = settings.request_timeout_s
        most = settings.connections_most
        most_per_address = settings.address_connections_most if settings.trusted_proxies is None else most
        addresses: ClassVar[Counter[str]] = Counter()

    return Limited


class PatientProtocol(HttpToolsProtocol):
    """HTTP with an end to every wait for the other side: for a request, its head, its body, for reading the answer.

    A request that came whole costs nothing here. uvicorn itself waits without an end for all of them.
    """

    head_s: ClassVar[float]
    request_s: ClassVar[float]
    most: ClassVar[int]
    most_per_address: ClassVar[int]
    addresses: ClassVar[Counter[str]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._address: str | None = None
        self._awaited: str | None = None
        self._head_bytes = 0
        self._reading: tuple[str, TimerHandle] | None = None
        self._writing: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take a connection, if there is room for one more."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.addresses[self._address] += 1
        if len(self.connections) > self.most or self.addresses[self._address] > self.most_per_address:
            log.warning("connection_refused", address=self._address, connections=len(self.connections))
            transport.abort()
        else:
            self._wait("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._wait(None)
        self.resume_writing()
        if self._address is not None:
            self.addresses[self._address] -= 1
            if not self.addresses[self._address]:
                del self.addresses[self._address]
            self._address = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take data, and begin to wait for what is missing."""
        super().data_received(data)
        if self._awaited == "head":
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MOST_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
                return
        # Between requests uvicorn's own timer runs, but it does not survive an empty line.
        cycle: RequestResponseCycle | None = self.cycle
        is_idle = cycle is None or cycle.response_complete
        self._wait(self._awaited or ("head" if is_idle and self.timeout_keep_alive_task is None else None))

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        super().on_message_begin()
        self._awaited, self._head_bytes = "head", 0

    def on_headers_complete(self) -> None:
        """Note that its head is there."""
        self._awaited = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that it is there."""
        self._awaited = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Leave the wait for the next request to uvicorn."""
        if self._awaited is None:
            self._wait(None)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait until an answer is read."""
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(self.request_s, self._give_up, "reading")

    def resume_writing(self) -> None:
        """Go on, it is being read."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    def shutdown(self) -> None:
        """End what would go on for ever; anything else is finished first."""
        super().shutdown()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.scope["state"].get(_ENDLESS):
            self.transport.close()

    def _wait(self, for_: str | None) -> None:
        """Wait for a part of a request, from when it was first missed."""
        if self._reading is not None:
            if self._reading[0] == for_:
                return
            self._reading[1].cancel()
            self._reading = None
        if for_ is not None and not self.transport.is_closing():
            seconds = self.head_s if for_ == "head" else self.request_s
            self._reading = (for_, self.loop.call_later(seconds, self._give_up, for_))

    def _give_up(self, awaited: str) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if awaited == "body" and cycle is not None and cycle.scope["state"].get(_UPLOAD):
            self._reading = None
            self._wait(awaited)
            return
        log.info("connection_given_up", address=self._address, awaited=awaited)
        self.transport.abort()
