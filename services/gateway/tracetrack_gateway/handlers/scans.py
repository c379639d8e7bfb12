"""Scans in, and what became of them."""

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from tracetrack_common.credentials import Principal
from tracetrack_common.errors import UnsupportedMediaTypeError
from tracetrack_gateway.access import Action
from tracetrack_gateway.models import (
    SCAN_EXAMPLE,
    BatchAccepted,
    Page,
    RightBatchIn,
    ScanDone,
    ScanQueued,
    SingleScanIn,
)
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import (
    Caller,
    Stated,
    TheGateway,
    caller_of,
    content_type_of,
    gateway_of,
    origin_of,
    wait_of,
)
from tracetrack_gateway.scan_search import ScanQuery, ScanRow

router = APIRouter(prefix="/api/v1/scans", tags=["scans"])

JSON = "application/json"
NDJSON = "application/x-ndjson"

_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`wait=N`: hold on for the outcome, at most N seconds (RFC 7240)",
    "example": "wait=5",
}
_SENT_AT = {
    "name": "Sent-At",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "format": "date-time"},
    "description": "the device's clock when it sent the batch, where the body has no `sent_at`",
}
_BATCH_EXAMPLE = {"sent_at": "2026-11-23T10:15:02+05:30", "scans": [SCAN_EXAMPLE]}


def _body(model: type[Any], **content: Any) -> dict[str, Any]:
    """Document a body that the route reads by itself."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"required": True, "content": {JSON: {"schema": schema, **content.pop("json")}, **content}}


@router.post(
    "",
    status_code=202,
    summary="Submit a scan",
    dependencies=[Depends(Stated(Action.SUBMIT_SCANS))],  # the handler looks at its caller itself: the hot path
    response_model=None,
    responses={
        202: {"model": ScanQueued, "description": "Accepted: it is in the ledger and will not be lost"},
        200: {"model": ScanDone, "description": "The outcome, under `Prefer: wait=N`"},
        **documented(400, 401, 403, 413, 415, 422, 503),
    },
    openapi_extra={"parameters": [_PREFER], "requestBody": _body(SingleScanIn, json={"example": SCAN_EXAMPLE})},
)
async def submit_scan(request: Request) -> Response:
    """Accept one scan durably; a repeated `scan_id` gives the first outcome and writes nothing."""
    principal = await caller_of(request, Action.SUBMIT_SCANS)
    if content_type_of(request) != JSON:
        raise UnsupportedMediaTypeError(f"Send one scan as {JSON}.")
    submitted = await gateway_of(request).submitter.submit_one(
        await request.body(), principal, origin_of(request), wait_s=wait_of(request)
    )
    (scan_id,) = submitted.accepted
    outcome = submitted.outcomes.get(0)
    if outcome is not None:
        return _json({**outcome, "delivery": submitted.delivery}, 200)
    return _json({"scan_id": scan_id, "status": "queued", "delivery": submitted.delivery}, 202)


@router.post(
    "/batch",
    status_code=202,
    summary="Submit a batch of scans",
    dependencies=[Depends(Stated(Action.SUBMIT_SCANS))],  # the handler looks at its caller itself: the hot path
    response_model=None,
    responses={
        202: {"model": BatchAccepted, "description": "Accepted, with what is wrong with the scans that were not"},
        200: {"model": BatchAccepted, "description": "All outcomes, under `Prefer: wait=N`"},
        **documented(400, 401, 403, 413, 415, 422, 503),
    },
    openapi_extra={
        "parameters": [_PREFER, _SENT_AT],
        "requestBody": _body(
            RightBatchIn,
            json={"example": _BATCH_EXAMPLE},
            **{NDJSON: {"schema": {"type": "string"}, "example": orjson.dumps(SCAN_EXAMPLE).decode() + "\n"}},
        ),
    },
)
async def submit_batch(request: Request) -> Response:
    """Accept up to 1,000 scans; each is checked by itself, and the good ones are accepted."""
    principal = await caller_of(request, Action.SUBMIT_SCANS)
    content_type = content_type_of(request)
    if content_type not in {JSON, NDJSON}:
        raise UnsupportedMediaTypeError(f"Send a batch as {JSON} or {NDJSON}.")
    wait_s = wait_of(request)
    submitted = await gateway_of(request).submitter.submit_batch(
        await request.body(),
        principal,
        origin_of(request),
        wait_s=wait_s,
        sent_at=request.headers.get("sent-at"),
        lines=content_type == NDJSON,
    )
    document: dict[str, Any] = {
        "accepted": len(submitted.accepted),
        "rejected": len({error["index"] for error in submitted.errors}),
        "errors": submitted.errors,
        "delivery": submitted.delivery,
    }
    if wait_s:
        document["results"] = [
            submitted.outcomes.get(index, {"scan_id": scan_id, "status": "queued"})
            for index, scan_id in enumerate(submitted.accepted)
        ]
    return _json(document, 200 if wait_s and len(submitted.outcomes) == len(submitted.accepted) else 202)


@router.get("", summary="Search scans", responses=documented(401, 403, 422, 503))
async def list_scans(
    query: Annotated[ScanQuery, Query()],
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_SCANS))],
) -> Page[ScanRow]:
    """Search scans, newest first; `outcome=invalid_code` gives what was no bag's code.

    A device sees its own, a person those of their area. A page may end before it is full: go on while there is a
    `next_cursor`.
    """
    return await gateway.scans.page(query, caller)


@router.get(
    "/{scan_id}",
    summary="What became of a scan",
    response_model_exclude_unset=True,
    responses=documented(401, 403, 404, 422, 503),
)
async def get_scan(
    scan_id: UUID, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_SCANS))]
) -> ScanDone | ScanQueued:
    """Give a scan's outcome, or `queued` while it waits. A device sees its own scans, a person those of their area."""
    return await gateway.reader.scan(scan_id, caller)


def _json(document: Any, status: int) -> Response:
    return Response(orjson.dumps(document), status, media_type=JSON)
