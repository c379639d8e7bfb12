"""Devices: enrol, list, rotate, revoke, and what has arrived of them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.delivery import DeviceDelivery
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import DeviceEnrolled, DeviceIn, DeviceOut, Page
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway, TheOrigin

router = APIRouter(prefix="/api/v1/devices", tags=["people"])

_Admin = Annotated[Principal, Depends(Caller(Action.MANAGE_DEVICES))]
_DeviceId = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.post("", status_code=201, summary="Enrol a device", responses=documented(400, 401, 403, 409, 413, 422, 503))
async def enrol_device(device: DeviceIn, gateway: TheGateway, origin: TheOrigin, caller: _Admin) -> DeviceEnrolled:
    """Enrol a device in an area; its token is shown this once."""
    return await gateway.devices.enrol(device.name, device.area, caller, origin)


@router.get("", summary="List devices", responses=documented(401, 403, 422, 503))
async def list_devices(
    gateway: TheGateway,
    _: _Admin,
    cursor: Annotated[str | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[DeviceOut]:
    """List devices in the order of their enrolment, with when each was last seen."""
    return await gateway.devices.page(cursor=cursor, limit=limit)


@router.post("/{device_id}/rotate", summary="Rotate a token", responses=documented(401, 403, 404, 409, 422, 503))
async def rotate_device(device_id: _DeviceId, gateway: TheGateway, origin: TheOrigin, caller: _Admin) -> DeviceEnrolled:
    """Give a device another token, shown this once; the old one dies at once."""
    return await gateway.devices.rotate(device_id, caller, origin)


@router.delete(
    "/{device_id}",
    status_code=204,
    summary="Revoke a device",
    response_model=None,
    responses={**QUEUED, **documented(401, 403, 404, 409, 422, 503)},
)
async def revoke_device(
    device_id: _DeviceId, wish: Annotated[Wish, Depends(Wishing(Action.MANAGE_DEVICES))]
) -> Response:
    """Turn a device away for good; what it scanned stays, and its name stays taken."""
    answer = await wish.send("device.revoke", {"device_id": device_id})
    return queued(answer) if answer.outcome is None else Response(status_code=204)


@router.get(
    "/{device_id}/delivery", summary="What has arrived of a device", responses=documented(401, 403, 404, 422, 503)
)
async def get_device_delivery(
    device_id: _DeviceId,
    gateway: TheGateway,
    _: _Admin,
    cursor: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="epochs before this one")] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> DeviceDelivery:
    """Tell what has arrived of each of a device's epochs, and so what it counted and never delivered."""
    await gateway.devices.require(device_id)
    return await gateway.deliveries.epochs(device_id, below=cursor, limit=limit)
