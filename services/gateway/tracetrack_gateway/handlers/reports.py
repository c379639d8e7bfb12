"""Reports and exports, made in the background."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import FileResponse

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.handlers.answers import Wish, Wishing
from tracetrack_gateway.handlers.jobs import ORDERED, handed_out, ordered
from tracetrack_gateway.jobs import JobOut
from tracetrack_gateway.models import Page
from tracetrack_gateway.problems import documented
from tracetrack_gateway.report_orders import ReportIn
from tracetrack_gateway.requests import Caller, TheGateway

PLACE = "/api/v1/reports"
QUEUE = "reports"

router = APIRouter(prefix=PLACE, tags=["reports"])

Making = Annotated[Wish, Depends(Wishing(Action.MAKE_REPORTS))]
Reading = Annotated[Principal, Depends(Caller(Action.MAKE_REPORTS))]

_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "The file, of the type its name says"}
}


@router.post(
    "",
    status_code=202,
    summary="Make a report or an export",
    response_model=None,
    responses={**ORDERED, **documented(400, 401, 403, 404, 413, 422, 503)},
)
async def make_report(report: ReportIn, wish: Making) -> Response:
    """Have a report made in the background; `Location` tells how far it is, and where its file is then."""
    answer = await wish.send("report.create", report.arguments(wish.caller), queue=QUEUE)
    return ordered(answer, PLACE)


@router.get("", summary="List reports", responses=documented(401, 403, 422, 503))
async def list_reports(
    gateway: TheGateway,
    caller: Reading,
    cursor: Annotated[str | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[JobOut]:
    """List the caller's reports and those sent to them, newest first; an admin sees everybody's."""
    return await gateway.jobs.page(QUEUE, caller, cursor=cursor, limit=limit)


@router.get("/{job_id}", summary="How far a report is", responses=documented(401, 403, 404, 422, 503))
async def get_report(job_id: UUID, gateway: TheGateway, caller: Reading) -> JobOut:
    """Give a report's state, its progress, and the file it made."""
    return await gateway.jobs.find(job_id, QUEUE, caller)


@router.get(
    "/{job_id}/file",
    summary="Download a report",
    response_class=FileResponse,
    responses={**_FILE, **documented(401, 403, 404, 409, 410, 422, 503)},
)
async def get_report_file(job_id: UUID, gateway: TheGateway, caller: Reading) -> FileResponse:
    """Give the file; 409 while it is being made, 410 when it is not kept any more."""
    return handed_out(await gateway.jobs.file(job_id, QUEUE, caller))


@router.post(
    "/{job_id}/cancel",
    status_code=202,
    summary="Stop a report",
    response_model=None,
    responses={**ORDERED, **documented(401, 403, 404, 409, 422, 503)},
)
async def cancel_report(job_id: UUID, wish: Making) -> Response:
    """Ask a report to stop: at once when it has not begun, else within a second or two."""
    arguments = {"job_id": str(job_id), "any_owner": wish.caller.role == "admin"}
    return ordered(await wish.send("report.cancel", arguments, queue=QUEUE), PLACE, job_id)
