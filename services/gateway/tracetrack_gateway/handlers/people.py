"""Sessions, devices, and the state of commands."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.models import CommandOut, DeviceEnrolled, DeviceIn, DeviceOut, Page, SessionIn, SessionOut
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway, TheOrigin

router = APIRouter(prefix="/api/v1", tags=["people"])


@router.post("/sessions", status_code=201, summary="Log in", responses=documented(400, 401, 413, 422, 503))
async def create_session(session: SessionIn, gateway: TheGateway, origin: TheOrigin) -> SessionOut:
    """Log in; the token is shown this once and ends after 12 hours."""
    return await gateway.login.log_in(session.username, session.password.get_secret_value(), origin)


@router.post(
    "/devices", status_code=201, summary="Enrol a device", responses=documented(400, 401, 403, 409, 413, 422, 503)
)
async def enrol_device(
    device: DeviceIn,
    gateway: TheGateway,
    origin: TheOrigin,
    caller: Annotated[Principal, Depends(Caller(Action.MANAGE_DEVICES))],
) -> DeviceEnrolled:
    """Enrol a device in an area; its token is shown this once."""
    return await gateway.login.enrol_device(device.name, device.area, caller, origin)


@router.get("/devices", summary="List devices", responses=documented(401, 403, 422, 503))
async def list_devices(
    gateway: TheGateway,
    _: Annotated[Principal, Depends(Caller(Action.MANAGE_DEVICES))],
    cursor: Annotated[str | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[DeviceOut]:
    """List devices in the order of their enrolment."""
    return await gateway.reader.devices(cursor=cursor, limit=limit)


@router.get("/commands/{command_id}", summary="How a command stands", responses=documented(401, 403, 404, 422, 503))
async def get_command(
    command_id: UUID, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_COMMANDS))]
) -> CommandOut:
    """Give a command's outcome, or `queued` while it waits."""
    return await gateway.reader.command(command_id, caller)
