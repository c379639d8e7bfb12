"""What happens on the floor, as it happens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.feeds import Feed, LiveFeeds
from tracetrack_gateway.models import AREA_PATTERN, OUTCOME_EXAMPLE
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway
from tracetrack_gateway.serving import mark_endless

router = APIRouter(prefix="/api/v1/events", tags=["scans"])

EVENT_STREAM = "text/event-stream"
_EXAMPLE = f"event: open\ndata: {{}}\n\nevent: scan\nid: {OUTCOME_EXAMPLE['scan_id']}\ndata: {{…}}\n\n"


class _FeedResponse(StreamingResponse):
    """A feed on its way; it is closed however it ends."""

    def __init__(self, feeds: LiveFeeds, opened: Feed, authorization: str | None) -> None:
        super().__init__(feeds.events(opened, authorization), media_type=EVENT_STREAM)
        self._feeds = feeds
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feeds.close(self._opened)


@router.get(
    "",
    summary="Watch scans as they are applied",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events, without an end",
            "content": {EVENT_STREAM: {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        **documented(401, 403, 422, 503),
    },
)
async def watch_events(
    request: Request,
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.WATCH_EVENTS))],
    area: Annotated[str | None, Query(max_length=50, pattern=AREA_PATTERN, description="only this area's")] = None,
) -> StreamingResponse:
    """Watch what scans come to, of the caller's area or all: `event: scan`, its `data` the outcome with kind and area.

    It begins with `event: open`, says that it is still there every 15 seconds, and ends when the caller may not watch
    any more or reads too slowly. What was missed is in the list of scans. Watching does not keep a session from
    becoming idle.
    """
    opened = await gateway.feeds.open(caller, area)
    mark_endless(request)
    return _FeedResponse(gateway.feeds, opened, request.headers.get("authorization"))
