"""Asking for a mail: a row in the transaction of what it tells of; the queue `mail` sends it."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, text

from tracetrack_common.ids import uuid7

_INSERT = text(
    "INSERT INTO mail (mail_id, kind, recipient, fields, event_key)"
    " VALUES (:mail_id, :kind, :recipient, CAST(:fields AS jsonb), :event_key) ON CONFLICT (event_key) DO NOTHING"
)


def request_mail(
    connection: Connection, *, kind: str, recipient: str, fields: Mapping[str, Any], event_key: str
) -> None:
    """Have a mail sent once this transaction has committed.

    Parameters
    ----------
    connection
        Inside the transaction of what the mail tells of.
    kind
        Which letter it is.
    recipient
        An e-mail address.
    fields
        What the letter needs; a secret among them is there until the mail has left.
    event_key
        What happened, and to whom it is told: the same is sent once.
    """
    values = {
        "mail_id": uuid7(),
        "kind": kind,
        "recipient": recipient,
        "fields": orjson.dumps(fields).decode(),
        "event_key": event_key,
    }
    connection.execute(_INSERT, values)
