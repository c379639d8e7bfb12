"""Bags and their history."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.models import BagEvent, BagOut
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/bags", tags=["bags"], responses=documented(401, 403, 404, 422, 503))


@router.get("/{code}", summary="A bag")
async def get_bag(
    code: str, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_BAGS))]
) -> BagOut:
    """Give a bag by its code, in any case: a sack with its children, or a child with its sack."""
    return await gateway.reader.bag(code, caller)


@router.get("/{code}/history", summary="A bag's history")
async def get_bag_history(
    code: str, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_BAGS))]
) -> list[BagEvent]:
    """Give all that happened to a bag, oldest first, by corrected time."""
    return await gateway.reader.bag_history(code, caller)
