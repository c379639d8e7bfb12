"""Mail, asked for in the transaction of what it tells of (docs/notifications.md).

The table `mail` is its outbox: the report-worker sends what stands there, once for each event.
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text

from tracetrack_common.errors import InvalidInputError
from tracetrack_common.ids import uuid7

_ADDRESS = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
"""An address as servers take it everywhere: no blanks, line breaks, quotes, commas or brackets, so that it can never be
more than one, nor part of a header."""

_INSERT = text(
    "INSERT INTO mail (mail_id, kind, recipient, fields, event_key)"
    " VALUES (:mail_id, :kind, :recipient, CAST(:fields AS jsonb), :event_key) ON CONFLICT (event_key) DO NOTHING"
    " RETURNING mail_id"
)


def is_address(recipient: str) -> bool:
    """Tell whether mail can be sent to this address."""
    return _ADDRESS.fullmatch(recipient) is not None


def request_mail(
    connection: Connection, *, kind: str, recipient: str, fields: Mapping[str, Any], event_key: str
) -> UUID | None:
    """Have a mail sent when this transaction commits; asked for again under the same key it is the same one.

    Parameters
    ----------
    connection
        Inside the transaction of the event.
    kind
        Which letter: ``notification``, ``password_reset``, ``eod_summary``.
    recipient
        One address.
    fields
        What the letter needs. They are erased once it has left, since a reset token is among them.
    event_key
        The event and whom it is told to; unique.

    Returns
    -------
    uuid.UUID or None
        The new mail; None when it was asked for before.

    Raises
    ------
    InvalidInputError
        The recipient is not one address.
    """
    if not is_address(recipient):
        raise InvalidInputError("This is not an e-mail address that mail can be sent to.")
    values: dict[str, Any] = {"mail_id": uuid7(), "kind": kind, "recipient": recipient, "event_key": event_key}
    values["fields"] = orjson.dumps(fields).decode().replace("\\u0000", "\\ufffd")
    mail_id: UUID | None = connection.scalar(_INSERT, values)
    return mail_id
