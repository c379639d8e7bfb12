"""Bills."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from tracetrack_common.credentials import Principal
from tracetrack_common.domain.codes import normalise
from tracetrack_gateway.access import Action
from tracetrack_gateway.bills import (
    BillDeleted,
    BillEditIn,
    BillNarrowing,
    BillSack,
    tag_of,
    versions_of,
)
from tracetrack_gateway.commands import Answer
from tracetrack_gateway.conditional import EDITED, IfMatch
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import AttachIn, BillIn, BillOut, CompleteIn, Page, ScanDone
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/bills", tags=["bills"])

_CHANGE = {**QUEUED, **documented(400, 401, 403, 404, 409, 413, 422, 503)}
_GUARDED = {200: EDITED, **_CHANGE, **documented(412)}

Changing = Annotated[Wish, Depends(Wishing(Action.CHANGE_BILLS))]
Reading = Annotated[Principal, Depends(Caller(Action.READ_BILLS))]


@router.post("", status_code=201, summary="Create a bill", response_model=BillOut, responses={201: EDITED, **_CHANGE})
async def create_bill(bill: BillIn, wish: Changing, response: Response) -> BillOut | Response:
    """Create a bill; without a number, the system gives `BILL-YYYY-NNNNNN`."""
    arguments = bill.model_dump() | {"bill_no": bill.bill_no and bill.bill_no.upper()}
    return await _show(wish, await wish.send("bill.create", arguments), response)


@router.get("", summary="List bills", responses=documented(401, 403, 422, 503))
async def list_bills(
    gateway: TheGateway, caller: Reading, narrowing: Annotated[BillNarrowing, Query()]
) -> Page[BillOut]:
    """List bills, newest first: by state, area, day, creator, and by what is written on them."""
    return await gateway.bills.page(caller, narrowing)


@router.get("/{bill_no:path}/bags", summary="The sacks on a bill", responses=documented(401, 403, 404, 422, 503))
async def list_bags(
    bill_no: str,
    gateway: TheGateway,
    caller: Reading,
    cursor: Annotated[str | None, Query(max_length=50, pattern=r"^[^\x00]*$")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Page[BillSack]:
    """List the sacks that are on a bill, by code."""
    return await gateway.bills.sacks(bill_no, caller, cursor=cursor, limit=limit)


@router.post(
    "/{bill_no:path}/bags",
    summary="Put a sack on a bill",
    response_model=ScanDone,
    response_model_exclude_unset=True,
    responses=_CHANGE,
)
async def attach_bag(bill_no: str, attach: AttachIn, wish: Changing) -> ScanDone | Response:
    """Put a sack on a bill by hand; the outcome is that of a bill scan."""
    answer = await wish.send("bill.attach", {"bill_no": normalise(bill_no), "code": normalise(attach.code)})
    return queued(answer) if answer.outcome is None else ScanDone(**answer.outcome)


@router.delete(
    "/{bill_no:path}/bags/{code}",
    summary="Take a sack off a bill",
    response_model=BillOut,
    responses={200: EDITED, **_CHANGE},
)
async def detach_bag(bill_no: str, code: str, wish: Changing, response: Response) -> BillOut | Response:
    """Take a sack off a bill by hand; its children stay in it, and it can go on a bill again."""
    arguments = {"bill_no": normalise(bill_no), "code": normalise(code)}
    return await _show(wish, await wish.send("bill.detach", arguments), response)


@router.post("/{bill_no:path}/complete", summary="Complete a bill", response_model=BillOut, responses=_GUARDED)
async def complete_bill(
    bill_no: str, wish: Changing, response: Response, complete: CompleteIn | None = None, if_match: IfMatch = None
) -> BillOut | Response:
    """Complete a bill: when it is full, or short with a reason. Nothing on it changes until it is reopened."""
    arguments = {**_named(bill_no, if_match), "reason": complete and complete.reason}
    return await _show(wish, await wish.send("bill.complete", arguments), response)


@router.post("/{bill_no:path}/reopen", summary="Reopen a bill", response_model=BillOut, responses=_GUARDED)
async def reopen_bill(bill_no: str, wish: Changing, response: Response, if_match: IfMatch = None) -> BillOut | Response:
    """Reopen a completed bill."""
    return await _show(wish, await wish.send("bill.reopen", _named(bill_no, if_match)), response)


@router.get("/{bill_no:path}", summary="A bill", responses={200: EDITED, **documented(401, 403, 404, 503)})
async def get_bill(bill_no: str, gateway: TheGateway, caller: Reading, response: Response) -> BillOut:
    """Give a bill with its totals, which are exact at all times."""
    bill = await gateway.bills.find(bill_no, caller)
    response.headers["ETag"] = tag_of(bill)
    return bill


@router.patch("/{bill_no:path}", summary="Edit a bill", response_model=BillOut, responses=_GUARDED)
async def edit_bill(
    bill_no: str, edit: BillEditIn, wish: Changing, response: Response, if_match: IfMatch = None
) -> BillOut | Response:
    """Change a bill's destination, vehicle, description or capacity, until it is completed."""
    arguments = {**_named(bill_no, if_match), "changes": edit.changes}
    return await _show(wish, await wish.send("bill.edit", arguments), response)


@router.delete(
    "/{bill_no:path}",
    summary="Delete a bill",
    response_model=BillDeleted,
    responses={**_CHANGE, **documented(412)},
)
async def delete_bill(
    bill_no: str, wish: Annotated[Wish, Depends(Wishing(Action.DELETE_BILLS))], if_match: IfMatch = None
) -> BillDeleted | Response:
    """Delete a bill that is not completed, and free its sacks. Its number is not given again."""
    answer = await wish.send("bill.delete", _named(bill_no, if_match))
    return queued(answer) if answer.outcome is None else BillDeleted(**answer.outcome)


def _named(bill_no: str, if_match: str | None) -> dict[str, Any]:
    """Give what names a bill, and its versions where the caller cares."""
    versions = versions_of(if_match)
    return {"bill_no": normalise(bill_no)} | ({} if versions is None else {"versions": versions})


async def _show(wish: Wish, answer: Answer, response: Response) -> BillOut | Response:
    """Show the bill a command was about, as it is after it."""
    if answer.outcome is None:
        return queued(answer)
    bill = await wish.gateway.bills.find(answer.outcome["bill_no"], wish.caller)
    response.headers["ETag"] = tag_of(bill)
    return bill
