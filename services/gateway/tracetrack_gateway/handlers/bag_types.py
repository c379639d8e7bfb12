"""Bag types."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from tracetrack_common.credentials import Principal
from tracetrack_common.entity_tag import tag_of
from tracetrack_gateway.access import Action
from tracetrack_gateway.bag_types import BagTypeChanges, BagTypeIn, BagTypeOut
from tracetrack_gateway.conditional import EDITED, IfMatch, condition_of
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import Page
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/bag-types", tags=["catalogue"])

_Key = Annotated[int, Path(ge=1, le=2**15 - 1)]
_Changing = Annotated[Wish, Depends(Wishing(Action.CHANGE_CATALOGUE))]


@router.get("", summary="List bag types", responses=documented(401, 403, 503))
async def list_bag_types(
    gateway: TheGateway, _: Annotated[Principal, Depends(Caller(Action.READ_CATALOGUE))]
) -> Page[BagTypeOut]:
    """List the kinds of sacks: how their codes look, how many children they hold, what a child weighs."""
    return await gateway.bag_types.all()


@router.post(
    "",
    status_code=201,
    summary="Create a bag type",
    response_model=BagTypeOut,
    responses={**QUEUED, **documented(400, 401, 403, 409, 413, 422, 503)},
)
async def create_bag_type(bag_type: BagTypeIn, wish: _Changing) -> BagTypeOut | Response:
    """Create a bag type; no code may be one of another type's or of a registered child. Scans meet it within 2 s."""
    answer = await wish.send("bag_type.create", bag_type.model_dump())
    if answer.outcome is None:
        return queued(answer)
    return await wish.gateway.bag_types.find(answer.outcome["bag_type_id"])


@router.get(
    "/{bag_type_id}", summary="A bag type, to edit it", responses={200: EDITED, **documented(401, 403, 404, 422, 503)}
)
async def get_bag_type(
    bag_type_id: _Key,
    gateway: TheGateway,
    _: Annotated[Principal, Depends(Caller(Action.CHANGE_CATALOGUE))],
    response: Response,
) -> BagTypeOut:
    """Give a bag type with its `ETag`."""
    return _tagged(await gateway.bag_types.find(bag_type_id), response)


@router.patch(
    "/{bag_type_id}",
    summary="Change a bag type",
    response_model=BagTypeOut,
    responses={200: EDITED, **QUEUED, **documented(400, 401, 403, 404, 409, 412, 413, 422, 503)},
)
async def change_bag_type(
    bag_type_id: _Key, changes: BagTypeChanges, wish: _Changing, response: Response, if_match: IfMatch = None
) -> BagTypeOut | Response:
    """Change a bag type for sacks to come; those that are there keep what they were created with."""
    arguments = {"bag_type_id": bag_type_id, "changes": changes.given, **condition_of(if_match)}
    answer = await wish.send("bag_type.change", arguments)
    if answer.outcome is None:
        return queued(answer)
    return _tagged(await wish.gateway.bag_types.find(bag_type_id), response)


def _tagged(bag_type: BagTypeOut, response: Response) -> BagTypeOut:
    response.headers["ETag"] = tag_of("bag_type", bag_type.model_dump())
    return bag_type
