"""Sending what waits in the outbox: once for each event, and at most once where a crash leaves a doubt.

A mail is claimed for some minutes, and tried again while the server certainly does not have it. From the moment the
server wants it until it has said what became of it, the row says `sending`. If the worker or the connection dies in
that moment, nobody can know whether it was taken; it is not sent again by itself, but becomes failed work, which a
person may replay (docs/notifications.md).
"""

import os
from contextlib import ExitStack, suppress
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Row

from tracetrack_common import failed_work
from tracetrack_common.db.session import Database
from tracetrack_common.log import get_logger
from tracetrack_common.settings import Settings
from tracetrack_report_worker import outbox, summary_mail
from tracetrack_report_worker.letters import LETTERS, SUMMARY, UnwritableLetterError, write_letter
from tracetrack_report_worker.smtp import MailServer, NotTakenError, PerhapsTakenError

log = get_logger(__name__)

FOLDER = "outbox"
_LEASE = timedelta(minutes=10)
"""Far above what one mail can take: every step of it has a timeout of seconds."""
_LONGEST_RUN_S = 30.0
"""The nightly run waits in the same pool; what is left is sent at the next tick."""
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
_DETAIL_MOST = 500
_UNKNOWN = "it is not known whether the server took it: {0}. Replay it only if a second copy does no harm"


class _LostError(Exception):
    """Another worker has taken the mail over."""


class Mailer:
    """Sends mail.

    Parameters
    ----------
    database
        Where the outbox is.
    settings
        The mail server, or the folder for files; the sender.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def send_due(self) -> int:
        """Send what is due, for half a minute at most; give how many were sent.

        Raises
        ------
        sqlalchemy.exc.DBAPIError
            Postgres is away; what was sent until then is noted.
        """
        self._give_up_abandoned()
        url = self._settings.smtp_url
        until_s = monotonic() + _LONGEST_RUN_S
        sent = 0
        with ExitStack() as stack:
            server: MailServer | None = None
            while monotonic() < until_s and (row := self._claim()) is not None:
                try:
                    message = self._write(row)
                    if url is None:
                        said = self._keep_as_file(row, message)
                    else:
                        server = server or stack.enter_context(MailServer(url.get_secret_value()))
                        said = server.hand_over(message, before_data=partial(self._start, row))
                except UnwritableLetterError as error:
                    self._fail(row, "mail_unwritable", str(error))
                except PerhapsTakenError as error:
                    self._fail(row, "mail_unknown", _UNKNOWN.format(error))
                    break
                except (NotTakenError, OSError) as error:
                    if not self._settle_refused(row, error, server):
                        break
                except _LostError:
                    break
                else:
                    with self._database.transaction() as connection:
                        outbox.finish(connection, row.mail_id, said[:_DETAIL_MOST])
                    log.info("mail_sent", mail_id=str(row.mail_id), kind=row.kind, attempts=row.attempts)
                    sent += 1
        return sent

    def _claim(self) -> Row[Any] | None:
        with self._database.transaction() as connection:
            return outbox.claim(connection, _LEASE)

    def _write(self, row: Row[Any]) -> EmailMessage:
        written = summary_mail.write(self._database, row.fields) if row.kind == SUMMARY else None
        return write_letter(
            kind=row.kind,
            recipient=row.recipient,
            fields=row.fields if written is None else {"subject": written.subject, "text": written.text},
            sender=self._settings.mail_from,
            mail_id=row.mail_id,
            created_at=row.created_at,
            page=None if written is None else written.page,
            attachments=() if written is None else written.attachments,
        )

    def _keep_as_file(self, row: Row[Any], message: EmailMessage) -> str:
        """Write a mail to a file of its own; written again, after a crash, it is the same file."""
        folder = Path(self._settings.state_dir) / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{row.mail_id}.eml"
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(message.as_bytes())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        return f"written to {FOLDER}/{path.name}"

    def _start(self, row: Row[Any]) -> None:
        with self._database.transaction() as connection:
            if not outbox.start_sending(connection, row.mail_id, row.attempts):
                raise _LostError

    def _settle_refused(self, row: Row[Any], error: Exception, server: MailServer | None) -> bool:
        """Note that a mail was not taken; tell whether the connection serves the next."""
        refusal = error if isinstance(error, NotTakenError) else NotTakenError(str(error), reached=False)
        letter = LETTERS[row.kind]
        if refusal.for_good or row.attempts >= letter.most_attempts:
            self._fail(row, "mail_refused", str(refusal))
        else:
            pause = min(_FIRST_PAUSE * 2 ** min(row.attempts - 1, 10), _LONGEST_PAUSE)
            with self._database.transaction() as connection:
                outbox.postpone(connection, row.mail_id, pause, str(refusal)[:_DETAIL_MOST])
            log.warning("mail_postponed", mail_id=str(row.mail_id), reason=str(refusal), attempts=row.attempts)
        if server is None or not refusal.reached:
            return False
        with suppress(NotTakenError):
            server.let_go()
            return True
        return False

    def _fail(self, row: Row[Any], reason: str, detail: str) -> None:
        with self._database.transaction() as connection:
            _give_up(connection, row, reason, detail)

    def _give_up_abandoned(self) -> None:
        with self._database.transaction() as connection:
            for row in outbox.claim_abandoned(connection):
                _give_up(connection, row, "mail_unknown", _UNKNOWN.format("its worker died"))


def _give_up(connection: Connection, row: Row[Any], reason: str, detail: str) -> None:
    letter = LETTERS.get(row.kind)
    outbox.fail(connection, row.mail_id, detail[:_DETAIL_MOST], erase=letter is None or letter.is_secret)
    failed_work.insert(
        connection,
        queue=failed_work.MAIL,
        reason=reason,
        detail=detail[:_DETAIL_MOST],
        payload={"kind": row.kind, "body": str(row.mail_id)},
        attempts=row.attempts,
    )
    log.warning("mail_failed", mail_id=str(row.mail_id), kind=row.kind, reason=reason, detail=detail)
