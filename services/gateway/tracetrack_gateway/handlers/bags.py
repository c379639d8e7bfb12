"""Bags and their history."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.bags import BagQuery, BagRow
from tracetrack_gateway.history import BagEvent
from tracetrack_gateway.models import BagOut, Page
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/bags", tags=["bags"], responses=documented(401, 403, 422, 503))


@router.get("", summary="Search bags")
async def list_bags(
    query: Annotated[BagQuery, Query()],
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_BAGS))],
) -> Page[BagRow]:
    """Search bags by code, whole or in part, mistyped too, and by what they are; without a code, newest first."""
    return await gateway.bags.page(query, caller)


@router.get("/{code}", summary="A bag", responses=documented(404))
async def get_bag(
    code: str, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_BAGS))]
) -> BagOut:
    """Give a bag by its code, in any case: a sack with its children, or a child with its sack."""
    return await gateway.reader.bag(code, caller)


@router.get("/{code}/history", summary="A bag's history", responses=documented(404))
async def get_bag_history(
    code: str,
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_BAGS))],
    cursor: Annotated[str | None, Query(max_length=300, pattern=r"^[^\x00]*$")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 200,
) -> Page[BagEvent]:
    """Give all that happened to a bag, oldest first, and the scans that named it and changed nothing."""
    return await gateway.histories.page(code, caller, cursor=cursor, limit=limit)
