"""End-of-day summaries."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Response

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.conditional import TAGGED, IfNoneMatch, unless_held
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import AREA_PATTERN, CommandOut, IsoDate, Page
from tracetrack_gateway.nights import NightsOut
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway
from tracetrack_gateway.revisions import RevisionOut
from tracetrack_gateway.sendings import PreviewIn, PreviewOut, SendIn, SendingsOut, SendOutcome

router = APIRouter(prefix="/api/v1/eod", tags=["end of day"])

MOST_DAYS = 31
"""A day has a row for each area and one for all, so some hundred rows in all."""
MEDIA_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_CONTENT = dict.fromkeys(MEDIA_TYPES.values(), _BYTES) | {"application/json": {"schema": {"type": "object"}}}
_Sending = Annotated[Wish, Depends(Wishing(Action.SEND_EOD))]

Area = Annotated[str, Query(max_length=50, pattern=AREA_PATTERN, description="an area's code, or `all`")]
Revision = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="the newest when left out")]


@router.get("/status", summary="How the last nights stand", responses=documented(401, 403, 422, 503))
async def list_nights(
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_EOD))],
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="how many days back")] = 7,
) -> NightsOut:
    """Tell of each area and day that is over, newest first, when its summary was due and made, and if it is late."""
    return await gateway.nights.last(days, caller)


@router.get(
    "/{business_date}",
    summary="A day's summary",
    response_model=dict[str, Any],
    responses={**TAGGED, **documented(401, 403, 404, 422, 503)},
)
async def get_summary(
    business_date: IsoDate,
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_EOD))],
    area: Area = "all",
    revision: Revision = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Give a revision of a day's summary; its fields are described in `docs/eod.md`."""
    content, tag = await gateway.reader.summary(business_date, area, caller, revision)
    headers = {"ETag": f'"{tag}"'}
    return unless_held(Response(orjson.dumps(content), media_type="application/json", headers=headers), if_none_match)


@router.get(
    "/{business_date}/revisions",
    summary="The revisions of a day's summary",
    responses=documented(401, 403, 404, 422, 503),
)
async def list_revisions(
    business_date: IsoDate,
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_EOD))],
    area: Area = "all",
    cursor: Annotated[str | None, Query(max_length=20)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[RevisionOut]:
    """List the revisions of a day's summary, newest first, with how much each of them changed."""
    return await gateway.reader.revisions(business_date, area, caller, cursor=cursor, limit=limit)


@router.get(
    "/{business_date}/document.{document_format}",
    summary="A day's summary as a document",
    response_class=Response,
    responses={
        **TAGGED,
        200: {**TAGGED[200], "content": _CONTENT, "description": "The document"},
        **documented(401, 403, 404, 422, 503),
    },
)
async def get_document(
    business_date: IsoDate,
    document_format: Literal["pdf", "xlsx", "csv", "json"],
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_EOD))],
    area: Area = "all",
    revision: Revision = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Give a revision as a document; the same revision is the same bytes for ever."""
    content, sha256, number = await gateway.reader.document(business_date, area, document_format, caller, revision)
    filename = f"eod-{business_date}-{area}-r{number}.{document_format}"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "ETag": f'"{sha256}"'}
    return unless_held(Response(content, media_type=MEDIA_TYPES[document_format], headers=headers), if_none_match)


@router.get(
    "/{business_date}/sendings", summary="Who got a day's summary", responses=documented(401, 403, 404, 422, 503)
)
async def list_sendings(
    business_date: IsoDate, gateway: TheGateway, _: Annotated[Principal, Depends(Caller(Action.SEND_EOD))]
) -> SendingsOut:
    """Tell of every recipient and revision what became of the mail, the newest revision first."""
    return await gateway.reader.sendings(business_date)


@router.post(
    "/{business_date}/sendings",
    summary="Send a day's summary",
    response_model=SendOutcome,
    responses={**QUEUED, **documented(400, 401, 403, 404, 413, 422, 503)},
)
async def send_summary(business_date: IsoDate, send: SendIn, wish: _Sending) -> SendOutcome | Response:
    """Send the newest revision to those who have not got it; with `again`, once more to those who have."""
    arguments = {"date": business_date.isoformat(), **send.model_dump()}
    answer = await wish.send("eod.send", arguments, queue="reports")
    return queued(answer) if answer.outcome is None else SendOutcome(**answer.outcome)


@router.post(
    "/{business_date}/preview",
    summary="The mail of a day's summary, unsent",
    response_model=PreviewOut,
    responses={**QUEUED, **documented(400, 401, 403, 404, 413, 422, 503)},
)
async def preview_mail(business_date: IsoDate, preview: PreviewIn, wish: _Sending) -> PreviewOut | Response:
    """Give the mail as a person would get it; nothing is sent."""
    arguments = {"date": business_date.isoformat(), **preview.model_dump()}
    answer = await wish.send("eod.preview", arguments, queue="reports")
    return queued(answer) if answer.outcome is None else PreviewOut(**answer.outcome)


@router.post(
    "/{business_date}",
    summary="Make a day's summaries now",
    response_model=CommandOut,
    responses={**QUEUED, **documented(401, 403, 404, 422, 503)},
)
async def run_summaries(
    business_date: IsoDate,
    wish: Annotated[Wish, Depends(Wishing(Action.RUN_EOD, at_once=False))],
    area: Annotated[
        str | None,
        Query(
            max_length=50,
            pattern=AREA_PATTERN,
            description="one area's code, or `all`; every one and `all` when left out",
        ),
    ] = None,
) -> CommandOut | Response:
    """Make the summaries of a day that is over; where nothing has changed, the revision that is there stands."""
    answer = await wish.send("eod.run", {"date": business_date.isoformat(), "area": area}, queue="reports")
    if answer.outcome is None:
        return queued(answer)
    return CommandOut(command_id=answer.command_id, status="done", outcome=dict(answer.outcome))
