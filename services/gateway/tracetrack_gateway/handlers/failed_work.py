"""Failed work: list, look, replay, discard."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from tracetrack_common.credentials import Principal
from tracetrack_common.failed_work import DISCARD, REPLAY
from tracetrack_gateway.access import Action
from tracetrack_gateway.failed_work import FailedWorkDetail, FailedWorkOut, State
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import DiscardIn, Page
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/failed-work", tags=["operations"])

_Word = Annotated[str | None, Query(max_length=50, pattern="^[a-z_]+$")]


@router.get("", summary="List failed work", responses=documented(401, 403, 422, 503))
async def list_failed_work(
    gateway: TheGateway,
    _: Annotated[Principal, Depends(Caller(Action.READ_FAILED_WORK))],
    state: State = "open",
    queue: _Word = None,
    reason: _Word = None,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[FailedWorkOut]:
    """List what no retry would cure, newest first: what waits for a decision, or what was decided."""
    return await gateway.failed_work.page(state=state, queue=queue, reason=reason, cursor=cursor, limit=limit)


@router.get("/{failed_id}", summary="A piece of failed work", responses=documented(401, 403, 404, 422, 503))
async def get_failed_work(
    failed_id: UUID, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_FAILED_WORK))]
) -> FailedWorkDetail:
    """Give a piece with what is in it; what the scans and commands say is for admins."""
    return await gateway.failed_work.find(failed_id, caller)


@router.post(
    "/{failed_id}/replay",
    summary="Replay failed work",
    response_model=FailedWorkDetail,
    responses={**QUEUED, **documented(401, 403, 404, 409, 422, 503)},
)
async def replay_failed_work(
    failed_id: UUID, wish: Annotated[Wish, Depends(Wishing(Action.RESOLVE_FAILED_WORK))]
) -> FailedWorkDetail | Response:
    """Do a piece once more, now that its cause is gone; what fails again stays open (409). It is done at most once."""
    queue = await wish.gateway.failed_work.replayed_by(failed_id)
    answer = await wish.send(REPLAY, {"failed_id": str(failed_id)}, queue=queue)
    return queued(answer) if answer.outcome is None else await wish.gateway.failed_work.find(failed_id, wish.caller)


@router.post(
    "/{failed_id}/discard",
    summary="Discard failed work",
    response_model=FailedWorkDetail,
    responses={**QUEUED, **documented(400, 401, 403, 404, 409, 413, 422, 503)},
)
async def discard_failed_work(
    failed_id: UUID, discard: DiscardIn, wish: Annotated[Wish, Depends(Wishing(Action.RESOLVE_FAILED_WORK))]
) -> FailedWorkDetail | Response:
    """Decide that a piece shall never be done, with the reason; it stays in the list of what was discarded."""
    answer = await wish.send(DISCARD, {"failed_id": str(failed_id), "reason": discard.reason})
    return queued(answer) if answer.outcome is None else await wish.gateway.failed_work.find(failed_id, wish.caller)
