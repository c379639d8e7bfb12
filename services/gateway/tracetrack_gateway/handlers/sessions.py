"""Sessions: log in, look at one's own, log out."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import SessionIn, SessionOut
from tracetrack_gateway.people import OwnSession
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, Stated, TheGateway, TheOrigin, TheTokenDigest

router = APIRouter(prefix="/api/v1/sessions", tags=["people"])

_PersonsWish = Annotated[Wish, Depends(Wishing(Action.KEEP_OWN_ACCOUNT))]


@router.post(
    "",
    status_code=201,
    summary="Log in",
    dependencies=[Depends(Stated(Action.LOG_IN))],
    responses=documented(400, 401, 413, 422, 503),
)
async def create_session(session: SessionIn, gateway: TheGateway, origin: TheOrigin) -> SessionOut:
    """Log in; the token is shown this once and ends after 30 minutes without use, or 12 hours."""
    return await gateway.login.log_in(session, origin)


@router.get("", summary="One's own sessions", responses=documented(401, 403, 503))
async def list_sessions(
    gateway: TheGateway,
    token_sha256: TheTokenDigest,
    caller: Annotated[Principal, Depends(Caller(Action.KEEP_OWN_ACCOUNT))],
) -> list[OwnSession]:
    """List the caller's sessions that have not ended, newest first."""
    return await gateway.people.sessions(caller.id, token_sha256)


@router.delete(
    "/current",
    status_code=204,
    summary="Log out",
    response_model=None,
    responses={**QUEUED, **documented(401, 403, 503)},
)
async def end_current_session(token_sha256: TheTokenDigest, wish: _PersonsWish) -> Response:
    """End the session that this request came with."""
    answer = await wish.send("session.end", {"token_sha256": token_sha256.hex()})
    return queued(answer) if answer.outcome is None else Response(status_code=204)


@router.delete(
    "/{session_id}",
    status_code=204,
    summary="End one's own session",
    response_model=None,
    responses={**QUEUED, **documented(401, 403, 404, 422, 503)},
)
async def end_session(session_id: UUID, wish: _PersonsWish) -> Response:
    """End one of the caller's sessions, wherever it was started."""
    answer = await wish.send("session.end", {"session_id": str(session_id)})
    return queued(answer) if answer.outcome is None else Response(status_code=204)
