"""The audit row of a command."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from tracetrack_common import audit
from tracetrack_common.contracts import Command


def keep_record(
    connection: Connection,
    command: Command,
    object_: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    actor: str | None = None,
    action: str | None = None,
) -> None:
    """Write a command's audit row; call it last in the transaction.

    Parameters
    ----------
    connection, command
        Inside the command's transaction.
    object_
        Which thing, for instance ``user:3``.
    before, after
        The thing before and after; no secrets.
    actor, action
        Who, and what, where it is not the command's own actor, not its name.
    """
    audit.append(
        connection,
        actor=actor or command.actor,
        action=action or command.name,
        object_=object_,
        at=command.origin.received_at,
        before=before,
        after=after,
        request_id=command.origin.request_id,
        address=command.origin.address,
    )
