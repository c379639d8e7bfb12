"""Liveness, readiness, metrics and counts."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.metrics import MEDIA_TYPE
from tracetrack_gateway.operations import waiting_document
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, Stated, TheGateway

router = APIRouter(tags=["operations"])

_OPEN = [Depends(Stated(Action.WATCH))]


@router.get("/health", summary="Is this process alive", dependencies=_OPEN)
async def get_health() -> dict[str, str]:
    """Answer as long as the process can; asks nothing of anyone."""
    return {"status": "ok"}


@router.get(
    "/ready",
    summary="Can this process do its work",
    dependencies=_OPEN,
    responses={503: {"description": "A part does not answer"}},
)
async def get_ready(gateway: TheGateway, response: Response) -> dict[str, Any]:
    """Tell whether Redis and Postgres answer and what they say when they do not, what waits, and what is refused.

    A gateway that refuses scans for want of room is ready: it does its work, and the others would refuse them too.
    """
    readiness = await gateway.operations.readiness()
    if not readiness.is_ready:
        response.status_code = 503
    return {
        "status": "ready" if readiness.is_ready else "not ready",
        "parts": readiness.parts,
        "ledger": {queue: waiting_document(state) for queue, state in readiness.ledgers.items()},
        "refusing": gateway.backpressure.refusing,
    }


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response, dependencies=_OPEN)
async def get_metrics(gateway: TheGateway) -> Response:
    """Give this process's metrics and the ledgers' sizes and ages."""
    return Response(await gateway.metrics.render(), media_type=MEDIA_TYPE)


@router.get("/api/stats", summary="Counts and queue state", responses=documented(401, 403, 503))
async def get_stats(gateway: TheGateway, _: Annotated[Principal, Depends(Caller(Action.READ_STATS))]) -> dict[str, Any]:
    """Give totals of scans and bags and what waits; the totals are at most a second old."""
    return await gateway.operations.stats()
