"""Sending: who gets a summary by mail, and that each gets each revision once (domain.md, End of day).

The summary over all areas is what is sent: admins get the whole, a biller the bills they created, where there are any.
A row of `eod_sending` is a recipient's revision; its key decides, so that a crash or a retry asks for no second mail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from tracetrack_common import audit
from tracetrack_common.contracts import Command
from tracetrack_common.db.session import Database
from tracetrack_common.errors import InvalidInputError, NotFoundError
from tracetrack_common.log import get_logger
from tracetrack_common.mail_request import is_address, request_mail
from tracetrack_report_worker import summary_mail
from tracetrack_report_worker.letters import SUMMARY

log = get_logger(__name__)

_LOCK_NEXT = text("""
    SELECT summary_id, business_date, revision, content, NOT EXISTS (
        SELECT FROM eod_summary AS newer
        WHERE newer.business_date = eod_summary.business_date AND newer.area_id IS NULL
            AND newer.revision > eod_summary.revision
    ) AS is_newest
    FROM eod_summary
    WHERE area_id IS NULL AND sent_out_at IS NULL AND generated_at >= window_end
    ORDER BY business_date, revision LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_LOCK_NEWEST = text("""
    SELECT summary_id, business_date, revision, content FROM eod_summary
    WHERE business_date = :business_date AND area_id IS NULL ORDER BY revision DESC LIMIT 1 FOR UPDATE
""")
_NOTE_SENT_OUT = text("UPDATE eod_summary SET sent_out_at = :at WHERE summary_id = :summary_id")
_LIST_PEOPLE = text("""
    SELECT user_id, username, email, role FROM app_user
    WHERE disabled_at IS NULL AND role IN ('admin', 'biller') AND email IS NOT NULL ORDER BY username
""")
_IS_SENT = text("""
    SELECT FROM eod_sending
    WHERE summary_id = :summary_id AND user_id = :user_id AND resent_by IS NOT DISTINCT FROM CAST(:resent_by AS uuid)
""")
_INSERT = text("""
    INSERT INTO eod_sending (mail_id, summary_id, user_id, resent_by)
    VALUES (:mail_id, :summary_id, :user_id, :resent_by)
""")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets a summary; `biller` is whose part it is, None for the whole."""

    user_id: int
    username: str
    address: str
    biller: str | None


def send_out(database: Database, *, now: datetime) -> int:
    """Ask for the mails of every summary that is not sent out yet, the oldest day first; give how many were asked for.

    One that a newer revision has overtaken before it was sent is not sent any more.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        As the statements raise it; what was asked for until then stays.
    """
    asked = 0
    while True:
        with database.transaction() as connection:
            summary = connection.execute(_LOCK_NEXT).one_or_none()
            if summary is None:
                return asked
            connection.execute(_NOTE_SENT_OUT, {"summary_id": summary.summary_id, "at": now})
            recipients = _recipients(connection, summary) if summary.is_newest else []
            sent = [each for each in recipients if _ask(connection, summary, each, resent_by=None)]
            asked += len(sent)
            if sent:
                _note(connection, summary, sent, actor="system", at=now)


def send(connection: Connection, command: Command) -> dict[str, Any]:
    """Send the newest summary of a day to people who have not got it, or, if so wished, once more to those who have.

    Returns
    -------
    dict
        ``revision``; ``asked``: whose mails will be sent; ``had_it``: who got this revision before.

    Raises
    ------
    NotFoundError
        There is no summary over all areas of that day.
    InvalidInputError
        Somebody who was named gets none of it.
    """
    arguments = command.arguments
    summary = _find(connection, date.fromisoformat(arguments["date"]))
    resent_by = command.command_id if arguments["again"] else None
    recipients = _wanted(_recipients(connection, summary), arguments["recipients"])
    sent = [each for each in recipients if _ask(connection, summary, each, resent_by=resent_by)]
    if sent:
        origin = command.origin
        _note(
            connection,
            summary,
            sent,
            actor=command.actor,
            at=origin.received_at,
            request_id=origin.request_id,
            address=origin.address,
        )
    asked = {each.username for each in sent}
    return {
        "revision": summary.revision,
        "asked": sorted(asked),
        "had_it": sorted({each.username for each in recipients} - asked),
    }


def preview(database: Database, command: Command) -> dict[str, Any]:
    """Give the mail of the newest summary of a day as a person would get it; nothing is sent.

    Returns
    -------
    dict
        ``revision``, ``subject``, ``html``, ``text``, ``attachments``: name and bytes of each.

    Raises
    ------
    NotFoundError, InvalidInputError
        As `send`.
    """
    with database.transaction() as connection:
        summary = _find(connection, date.fromisoformat(command.arguments["date"]))
        (recipient,) = _wanted(_recipients(connection, summary), [command.arguments["recipient"]])
    mail = summary_mail.write(database, _fields(summary, recipient))
    return {
        "revision": summary.revision,
        "subject": mail.subject,
        "html": mail.page,
        "text": mail.text,
        "attachments": [{"name": each.name, "bytes": len(each.content)} for each in mail.attachments],
    }


def _find(connection: Connection, business_date: date) -> Row[Any]:
    summary = connection.execute(_LOCK_NEWEST, {"business_date": business_date}).one_or_none()
    if summary is None:
        raise NotFoundError(f"There is no summary of all areas for {business_date}.")
    return summary


def _recipients(connection: Connection, summary: Row[Any]) -> list[Recipient]:
    """Give who gets a summary: every admin, and every biller with a bill in it, who have an address."""
    with_bills = {bill["created_by"] for bill in summary.content["bills"]["list"]}
    return [
        Recipient(row.user_id, row.username, row.email, None if row.role == "admin" else row.username)
        for row in connection.execute(_LIST_PEOPLE)
        if is_address(row.email) and (row.role == "admin" or row.username in with_bills)
    ]


def _wanted(recipients: Sequence[Recipient], names: Sequence[str] | None) -> list[Recipient]:
    if names is None:
        return list(recipients)
    by_name = {each.username.lower(): each for each in recipients}
    unknown = [name for name in names if name.lower() not in by_name]
    if unknown:
        detail = "no admin, nor a biller with a bill in it, or without an e-mail address"
        raise InvalidInputError(
            f"This summary does not go to {', '.join(unknown)}.",
            errors=[{"field": "recipients", "detail": f"{name}: {detail}"} for name in unknown],
        )
    return [by_name[name.lower()] for name in dict.fromkeys(names)]


def _ask(connection: Connection, summary: Row[Any], recipient: Recipient, *, resent_by: str | None) -> bool:
    """Ask for a recipient's mail; False when it was asked for before."""
    values = {"summary_id": summary.summary_id, "user_id": recipient.user_id, "resent_by": resent_by}
    # The summary is locked, so nobody else asks for it meanwhile.
    if connection.execute(_IS_SENT, values).first() is not None:
        return False
    mail_id = request_mail(
        connection,
        kind=SUMMARY,
        recipient=recipient.address,
        fields=_fields(summary, recipient),
        event_key=f"eod:{summary.summary_id}:{recipient.user_id}:{resent_by or 'first'}",
    )
    connection.execute(_INSERT, values | {"mail_id": mail_id})
    return True


def _fields(summary: Row[Any], recipient: Recipient) -> dict[str, Any]:
    return {"summary_id": summary.summary_id, "biller": recipient.biller}


def _note(connection: Connection, summary: Row[Any], sent: Sequence[Recipient], **origin: Any) -> None:
    """Write the audit row of a sending."""
    audit.append(
        connection,
        action="eod.send",
        object_=f"eod:all:{summary.business_date}",
        after={"revision": summary.revision, "recipients": [each.username for each in sent]},
        **origin,
    )
    log.info("eod_summary_sent_out", date=str(summary.business_date), revision=summary.revision, mails=len(sent))
