"""Returns."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from tracetrack_common.credentials import Principal
from tracetrack_common.domain.codes import normalise
from tracetrack_gateway.access import Action
from tracetrack_gateway.goods_returns import ReturnCancelled, ReturnListed, ReturnNarrowing
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import Page, ReturnIn, ReturnOut
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/returns", tags=["returns"])

_CLOSE = {**QUEUED, **documented(401, 403, 404, 409, 422, 503)}

Changing = Annotated[Wish, Depends(Wishing(Action.CHANGE_RETURNS))]


@router.post(
    "",
    status_code=201,
    summary="Open a return",
    response_model=ReturnOut,
    responses={**QUEUED, **documented(400, 401, 403, 413, 422, 503)},
)
async def create_return(
    goods_return: ReturnIn,
    wish: Changing,
) -> ReturnOut | Response:
    """Open a return, numbered `RTN-YYYYMMDD-NNNN`, onto which sacks that come back are scanned."""
    answer = await wish.send("return.create", goods_return.model_dump())
    if answer.outcome is None:
        return queued(answer)
    return await wish.gateway.goods_returns.find(answer.outcome["return_no"], wish.caller)


@router.get("", summary="List returns", responses=documented(401, 403, 422, 503))
async def list_returns(
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_RETURNS))],
    narrowing: Annotated[ReturnNarrowing, Query()],
) -> Page[ReturnListed]:
    """List returns, newest first: by state, area, day, creator, and by what is written on them."""
    return await gateway.goods_returns.page(caller, narrowing)


@router.post("/{return_no}/commit", summary="Commit a return", response_model=ReturnOut, responses=_CLOSE)
async def commit_return(return_no: str, wish: Changing) -> ReturnOut | Response:
    """Commit a return that is not empty: what came back stays back, and it takes no more."""
    answer = await wish.send("return.commit", {"return_no": normalise(return_no)})
    if answer.outcome is None:
        return queued(answer)
    return await wish.gateway.goods_returns.find(answer.outcome["return_no"], wish.caller)


@router.post("/{return_no}/cancel", summary="Cancel a return", response_model=ReturnCancelled, responses=_CLOSE)
async def cancel_return(return_no: str, wish: Changing) -> ReturnCancelled | Response:
    """Cancel a return: its sacks go back to the bills they left, and it says which could not."""
    answer = await wish.send("return.cancel", {"return_no": normalise(return_no)})
    return queued(answer) if answer.outcome is None else ReturnCancelled(**answer.outcome)


@router.get("/{return_no}", summary="A return", responses=documented(401, 403, 404, 503))
async def get_return(
    return_no: str, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_RETURNS))]
) -> ReturnOut:
    """Give a return with the sacks that came back on it."""
    return await gateway.goods_returns.find(return_no, caller)
