"""Conditional reads: who has the newest already is told so, and is not sent it again (RFC 9110, 13.1.2)."""

import re
from typing import Annotated, Any

from fastapi import Header, Response

IfNoneMatch = Annotated[
    str | None,
    Header(max_length=1000, description="the `ETag` of what the caller has: 304 without a body while it is the same"),
]

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
