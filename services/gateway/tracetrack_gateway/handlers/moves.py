"""Undo, relink, and deleting bags."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from tracetrack_common.domain.codes import normalise
from tracetrack_gateway.access import Action
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.moves import RelinkIn, RelinkOut, UndoIn, UndoOut
from tracetrack_gateway.problems import documented

router = APIRouter(prefix="/api/v1", tags=["bags"])

_CHANGE = {**QUEUED, **documented(400, 401, 403, 404, 409, 413, 422, 503)}
_Undoing = Annotated[Wish, Depends(Wishing(Action.UNDO_SCANS))]


@router.post("/scans/{scan_id}/undo", summary="Undo a scan", response_model=UndoOut, responses=_CHANGE)
async def undo_scan(scan_id: UUID, wish: _Undoing) -> UndoOut | Response:
    """Take out the child that this scan put in a sack; the scan stays and is marked."""
    answer = await wish.send("scan.undo", {"scan_id": str(scan_id)})
    return queued(answer) if answer.outcome is None else UndoOut(**answer.outcome)


@router.post("/bags/{code}/undo", summary="Undo in a sack", response_model=UndoOut, responses=_CHANGE)
async def undo_in_bag(code: str, wish: _Undoing, undo: UndoIn | None = None) -> UndoOut | Response:
    """Take out the child of the sack's newest scan, up to an hour old, or the child that is named."""
    child = undo.child if undo is not None else None
    answer = await wish.send("bag.undo", {"code": normalise(code), "child": child and normalise(child)})
    return queued(answer) if answer.outcome is None else UndoOut(**answer.outcome)


@router.post("/bags/{code}/relink", summary="Move a child", response_model=RelinkOut, responses=_CHANGE)
async def relink_bag(
    code: str, relink: RelinkIn, wish: Annotated[Wish, Depends(Wishing(Action.RELINK_BAGS))]
) -> RelinkOut | Response:
    """Move a child to another sack, by the rules that a scan into it would meet."""
    answer = await wish.send("bag.relink", {"code": normalise(code), "parent_code": normalise(relink.parent_code)})
    return queued(answer) if answer.outcome is None else RelinkOut(**answer.outcome)


@router.delete(
    "/bags/{code}",
    status_code=204,
    summary="Delete a bag",
    response_class=Response,
    responses={**QUEUED, **documented(401, 403, 404, 409, 503)},
)
async def delete_bag(code: str, wish: Annotated[Wish, Depends(Wishing(Action.DELETE_BAGS))]) -> Response:
    """Delete a bag that holds nothing and is nowhere; its history stays, and a scan of its code brings it back."""
    answer = await wish.send("bag.delete", {"code": normalise(code)})
    return queued(answer) if answer.outcome is None else Response(status_code=204)
