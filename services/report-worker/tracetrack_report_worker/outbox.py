"""The statements on the mail that waits: each named, one function each."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

_CLAIM = text("""
    UPDATE mail SET attempts = attempts + 1, next_at = now() + :lease WHERE mail_id = (
        SELECT mail_id FROM mail WHERE state = 'queued' AND next_at <= now()
        ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING mail_id, kind, recipient, fields, attempts, created_at
""")
_CLAIM_ABANDONED = text("""
    SELECT mail_id, kind, attempts FROM mail WHERE state = 'sending' AND next_at <= now()
    ORDER BY mail_id LIMIT 100 FOR UPDATE SKIP LOCKED
""")
_START = text(
    "UPDATE mail SET state = 'sending' WHERE mail_id = :mail_id AND state = 'queued' AND attempts = :attempts"
)
_FINISH = text("""
    UPDATE mail SET state = 'sent', sent_at = now(), fields = '{}', detail = :detail WHERE mail_id = :mail_id
""")
_POSTPONE = text("""
    UPDATE mail SET state = 'queued', next_at = now() + :pause, detail = :detail WHERE mail_id = :mail_id
""")
_FAIL = text("""
    UPDATE mail SET state = 'failed', detail = :detail,
        fields = CASE WHEN :erase THEN CAST('{}' AS jsonb) ELSE fields END
    WHERE mail_id = :mail_id
""")


def claim(connection: Connection, lease: timedelta) -> Row[Any] | None:
    """Give the mail that is due for longest, and keep it from others for so long."""
    return connection.execute(_CLAIM, {"lease": lease}).one_or_none()


def claim_abandoned(connection: Connection) -> list[Row[Any]]:
    """Give mails whose sender died while the server had them, until the transaction ends."""
    return list(connection.execute(_CLAIM_ABANDONED))


def start_sending(connection: Connection, mail_id: UUID, attempts: int) -> bool:
    """Note that the server is about to have a mail; False when another worker has taken it over meanwhile."""
    return connection.execute(_START, {"mail_id": mail_id, "attempts": attempts}).rowcount == 1


def finish(connection: Connection, mail_id: UUID, detail: str) -> None:
    """Note that a mail was sent, and erase what was in it."""
    connection.execute(_FINISH, {"mail_id": mail_id, "detail": detail})


def postpone(connection: Connection, mail_id: UUID, pause: timedelta, detail: str) -> None:
    """Have a mail that was certainly not taken tried again later."""
    connection.execute(_POSTPONE, {"mail_id": mail_id, "pause": pause, "detail": detail})


def fail(connection: Connection, mail_id: UUID, detail: str, *, erase: bool) -> None:
    """Give a mail up."""
    connection.execute(_FAIL, {"mail_id": mail_id, "detail": detail, "erase": erase})
