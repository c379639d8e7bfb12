"""Returns."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import ReturnIn, ReturnOut
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/returns", tags=["returns"])


@router.post(
    "",
    status_code=201,
    summary="Open a return",
    response_model=ReturnOut,
    responses={**QUEUED, **documented(400, 401, 403, 413, 422, 503)},
)
async def create_return(
    goods_return: ReturnIn,
    wish: Annotated[Wish, Depends(Wishing(Action.CHANGE_RETURNS))],
) -> ReturnOut | Response:
    """Open a return, numbered `RTN-YYYYMMDD-NNNN`, onto which sacks that come back are scanned."""
    answer = await wish.send("return.create", goods_return.model_dump())
    if answer.outcome is None:
        return queued(answer)
    return await wish.gateway.reader.goods_return(answer.outcome["return_no"], wish.caller)


@router.get("/{return_no}", summary="A return", responses=documented(401, 403, 404, 503))
async def get_return(
    return_no: str, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_RETURNS))]
) -> ReturnOut:
    """Give a return with the sacks that came back on it."""
    return await gateway.reader.goods_return(return_no, caller)
