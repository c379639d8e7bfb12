"""Conditional requests (RFC 9110, 13.1).

Who has the newest is not sent it again, and who edits what was changed since they read it is told.
"""

import re
from typing import Annotated, Any

from fastapi import Header, Response

IfNoneMatch = Annotated[
    str | None,
    Header(max_length=1000, description="the `ETag` of what the caller has: 304 without a body while it is the same"),
]

IfMatch = Annotated[
    str | None,
    Header(max_length=500, description="the `ETag` it was read with: 412 when it was changed since"),
]

EDITED: dict[str, Any] = {
    "headers": {"ETag": {"description": "for `If-Match` of an edit", "schema": {"type": "string"}}},
}
"""What a route that shows what is edited documents of its 200."""

TAGGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "for `If-None-Match`", "schema": {"type": "string"}}}},
    304: {"description": "The caller has it: its `ETag` was in `If-None-Match`"},
}
"""What a route that reads conditionally documents."""

_NOT_MODIFIED = 304
_TAG = re.compile(r'"[^"]*"')


def unless_held(response: Response, if_none_match: str | None) -> Response:
    """Give a response, or 304 where the caller names its `ETag`, weakly or not, or `*`."""
    tag = response.headers["ETag"]
    if if_none_match is None or (if_none_match.strip() != "*" and tag not in _TAG.findall(if_none_match)):
        return response
    return Response(status_code=_NOT_MODIFIED, headers={"ETag": tag})


def condition_of(if_match: str | None) -> dict[str, list[str]]:
    """Give what a command is told of an `If-Match`: the tags it names, or nothing where any will do."""
    return {} if if_match is None or if_match.strip() == "*" else {"if_match": _TAG.findall(if_match)}
