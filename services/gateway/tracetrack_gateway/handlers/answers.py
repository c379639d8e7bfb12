"""How a command's answer is shown: its outcome, or 202 with the address that tells how it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Header, Request, Response

from tracetrack_common.contracts import Origin
from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.commands import Answer
from tracetrack_gateway.gateway import Gateway
from tracetrack_gateway.models import CommandOut
from tracetrack_gateway.requests import caller_of, gateway_of, origin_of, wait_of

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="the same key gives the same outcome, once", pattern=r"^[ -~]+$"),
]

QUEUED: dict[int | str, dict[str, Any]] = {
    202: {"model": CommandOut, "description": "Accepted, not done yet: `Location` tells where to look"}
}


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants something done, in which request, and how long they wait for it.

    Parameters
    ----------
    gateway
        Does it.
    caller, origin
        Who asks, in which request.
    wait_s
        How long the outcome is waited for.
    idempotency_key
        As the caller gave it.
    """

    gateway: Gateway
    caller: Principal
    origin: Origin
    wait_s: float
    idempotency_key: str | None

    async def send(self, name: str, arguments: Mapping[str, Any], *, queue: str = "commands") -> Answer:
        """Have a command done.

        Raises
        ------
        TraceTrackError
            As the worker refused it, or because it was not accepted.
        """
        return await self.gateway.commander.send(
            name,
            arguments,
            principal=self.caller,
            origin=self.origin,
            wait_s=self.wait_s,
            queue=queue,
            idempotency_key=self.idempotency_key,
        )


class Wishing:
    """A dependency that gives the wish of a route's caller, when they may do what the route does.

    Parameters
    ----------
    action
        What the route does.
    at_once
        Whether the outcome is waited for although the caller does not say so; long work is not.
    """

    def __init__(self, action: Action, *, at_once: bool = True) -> None:
        self.action = action
        self._at_once = at_once

    async def __call__(self, request: Request, idempotency_key: IdempotencyKey = None) -> Wish:
        """Give the wish."""
        gateway = gateway_of(request)
        return Wish(
            gateway=gateway,
            caller=await caller_of(request, self.action),
            origin=origin_of(request),
            wait_s=wait_of(request, gateway.settings.reply_timeout_s if self._at_once else 0.0),
            idempotency_key=idempotency_key,
        )


def queued(answer: Answer) -> Response:
    """Show that a command was accepted and is not done yet."""
    document = {"command_id": answer.command_id, "status": "queued", "outcome": None}
    location = f"/api/v1/commands/{answer.command_id}"
    return Response(orjson.dumps(document), 202, media_type="application/json", headers={"Location": location})
