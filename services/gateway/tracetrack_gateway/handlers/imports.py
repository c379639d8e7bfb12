"""Imports: tables that are uploaded and applied in the background."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.handlers.answers import Wish, Wishing, queued
from tracetrack_gateway.handlers.eod import MEDIA_TYPES
from tracetrack_gateway.handlers.jobs import ORDERED, handed_out, ordered
from tracetrack_gateway.imports import ImportQuery
from tracetrack_gateway.jobs import JobOut
from tracetrack_gateway.models import Page
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway
from tracetrack_gateway.serving import mark_upload

PATH = "/api/v1/imports"
QUEUE = "imports"

_XLSX = MEDIA_TYPES["xlsx"]

router = APIRouter(prefix=PATH, tags=["imports"])

Making = Annotated[Wish, Depends(Wishing(Action.MAKE_IMPORTS))]
Reading = Annotated[Principal, Depends(Caller(Action.MAKE_IMPORTS))]

_TABLE = {
    "requestBody": {
        "required": True,
        "description": "the file itself; what it is, its content tells",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": "qr_id,type,parent_qr_id\r\nSB12345,parent,\r\n"},
            _XLSX: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "",
    status_code=202,
    summary="Import a table",
    response_model=None,
    openapi_extra=_TABLE,
    responses={**ORDERED, **documented(400, 401, 403, 413, 415, 422, 503)},
)
async def import_table(request: Request, wanted: Annotated[ImportQuery, Query()], wish: Making) -> Response:
    """Upload a table of bags, bills or batches and have it applied in the background, or only tried (`dry_run`)."""
    mark_upload(request)
    upload = await wish.gateway.uploads.take_table(request.stream())
    answer = await wish.send("import.create", wanted.arguments(upload))
    return queued(answer) if answer.outcome is None else ordered(answer, PATH)


@router.get("", summary="List imports", responses=documented(401, 403, 422, 503))
async def list_imports(
    gateway: TheGateway,
    caller: Reading,
    cursor: Annotated[str | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[JobOut]:
    """List the caller's imports, newest first; an admin sees everybody's."""
    return await gateway.jobs.page(QUEUE, caller, cursor=cursor, limit=limit)


@router.get("/{job_id}", summary="How far an import is", responses=documented(401, 403, 404, 422, 503))
async def get_import(job_id: UUID, gateway: TheGateway, caller: Reading) -> JobOut:
    """Give an import's state: rows, errors, rows a second, seconds left, and the result workbook."""
    return await gateway.jobs.find(job_id, QUEUE, caller)


@router.get(
    "/{job_id}/file",
    summary="Download the result of an import",
    response_class=FileResponse,
    responses={
        200: {"content": {_XLSX: {}}, "description": "The result workbook"},
        **documented(401, 403, 404, 409, 410, 422, 503),
    },
)
async def get_import_file(job_id: UUID, gateway: TheGateway, caller: Reading) -> FileResponse:
    """Give the workbook that says of every row what became of it; 409 until the import has ended."""
    return handed_out(await gateway.jobs.file(job_id, QUEUE, caller))


@router.post(
    "/{job_id}/cancel",
    status_code=202,
    summary="Stop an import",
    response_model=None,
    responses={**ORDERED, **documented(401, 403, 404, 409, 422, 503)},
)
async def cancel_import(job_id: UUID, wish: Making) -> Response:
    """Ask an import to stop, within a second or two; what was applied stays applied."""
    arguments: dict[str, Any] = {"job_id": str(job_id), "any_owner": wish.caller.role == "admin"}
    answer = await wish.send("import.cancel", arguments)
    return queued(answer) if answer.outcome is None else ordered(answer, PATH, job_id)
