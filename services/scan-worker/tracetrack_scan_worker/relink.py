"""Relink: a child goes from one sack to another at once (domain.md, Scans)."""

from typing import Any

from sqlalchemy import Connection

from tracetrack_common.contracts import Command
from tracetrack_common.db.session import StateChangedError
from tracetrack_common.domain.moves import Refused, put_in_another
from tracetrack_common.errors import ConflictError
from tracetrack_scan_worker.moves import (
    audit_move,
    count_document,
    describe_count,
    find_bag,
    lock_places,
    refusal_of,
    write_move,
)


def relink_bag(connection: Connection, command: Command) -> dict[str, Any]:
    """Move a child to another sack, by the rules that a scan into it would meet.

    Returns
    -------
    dict
        ``code``, ``source`` and ``target`` with their counts, ``message``.

    Raises
    ------
    NotFoundError
        There is no such child.
    InvalidInputError
        There is no such sack.
    ConflictError
        It is no child or in no sack, or the sack it is in or shall go into refuses it.
    """
    code, into = command.arguments["code"], command.arguments["parent_code"]
    found = find_bag(connection, code, command.area_id)
    if found.capacity is not None:
        raise ConflictError(f"{code} is a sack; only a child can be moved.")
    if found.parent is None:
        raise ConflictError(f"{code} is in no sack; scan it into {into}.")
    places = lock_places(connection, {code, found.parent, into})
    child, source = places.bags[code], places.bags[found.parent]
    if child.parent != source.code:
        raise StateChangedError("another transaction moved this child")
    moved = put_in_another(child, source, into, places.bags.get(into), places.bills)
    if isinstance(moved, Refused):
        raise refusal_of(moved, code)
    if moved.target is None:
        raise AssertionError(f"{code} was moved into no sack")
    write_move(connection, command, moved)
    audit_move(connection, command, moved, places)
    return {
        "code": code,
        "source": count_document(moved.source),
        "target": count_document(moved.target),
        "message": f"{code} moved from {source.code} ({describe_count(moved.source)})"
        f" to {into} ({describe_count(moved.target)})",
    }
