"""What every handler needs of a request: its origin, its caller, how long the caller waits, its body."""

import re
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import Depends, Request

from tracetrack_common.contracts import Origin
from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action, require
from tracetrack_gateway.authentication import digest_token
from tracetrack_gateway.gateway import Gateway
from tracetrack_gateway.limits import cost_of
from tracetrack_gateway.queries import refuse_unknown_parameters

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,4})\"?(?:$|[,;\s])", re.IGNORECASE)
WAIT_MOST_S = 30.0
"""Longest a request is held; a longer wait is for the caller to repeat."""


def gateway_of(request: Request) -> Gateway:
    """Give what this process is made of."""
    return cast("Gateway", request.app.state.gateway)


def origin_of(request: Request) -> Origin:
    """Give where and when a request came from."""
    return Origin(
        request_id=request.scope["request_id"],
        address=request.client.host if request.client else None,
        received_at=datetime.now(UTC),
    )


def wait_of(request: Request, default_s: float = 0.0) -> float:
    """Give the seconds the caller waits for an outcome: `Prefer: wait=N` (RFC 7240)."""
    prefer = request.headers.get("prefer")
    found = _WAIT.search(prefer) if prefer else None
    return default_s if found is None else min(float(found[1]), WAIT_MOST_S)


async def caller_of(request: Request, action: Action) -> Principal:
    """Give who calls, when they may do this.

    Raises
    ------
    UnauthorizedError, ForbiddenError, UnavailableError, TooManyRequestsError, InvalidInputError
        As the token and the role demand, how often it came, and what the query says that the route does not take.
    """
    gateway = gateway_of(request)
    principal = await gateway.authenticator.authenticate(request.headers.get("authorization"))
    gateway.callers.take(principal.actor, cost_of(request.headers.get("content-length")))
    require(principal, action)
    refuse_unknown_parameters(request)
    return principal


class Caller:
    """A dependency that gives the caller of a route, when they may do what the route does.

    Parameters
    ----------
    action
        What the route does.
    """

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, request: Request) -> Principal:
        """Give the caller."""
        return await caller_of(request, self.action)


class Stated:
    """A dependency that only states what a route does: one that is open to anybody, or that looks at its caller itself.

    Parameters
    ----------
    action
        What the route does.
    """

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self) -> None:
        """Do nothing; `access` reads the action."""


def content_type_of(request: Request) -> str:
    """Give the body's media type, without parameters."""
    return request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


def token_digest_of(request: Request) -> bytes:
    """Give the SHA-256 of the token that a request came with; whether it holds is for `caller_of` to say."""
    return digest_token(request.headers.get("authorization")) or b""


# Each a coroutine, since FastAPI runs any other dependency on a thread, which costs more than all that they do.
async def _the_token_digest(request: Request) -> bytes:
    return token_digest_of(request)


async def _the_gateway(request: Request) -> Gateway:
    return gateway_of(request)


async def _the_origin(request: Request) -> Origin:
    return origin_of(request)


TheTokenDigest = Annotated[bytes, Depends(_the_token_digest)]
TheGateway = Annotated[Gateway, Depends(_the_gateway)]
TheOrigin = Annotated[Origin, Depends(_the_origin)]
