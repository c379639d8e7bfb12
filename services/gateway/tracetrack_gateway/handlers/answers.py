"""How a command's answer is shown: its outcome, or 202 with the address that tells how it goes on."""

from typing import Annotated, Any

import orjson
from fastapi import Header, Response

from tracetrack_gateway.commands import Answer
from tracetrack_gateway.models import CommandOut

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="the same key gives the same outcome, once", pattern=r"^[ -~]+$"),
]

QUEUED: dict[int | str, dict[str, Any]] = {
    202: {"model": CommandOut, "description": "Accepted, not done yet: `Location` tells where to look"}
}


def queued(answer: Answer) -> Response:
    """Show that a command was accepted and is not done yet."""
    document = {"command_id": answer.command_id, "status": "queued", "outcome": None}
    location = f"/api/v1/commands/{answer.command_id}"
    return Response(orjson.dumps(document), 202, media_type="application/json", headers={"Location": location})
