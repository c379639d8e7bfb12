"""Replaying mail that could not be sent: it waits in the outbox again (docs/notifications.md)."""

from sqlalchemy import Connection, text

from tracetrack_common.errors import ConflictError

_QUEUE_AGAIN = text(
    "UPDATE mail SET state = 'queued', attempts = 0, next_at = now()"
    " WHERE mail_id = CAST(:mail_id AS uuid) AND state = 'failed' AND fields <> '{}' RETURNING mail_id"
)


class MailRoad:
    """The road of mail."""

    def redo(self, connection: Connection, body: bytes) -> str:
        """Have a mail sent once more.

        Raises
        ------
        ConflictError
            It was sent after all, or what was in it is erased.
        """
        if connection.scalar(_QUEUE_AGAIN, {"mail_id": body.decode()}) is None:
            raise ConflictError("It was sent meanwhile, or it held a secret, which was erased: have it asked for anew.")
        return "waits to be sent again"

    def follow_up(self, body: bytes) -> None:
        """Do nothing: it is looked for every few seconds."""
