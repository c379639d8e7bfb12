"""Commands on one's own notifications."""

from typing import Any

from sqlalchemy import Connection, text

from tracetrack_common.contracts import Command
from tracetrack_common.errors import NotFoundError
from tracetrack_common.notification import PRIORITIES
from tracetrack_common.records import keep_record

_FIND = text("SELECT 1 FROM notification WHERE notification_id = :notification_id AND user_id = :user_id")
_READ = text(
    "UPDATE notification SET read_at = :at"
    " WHERE notification_id = :notification_id AND user_id = :user_id AND read_at IS NULL"
)
_READ_ALL = text(
    "UPDATE notification SET read_at = :at WHERE user_id = :user_id AND (read_at IS NULL) AND created_at <= :at"
)
_SELECT_PREFERENCE = text("SELECT by_mail FROM notification_preference WHERE user_id = :user_id FOR UPDATE")
_PREFER = text(
    "INSERT INTO notification_preference (user_id, by_mail) VALUES (:user_id, :by_mail)"
    " ON CONFLICT (user_id) DO UPDATE SET by_mail = excluded.by_mail"
)


def read_notification(connection: Connection, command: Command) -> dict[str, Any]:
    """Note that a person has read a notification of theirs; again is the same.

    Returns
    -------
    dict
        ``read``: how many were unread.

    Raises
    ------
    NotFoundError
        They have none of that identity.
    """
    values = {"user_id": _user_of(command), "notification_id": command.arguments["notification_id"]}
    if connection.scalar(_FIND, values) is None:
        raise NotFoundError("There is no such notification.")
    return {"read": connection.execute(_READ, values | {"at": command.origin.received_at}).rowcount}


def read_all_notifications(connection: Connection, command: Command) -> dict[str, Any]:
    """Note that a person has read all notifications there were when they said so.

    Returns
    -------
    dict
        ``read``: how many were unread.
    """
    values = {"user_id": _user_of(command), "at": command.origin.received_at}
    return {"read": connection.execute(_READ_ALL, values).rowcount}


def prefer_mail(connection: Connection, command: Command) -> dict[str, Any]:
    """Note of which priorities a person wants their notifications by mail too; nothing else changes.

    Returns
    -------
    dict
        ``by_mail``: the priorities.
    """
    user_id, wanted = _user_of(command), command.arguments["by_mail"]
    before = connection.scalar(_SELECT_PREFERENCE, {"user_id": user_id}) or []
    by_mail = [priority for priority in PRIORITIES if priority in wanted]
    connection.execute(_PREFER, {"user_id": user_id, "by_mail": by_mail})
    keep_record(connection, command, command.actor, before={"by_mail": before}, after={"by_mail": by_mail})
    return {"by_mail": by_mail}


def _user_of(command: Command) -> int:
    return int(command.actor.removeprefix("user:"))
