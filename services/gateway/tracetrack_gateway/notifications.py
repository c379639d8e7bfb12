"""Notifications as the person they are for sees them (docs/notifications.md)."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from tracetrack_common.credentials import Principal
from tracetrack_common.notification import PRIORITIES, Priority
from tracetrack_gateway.cursors import invalid_cursor
from tracetrack_gateway.models import Page
from tracetrack_gateway.paging import page_of
from tracetrack_gateway.snapshots import Snapshots

# Rows that are the same but for what is unread stand in the order of the index, backwards.
_SELECT = text(
    "SELECT notification_id, priority, title, body, created_at, read_at, (read_at IS NULL) AS unread FROM notification"
    " WHERE user_id = :user_id AND ((read_at IS NULL), notification_id) < (:unread, :below)"
    " AND (CAST(:priority AS text) IS NULL OR priority = :priority)"
    " ORDER BY (read_at IS NULL) DESC, notification_id DESC LIMIT :limit"
)
_SELECT_PREFERENCE = text("SELECT by_mail FROM notification_preference WHERE user_id = :user_id")
_LAST = 2**63 - 1


class NotificationOut(BaseModel):
    """What a person is told."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "notification_id": 42,
                "priority": "high",
                "title": "Failed work: not_applicable (scans)",
                "body": "Work could not be done and waits for a decision: see the failed work.",
                "created_at": "2026-11-23T04:45:01Z",
                "read_at": None,
            }
        }
    )

    notification_id: int
    priority: Priority
    title: str
    body: str
    created_at: datetime
    read_at: datetime | None


class MailPreferences(BaseModel):
    """Of which priorities notifications go by mail too."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"low": False, "normal": False, "high": True}}
    )

    low: bool
    normal: bool
    high: bool

    @property
    def wanted(self) -> list[str]:
        """The priorities that go by mail."""
        return [priority for priority in PRIORITIES if getattr(self, priority)]


class NotificationsRead(BaseModel):
    """How many notifications were unread and are read now."""

    read: int = Field(ge=0)


class NotificationReader:
    """Reads notifications.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def page(
        self, caller: Principal, *, priority: Priority | None, cursor: str | None, limit: int
    ) -> Page[NotificationOut]:
        """Give the caller's notifications, unread ones first, each kind newest first."""
        unread, below = (True, _LAST) if cursor is None else _read_cursor(cursor)
        values = {"user_id": caller.id, "unread": unread, "below": below, "priority": priority, "limit": limit + 1}
        rows = await self._snapshots.read(lambda connection: connection.execute(_SELECT, values).all())
        return page_of(
            rows,
            limit,
            lambda row: NotificationOut.model_validate(row._asdict()),
            lambda row: f"{'u' if row.unread else 'r'}{row.notification_id}",
        )

    async def preferences(self, caller: Principal) -> MailPreferences:
        """Give what the caller wants by mail: nothing, until they say so."""
        values = {"user_id": caller.id}
        found: Any = await self._snapshots.read(lambda connection: connection.scalar(_SELECT_PREFERENCE, values))
        return MailPreferences.model_validate({priority: priority in (found or ()) for priority in PRIORITIES})


def _read_cursor(cursor: str) -> tuple[bool, int]:
    kind, number = cursor[:1], cursor[1:]
    if kind not in {"u", "r"} or not (number.isascii() and number.isdigit()) or int(number) > _LAST:
        raise invalid_cursor()
    return kind == "u", int(number)
