"""Notifications: what people are told, in the transaction of what it tells of (docs/notifications.md)."""

from collections.abc import Collection
from typing import Final, Literal

from sqlalchemy import Connection, text

from tracetrack_common.mail_request import is_address, request_mail

Priority = Literal["low", "normal", "high"]
PRIORITIES: Final[tuple[Priority, ...]] = ("low", "normal", "high")

# In the order of the users, so that two events at once never wait for one another crosswise.
_INSERT = text(
    "WITH told AS (INSERT INTO notification (user_id, event_key, priority, title, body)"
    " SELECT user_id, :event_key, :priority, :title, :body FROM app_user WHERE disabled_at IS NULL"
    " AND (user_id = ANY(:recipients) OR (role = ANY(:roles)"
    " AND (CAST(:area_id AS smallint) IS NULL OR area_id IS NULL OR area_id = :area_id)))"
    " ORDER BY user_id ON CONFLICT (user_id, event_key) DO NOTHING RETURNING user_id)"
    " SELECT user_id, email FROM told JOIN app_user USING (user_id) JOIN notification_preference USING (user_id)"
    " WHERE email IS NOT NULL AND :priority = ANY(by_mail) ORDER BY user_id"
)


def notify(  # noqa: PLR0913 - an event has these
    connection: Connection,
    *,
    event_key: str,
    priority: Priority,
    title: str,
    body: str,
    recipients: Collection[int] = (),
    roles: Collection[str] = (),
    area_id: int | None = None,
    by_mail: bool = True,
) -> None:
    """Tell people of an event when this transaction commits, each once; by mail too, those who want that.

    Parameters
    ----------
    connection
        Inside the transaction of the event.
    event_key
        The event; nobody is told of the same one twice.
    priority
        How much it matters.
    title, body
        A line, and a sentence or two; no secrets.
    recipients, roles
        Users by their keys, and everybody with one of these roles; not those who are disabled.
    area_id
        Of those with a role, only this area's and those of no area.
    by_mail
        Whether it may go by mail.
    """
    values = {
        "event_key": event_key,
        "priority": priority,
        "title": title,
        "body": body,
        "recipients": list(recipients),
        "roles": list(roles),
        "area_id": area_id,
    }
    wanting = connection.execute(_INSERT, values).all()
    for row in wanting if by_mail else ():
        if is_address(row.email):
            request_mail(
                connection,
                kind="notification",
                recipient=row.email,
                fields={"title": title, "body": body},
                event_key=f"notification:{row.user_id}:{event_key}",
            )
