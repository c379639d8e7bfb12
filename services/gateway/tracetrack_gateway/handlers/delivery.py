"""What has arrived of the counters of the device that asks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.delivery import DeviceDelivery
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/devices/me", tags=["scans"])


@router.get("/delivery", summary="What a device need not keep any longer", responses=documented(401, 403, 422, 503))
async def get_delivery(
    gateway: TheGateway,
    device: Annotated[Principal, Depends(Caller(Action.READ_DELIVERY))],
    cursor: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="epochs before this one")] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> DeviceDelivery:
    """Tell the device that asks what has arrived of each of its epochs, and so what to send again."""
    return await gateway.deliveries.epochs(device.id, below=cursor, limit=limit)
