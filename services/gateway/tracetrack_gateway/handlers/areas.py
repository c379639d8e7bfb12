"""Areas."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from tracetrack_common.credentials import Principal
from tracetrack_common.entity_tag import tag_of
from tracetrack_gateway.access import Action
from tracetrack_gateway.areas import AreaChanges, AreaIn, AreaOut
from tracetrack_gateway.conditional import EDITED, IfMatch, condition_of
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import AREA_PATTERN, Page
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/areas", tags=["catalogue"])

_Code = Annotated[str, Path(max_length=50, pattern=AREA_PATTERN)]
_Changing = Annotated[Wish, Depends(Wishing(Action.CHANGE_CATALOGUE))]


@router.get("", summary="List areas", responses=documented(401, 403, 503))
async def list_areas(
    gateway: TheGateway, _: Annotated[Principal, Depends(Caller(Action.READ_CATALOGUE))]
) -> Page[AreaOut]:
    """List the dispatch areas with the zones whose days they have."""
    return await gateway.areas.all()


@router.post(
    "",
    status_code=201,
    summary="Create an area",
    response_model=AreaOut,
    responses={**QUEUED, **documented(400, 401, 403, 409, 413, 422, 503)},
)
async def create_area(area: AreaIn, wish: _Changing) -> AreaOut | Response:
    """Create an area; devices can be enrolled in it and bills created at once."""
    answer = await wish.send("area.create", area.model_dump())
    return queued(answer) if answer.outcome is None else await wish.gateway.areas.find(area.code)


@router.get("/{area}", summary="An area, to edit it", responses={200: EDITED, **documented(401, 403, 404, 422, 503)})
async def get_area(
    area: _Code,
    gateway: TheGateway,
    _: Annotated[Principal, Depends(Caller(Action.CHANGE_CATALOGUE))],
    response: Response,
) -> AreaOut:
    """Give an area with its `ETag`."""
    return _tagged(await gateway.areas.find(area), response)


@router.patch(
    "/{area}",
    summary="Change an area",
    response_model=AreaOut,
    responses={200: EDITED, **QUEUED, **documented(400, 401, 403, 404, 409, 412, 413, 422, 503)},
)
async def change_area(
    area: _Code, changes: AreaChanges, wish: _Changing, response: Response, if_match: IfMatch = None
) -> AreaOut | Response:
    """Change an area's name or zone; its code stays."""
    answer = await wish.send("area.change", {"code": area, "changes": changes.given, **condition_of(if_match)})
    return queued(answer) if answer.outcome is None else _tagged(await wish.gateway.areas.find(area), response)


def _tagged(area: AreaOut, response: Response) -> AreaOut:
    response.headers["ETag"] = tag_of("area", area.model_dump())
    return area
