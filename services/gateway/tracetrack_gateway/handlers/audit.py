"""The audit log: search."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.audit import AuditOut, AuditQuery
from tracetrack_gateway.models import Page
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/audit", tags=["operations"])


@router.get("", summary="Search the audit log", responses=documented(401, 403, 422, 503))
async def search_audit_log(
    query: Annotated[AuditQuery, Query()],
    gateway: TheGateway,
    _: Annotated[Principal, Depends(Caller(Action.READ_AUDIT))],
) -> Page[AuditOut]:
    """Search by who, what, which, request and time; newest first."""
    return await gateway.audit.page(query)
