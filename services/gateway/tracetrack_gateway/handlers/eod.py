"""End-of-day summaries."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import AREA_PATTERN, CommandOut, IsoDate
from tracetrack_gateway.nights import NightsOut
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/eod", tags=["end of day"])

MOST_DAYS = 31
"""A day has a row for each area and one for all, so some hundred rows in all."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Area = Annotated[str, Query(max_length=50, pattern=AREA_PATTERN, description="an area's code, or `all`")]


@router.get("/status", summary="How the last nights stand", responses=documented(401, 403, 422, 503))
async def list_nights(
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_EOD))],
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="how many days back")] = 7,
) -> NightsOut:
    """Tell of each area and day that is over, newest first, when its summary was due and made, and if it is late."""
    return await gateway.nights.last(days, caller)


@router.get("/{business_date}", summary="A day's summary", responses=documented(401, 403, 404, 422, 503))
async def get_summary(
    business_date: IsoDate,
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_EOD))],
    area: Area = "all",
    revision: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="the newest when left out")] = None,
) -> dict[str, Any]:
    """Give a revision of a day's summary; its fields are described in `docs/eod.md`."""
    return await gateway.reader.summary(business_date, area, caller, revision)


@router.get(
    "/{business_date}/document.xlsx",
    summary="A day's summary as a workbook",
    response_class=Response,
    responses={200: {"content": {XLSX: {}}, "description": "The workbook"}, **documented(401, 403, 404, 422, 503)},
)
async def get_workbook(
    business_date: IsoDate,
    gateway: TheGateway,
    caller: Annotated[Principal, Depends(Caller(Action.READ_EOD))],
    area: Area = "all",
) -> Response:
    """Give the newest revision as XLSX; the same revision is the same bytes for ever."""
    content, sha256, revision = await gateway.reader.document(business_date, area, "xlsx", caller)
    filename = f"eod-{business_date}-{area}-r{revision}.xlsx"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "ETag": f'"{sha256}"'}
    return Response(content, media_type=XLSX, headers=headers)


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
