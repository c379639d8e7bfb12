"""Liveness, readiness, metrics and counts."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.metrics import MEDIA_TYPE
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(tags=["operations"])


@router.get("/health", summary="Is this process alive")
async def get_health() -> dict[str, str]:
    """Answer as long as the process can; asks nothing of anyone."""
    return {"status": "ok"}


@router.get(
    "/ready", summary="Can this process do its work", responses={503: {"description": "A part does not answer"}}
)
async def get_ready(gateway: TheGateway, response: Response) -> dict[str, Any]:
    """Tell whether Redis and Postgres answer, and what they say when they do not."""
    ready, parts = await gateway.operations.readiness()
    if not ready:
        response.status_code = 503
    return {"status": "ready" if ready else "not ready", "parts": parts}


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def get_metrics(gateway: TheGateway) -> Response:
    """Give this process's metrics and the ledgers' sizes and ages."""
    return Response(await gateway.metrics.render(), media_type=MEDIA_TYPE)


@router.get("/api/stats", summary="Counts and queue state", responses=documented(401, 403, 503))
async def get_stats(gateway: TheGateway, _: Annotated[Principal, Depends(Caller(Action.READ_STATS))]) -> dict[str, Any]:
    """Give totals of scans and bags and what waits; the totals are at most a second old."""
    return await gateway.operations.stats()
