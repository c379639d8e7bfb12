"""Undo: the link goes, both bags stay, the scan stays and is marked (domain.md, Scans)."""

from typing import Any

from sqlalchemy import Connection, Row, text

from tracetrack_common.contracts import Command
from tracetrack_common.db.session import StateChangedError
from tracetrack_common.domain.moves import Refused, is_undone_unnamed, take_out
from tracetrack_common.domain.scans import Kind, Outcome
from tracetrack_common.errors import ConflictError, NotFoundError
from tracetrack_scan_worker import storage
from tracetrack_scan_worker.moves import (
    Places,
    audit_move,
    count_document,
    describe_count,
    find_bag,
    lock_places,
    refusal_of,
    write_move,
)

_FIND_NEWEST = text(
    "SELECT scan.scan_id, scan.scanned_at, child.code"
    " FROM bag_link JOIN scan ON scan.scan_id = bag_link.link_id JOIN bag AS child ON child.bag_id = bag_link.child_id"
    " WHERE bag_link.parent_id = :parent_id AND valid_until IS NULL ORDER BY valid_from DESC, link_id DESC LIMIT 1"
)
_FIND_LINK = text("SELECT CAST(link_id AS text) FROM bag_link WHERE child_id = :child_id AND valid_until IS NULL")
_FIND_UNDO = text("SELECT undone_at FROM scan_undo WHERE scan_id = :scan_id")
_MARK = text(
    "INSERT INTO scan_undo (scan_id, command_id, undone_at, device_id, user_id)"
    " SELECT scan_id, :command_id, :undone_at, :device_id, :user_id FROM scan WHERE scan_id = :link_id"
    " RETURNING CAST(scan_id AS text)"
)


def undo_scan(connection: Connection, command: Command) -> dict[str, Any]:
    """Undo an applied child scan, however old it is.

    Returns
    -------
    dict
        ``code``, ``scan_id``, ``parent``, ``message``, ``undone_at``.

    Raises
    ------
    NotFoundError
        No such scan in the actor's reach.
    ConflictError
        It put no child in a sack, was undone already, or its child is elsewhere since; or the sack's bill is completed.
    """
    scan_id = command.arguments["scan_id"]
    found = storage.select_scans(connection, [scan_id]).get(scan_id)
    actor, _, key = command.actor.partition(":")
    if (
        found is None
        or command.area_id not in {None, found[0].area_id}
        or (actor == "device" and found[0].device_id != int(key))
    ):
        raise NotFoundError(f"There is no scan {scan_id}.")
    scan, result = found
    if scan.kind is not Kind.CHILD or result.outcome is not Outcome.APPLIED or scan.target is None:
        raise ConflictError("Only a scan that put a child in a sack can be undone; this one did not.")
    places = lock_places(connection, {scan.code, scan.target})
    undone_at = connection.scalar(_FIND_UNDO, {"scan_id": scan_id})
    if undone_at is not None:
        raise ConflictError(f"This scan was undone already, at {undone_at:%Y-%m-%d %H:%M:%S} UTC.")
    if connection.scalar(_FIND_LINK, {"child_id": places.bags[scan.code].bag_id}) != scan_id:
        raise ConflictError(f"{scan.code} has left {scan.target} since; there is nothing to undo.")
    return _undo(connection, command, scan.code, scan.target, places)


def undo_in_bag(connection: Connection, command: Command) -> dict[str, Any]:
    """Undo in a sack: its newest applied child scan that still holds, up to an hour old, or a child that is named.

    Returns
    -------
    dict
        As of `undo_scan`; ``scan_id`` is None when a relink had put the child in.

    Raises
    ------
    NotFoundError
        No such sack in the actor's reach.
    ConflictError
        It is no sack, or holds no such child; its newest scan is too old; or its bill is completed.
    """
    code, child = command.arguments["code"], command.arguments["child"]
    sack = find_bag(connection, code, command.area_id)
    if sack.capacity is None:
        raise refusal_of(Refused(Outcome.WRONG_BAG_TYPE, code), code)
    if child is not None:
        places = lock_places(connection, {child, code})
        if child not in places.bags or places.bags[child].parent != code:
            raise ConflictError(f"{child} is not in {code}; there is nothing to undo.")
        return _undo(connection, command, child, code, places)
    newest = _find_newest(connection, sack)
    places = lock_places(connection, {newest.code, code})
    if _find_newest(connection, sack) != newest:
        raise StateChangedError("a child went in or out meanwhile")
    if not is_undone_unnamed(newest.scanned_at, command.origin.received_at):
        minutes = int((command.origin.received_at - newest.scanned_at).total_seconds() // 60)
        raise ConflictError(
            f"The newest scan of {code}, that of {newest.code}, is {minutes} minutes old;"
            " after 60 minutes name the child to undo it."
        )
    return _undo(connection, command, newest.code, code, places)


def _find_newest(connection: Connection, sack: Row[Any]) -> Row[Any]:
    newest = connection.execute(_FIND_NEWEST, {"parent_id": sack.bag_id}).one_or_none()
    if newest is None:
        raise ConflictError(f"No scan of a child in {sack.code} is left to undo.")
    return newest


def _undo(connection: Connection, command: Command, child: str, sack: str, places: Places) -> dict[str, Any]:
    moved = take_out(places.bags[child], places.bags[sack], places.bills)
    if isinstance(moved, Refused):
        raise refusal_of(moved, child)
    began = write_move(connection, command, moved)
    actor, _, key = command.actor.partition(":")
    scan_id = connection.scalar(
        _MARK,
        {
            "link_id": began,
            "command_id": command.command_id,
            "undone_at": command.origin.received_at,
            "device_id": int(key) if actor == "device" else None,
            "user_id": int(key) if actor == "user" else None,
        },
    )
    audit_move(connection, command, moved, places, scan_id=scan_id)
    return {
        "code": child,
        "scan_id": scan_id,
        "parent": count_document(moved.source),
        "message": f"{child} taken out of {sack} ({describe_count(moved.source)})",
        "undone_at": command.origin.received_at.isoformat(),
    }
