"""Reports that are made again and again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.commands import Answer
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import Page
from tracetrack_gateway.problems import documented
from tracetrack_gateway.report_schedules import ScheduleChange, ScheduleIn, ScheduleKept, ScheduleOut, arguments_of
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/report-schedules", tags=["reports"])

Making = Annotated[Wish, Depends(Wishing(Action.MAKE_REPORTS))]
Reading = Annotated[Principal, Depends(Caller(Action.MAKE_REPORTS))]

_CHANGE = {**QUEUED, **documented(400, 401, 403, 404, 413, 422, 503)}


@router.post("", status_code=201, summary="Schedule a report", response_model=ScheduleKept, responses=_CHANGE)
async def schedule_report(schedule: ScheduleIn, wish: Making) -> ScheduleKept | Response:
    """Have a report made daily, weekly or monthly; each due run is made once, those of missed nights too."""
    arguments = arguments_of(schedule, wish.caller)
    return _show(await wish.send("report_schedule.create", arguments, queue="reports"))


@router.get("", summary="List scheduled reports", responses=documented(401, 403, 503))
async def list_schedules(gateway: TheGateway, caller: Reading) -> Page[ScheduleOut]:
    """List the caller's schedules; an admin sees everybody's."""
    return await gateway.schedules.page(caller)


@router.patch("/{schedule_id}", summary="Change a schedule", response_model=ScheduleKept, responses=_CHANGE)
async def change_schedule(schedule_id: UUID, change: ScheduleChange, wish: Making) -> ScheduleKept | Response:
    """Change when a report is made and who gets it, or have it rest."""
    arguments = {**_named(schedule_id, wish), "changes": arguments_of(change, wish.caller)}
    return _show(await wish.send("report_schedule.change", arguments, queue="reports"))


@router.delete("/{schedule_id}", summary="Delete a schedule", response_model=ScheduleKept, responses=_CHANGE)
async def delete_schedule(schedule_id: UUID, wish: Making) -> ScheduleKept | Response:
    """Delete a schedule; the reports it made stay."""
    return _show(await wish.send("report_schedule.delete", _named(schedule_id, wish), queue="reports"))


def _named(schedule_id: UUID, wish: Wish) -> dict[str, object]:
    return {"schedule_id": str(schedule_id), "any_owner": wish.caller.role == "admin"}


def _show(answer: Answer) -> ScheduleKept | Response:
    return queued(answer) if answer.outcome is None else ScheduleKept(**answer.outcome)
