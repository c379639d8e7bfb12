"""The way in for scans, past the framework's layers.

FastAPI documents the routes for scans and could serve them; its middleware, routing and dependency layers cost more
than accepting a scan does (`docs/decisions/0004-hot-path.md` has the figures). So the requests that come by the
thousand go straight to the same handlers.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tracetrack_common.errors import TraceTrackError
from tracetrack_gateway.problems import render_defect, render_error

Handler = Callable[[Request], Awaitable[Response]]


class HotPath:
    """Serves some requests by itself and hands the rest on.

    Parameters
    ----------
    app
        Serves the rest; requests see it as `request.app`.
    handlers
        By method and path.
    """

    def __init__(self, app: ASGIApp, handlers: Mapping[tuple[str, str], Handler]) -> None:
        self._app = app
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        handler = self._handlers.get((scope.get("method", ""), scope.get("path", "")))
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        scope["route_path"] = scope["path"]
        request = Request(scope, receive)
        try:
            response = await handler(request)
        except TraceTrackError as error:
            response = await render_error(request, error)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - as the framework does: logged, and a problem for the caller
            response = await render_defect(request, error)
        await response(scope, receive, send)
