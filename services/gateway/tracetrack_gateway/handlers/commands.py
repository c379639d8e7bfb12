"""The state of commands."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.models import CommandOut
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1", tags=["people"])


@router.get("/commands/{command_id}", summary="How a command stands", responses=documented(401, 403, 404, 422, 503))
async def get_command(
    command_id: UUID, gateway: TheGateway, caller: Annotated[Principal, Depends(Caller(Action.READ_COMMANDS))]
) -> CommandOut:
    """Give a command's outcome, or `queued` while it waits."""
    return await gateway.reader.command(command_id, caller)
