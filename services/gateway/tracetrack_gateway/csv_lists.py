"""Lists as CSV: whatever route gives a `Page` gives the whole list to who accepts ``text/csv`` (docs/search.md).

It asks the route for page after page, as any client would, so each page is authenticated, limited and bounded in time
like any other request; at no time is more than a page in memory.
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import get_args
from urllib.parse import parse_qsl, urlencode

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracetrack_common.csv_lines import csv_lines
from tracetrack_common.errors import NotAcceptableError
from tracetrack_common.log import get_logger
from tracetrack_gateway.models import Page
from tracetrack_gateway.problems import render_error

log = get_logger(__name__)

JSON = "application/json"
CSV = "text/csv"
MOST_S = 600.0
"""Longest a list is written for."""
_PAGE_ROWS = "200"
_FILENAME = re.compile(r"[^A-Za-z0-9_.-]")
_OK = 200


class CsvLists:
    """Gives lists as CSV, and refuses for lists what is neither that nor JSON.

    Parameters
    ----------
    app
        Gives them as JSON, a page at a time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or (wanted := preferred_type(scope)) == JSON:
            await self._app(scope, receive, send)
            return
        # Who accepts neither is told so by a list only, and only if there is nothing else to say.
        first = await self._ask(scope, receive, {"limit": _PAGE_ROWS} if wanted else {}, otherwise=send)
        scope["route"] = first.scope.get("route")
        if first.row_model is None:
            return
        if wanted is None:
            refusal = await render_error(Request(scope), NotAcceptableError(f"This list comes as {JSON} or {CSV}."))
            await refusal(scope, receive, send)
            return
        gone = asyncio.create_task(_wait_until_gone(receive))
        try:
            await self._write(scope, first, send, gone)
        finally:
            gone.cancel()

    async def _write(self, scope: Scope, first: "_Answer", send: Send, gone: "asyncio.Task[None]") -> None:
        """Write a page, ask for the next, until there is none, the caller is gone, or it has taken too long."""
        ends = time.monotonic() + MOST_S
        columns = list(first.row_model.model_fields) if first.row_model else []
        name = scope["path"].rstrip("/").rsplit("/", 1)[-1]
        headers = [
            (b"content-type", f"{CSV}; charset=utf-8; header=present".encode()),
            (b"content-disposition", f'attachment; filename="{_FILENAME.sub("_", name)}.csv"'.encode()),
        ]
        await send({"type": "http.response.start", "status": _OK, "headers": headers})
        written, page = csv_lines([columns]), first
        while page.status == _OK and not gone.done() and time.monotonic() < ends:
            document = orjson.loads(page.body)
            written += csv_lines([row.get(column) for column in columns] for row in document["items"])
            cursor = document["next_cursor"]
            await send({"type": "http.response.body", "body": written, "more_body": cursor is not None})
            if cursor is None:
                return
            written, page = b"", await self._ask(scope, _nothing_more, {"limit": _PAGE_ROWS, "cursor": cursor})
        # The response has no end then, so whoever reads it hears that the list is not whole.
        log.warning("csv_list_broken_off", path=scope["path"], status=page.status, caller_gone=gone.done())

    async def _ask(
        self, scope: Scope, receive: Receive, changes: Mapping[str, str], otherwise: Send | None = None
    ) -> "_Answer":
        """Ask the route for a page, and hand on what is not one."""
        given = [
            (name, value) for name, value in parse_qsl(_text_of(scope), keep_blank_values=True) if name not in changes
        ]
        answer = _Answer({**scope, "query_string": urlencode([*given, *changes.items()]).encode()}, otherwise)
        await self._app(answer.scope, receive, answer.take)
        return answer


class _Answer:
    """What a route says: a page, which is kept, or anything else, which is handed on.

    Parameters
    ----------
    scope
        Of the request; it names the route once there is one.
    otherwise
        Where anything else goes.
    """

    def __init__(self, scope: Scope, otherwise: Send | None) -> None:
        self.scope = scope
        self.status = 0
        self.body = b""
        self.row_model: type[BaseModel] | None = None
        self._otherwise = otherwise

    async def take(self, message: Message) -> None:
        """Take what the route sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.row_model = _row_model_of(self.scope) if self.status == _OK else None
        if self.row_model is None:
            if self._otherwise is not None:
                await self._otherwise(message)
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def preferred_type(scope: Scope) -> str | None:
    """Give which of JSON and CSV a request rather accepts (RFC 9110, 12.5.1), JSON when it is all the same.

    Returns
    -------
    str or None
        None when it accepts neither.
    """
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1").lower()
    if accept in {"", "*/*", JSON}:
        return JSON
    ranges = [_range_of(each) for each in accept.split(",") if each.strip()]
    json, text = (_quality(ranges, media_type) for media_type in (JSON, CSV))
    if not json and not text:
        return None
    return CSV if text > json else JSON


def _range_of(text: str) -> tuple[str, float]:
    """Give a media range with its quality."""
    media_range, *parameters = (part.strip() for part in text.split(";"))
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return media_range, float(quality)
    except ValueError:
        return media_range, 0.0


def _quality(ranges: Sequence[tuple[str, float]], media_type: str) -> float:
    """Give the quality of a media type: that of the range that fits it most closely."""
    for fitting in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == fitting:
                return quality
    return 0.0


def _row_model_of(scope: Scope) -> type[BaseModel] | None:
    """Give the model of the rows of a route's list, None where the route gives none."""
    model = getattr(scope.get("route"), "response_model", None)
    if not isinstance(model, type) or not issubclass(model, Page):
        return None
    (row_model,) = get_args(model.model_fields["items"].annotation)
    return row_model if issubclass(row_model, BaseModel) else None


def _text_of(scope: Scope) -> str:
    return bytes(scope["query_string"]).decode("latin-1")


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
