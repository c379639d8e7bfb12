"""Notifications of the person who asks: list, mark as read, and what goes by mail."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from tracetrack_common.credentials import Principal
from tracetrack_common.notification import Priority
from tracetrack_gateway.access import Action
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import Page
from tracetrack_gateway.notifications import MailPreferences, NotificationOut, NotificationsRead
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/notifications", tags=["people"])

_Reading = Annotated[Principal, Depends(Caller(Action.USE_NOTIFICATIONS))]
_Wishing = Annotated[Wish, Depends(Wishing(Action.USE_NOTIFICATIONS))]


@router.get("", summary="List notifications", responses=documented(401, 403, 422, 503))
async def list_notifications(
    gateway: TheGateway,
    caller: _Reading,
    priority: Priority | None = None,
    cursor: Annotated[str | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[NotificationOut]:
    """List the caller's own notifications: unread ones first, newest first."""
    return await gateway.notifications.page(caller, priority=priority, cursor=cursor, limit=limit)


@router.get("/preferences", summary="What goes by mail", responses=documented(401, 403, 503))
async def get_preferences(gateway: TheGateway, caller: _Reading) -> MailPreferences:
    """Tell of which priorities the caller's notifications go by mail too."""
    return await gateway.notifications.preferences(caller)


@router.put(
    "/preferences",
    summary="Choose what goes by mail",
    response_model=MailPreferences,
    responses={**QUEUED, **documented(400, 401, 403, 413, 422, 503)},
)
async def put_preferences(preferences: MailPreferences, wish: _Wishing) -> MailPreferences | Response:
    """Choose of which priorities the caller's notifications go by mail too; it takes an e-mail address."""
    answer = await wish.send("notification.prefer", {"by_mail": preferences.wanted})
    return queued(answer) if answer.outcome is None else preferences


@router.post(
    "/read-all",
    summary="Mark every notification as read",
    response_model=NotificationsRead,
    responses={**QUEUED, **documented(401, 403, 422, 503)},
)
async def read_all_notifications(wish: _Wishing) -> NotificationsRead | Response:
    """Mark all of the caller's notifications as read."""
    answer = await wish.send("notification.read_all", {})
    return queued(answer) if answer.outcome is None else NotificationsRead.model_validate(answer.outcome)


@router.post(
    "/{notification_id}/read",
    summary="Mark a notification as read",
    response_model=NotificationsRead,
    responses={**QUEUED, **documented(401, 403, 404, 422, 503)},
)
async def read_notification(
    notification_id: Annotated[int, Path(ge=1, le=2**63 - 1)], wish: _Wishing
) -> NotificationsRead | Response:
    """Mark one of the caller's notifications as read."""
    answer = await wish.send("notification.read", {"notification_id": notification_id})
    return queued(answer) if answer.outcome is None else NotificationsRead.model_validate(answer.outcome)
