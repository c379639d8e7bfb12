"""Bills."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from tracetrack_common.credentials import Principal
from tracetrack_common.domain.codes import normalise
from tracetrack_gateway.access import Action
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import AREA_PATTERN, AttachIn, BillIn, BillOut, CompleteIn, Page, ScanDone
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/bills", tags=["bills"])

_CHANGE = {**QUEUED, **documented(400, 401, 403, 404, 409, 413, 422, 503)}


@router.post("", status_code=201, summary="Create a bill", response_model=BillOut, responses=_CHANGE)
async def create_bill(
    bill: BillIn,
    wish: Annotated[Wish, Depends(Wishing(Action.CHANGE_BILLS))],
) -> BillOut | Response:
    """Create a bill; without a number, the system gives `BILL-YYYY-NNNNNN`."""
    arguments = bill.model_dump() | {"bill_no": bill.bill_no and bill.bill_no.upper()}
    answer = await wish.send("bill.create", arguments)
    if answer.outcome is None:
        return queued(answer)
    return await wish.gateway.reader.bill(answer.outcome["bill_no"], wish.caller)


@router.get("", summary="List bills", responses=documented(401, 403, 422, 503))
async def list_bills(
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_BILLS))],
    status: Literal["new", "processing", "completed"] | None = None,
    area: Annotated[str | None, Query(max_length=50, pattern=AREA_PATTERN)] = None,
    cursor: Annotated[str | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[BillOut]:
    """List bills, newest first."""
    return await gateway.reader.bills(caller, status=status, area=area, cursor=cursor, limit=limit)


@router.post(
    "/{bill_no:path}/bags",
    summary="Put a sack on a bill",
    response_model=ScanDone,
    response_model_exclude_unset=True,
    responses=_CHANGE,
)
async def attach_bag(
    bill_no: str,
    attach: AttachIn,
    wish: Annotated[Wish, Depends(Wishing(Action.CHANGE_BILLS))],
) -> ScanDone | Response:
    """Put a sack on a bill by hand; the outcome is that of a bill scan."""
    answer = await wish.send("bill.attach", {"bill_no": normalise(bill_no), "code": normalise(attach.code)})
    return queued(answer) if answer.outcome is None else ScanDone(**answer.outcome)


@router.post("/{bill_no:path}/complete", summary="Complete a bill", response_model=BillOut, responses=_CHANGE)
async def complete_bill(
    bill_no: str,
    wish: Annotated[Wish, Depends(Wishing(Action.CHANGE_BILLS))],
    complete: CompleteIn | None = None,
) -> BillOut | Response:
    """Complete a bill: when it is full, or short with a reason."""
    answer = await wish.send("bill.complete", {"bill_no": normalise(bill_no), "reason": complete and complete.reason})
    if answer.outcome is None:
        return queued(answer)
    return await wish.gateway.reader.bill(answer.outcome["bill_no"], wish.caller)


@router.get("/{bill_no:path}", summary="A bill", responses=documented(401, 403, 404, 503))
async def get_bill(
    bill_no: str, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_BILLS))]
) -> BillOut:
    """Give a bill with its totals, which are exact at all times."""
    return await gateway.reader.bill(bill_no, caller)
