"""Deleting a bag: it is marked, so that its history stays readable and its code its own (domain.md, Deletion)."""

from typing import Any

from sqlalchemy import Connection, text

from tracetrack_common.contracts import Command
from tracetrack_common.domain.decide import Bag
from tracetrack_common.errors import ConflictError, NotFoundError, TraceTrackError
from tracetrack_common.records import keep_record
from tracetrack_scan_worker.moves import count_document, find_bag, lock_places

_FIND_OPEN_RETURN = text(
    "SELECT return_no FROM bag JOIN goods_return USING (return_id) WHERE bag_id = :bag_id AND state = 'open'"
)
_DELETE = text(
    "WITH marked AS (UPDATE bag SET deleted_at = greatest(created_at, :at) WHERE bag_id = :bag_id"
    " RETURNING bag_id, deleted_at)"
    " INSERT INTO bag_deletion (deletion_id, bag_id, deleted_at) SELECT :deletion_id, bag_id, deleted_at FROM marked"
)


def delete_bag(connection: Connection, command: Command) -> dict[str, Any] | TraceTrackError:
    """Delete a bag that holds nothing and is nowhere; the refusal of another one is audited.

    Returns
    -------
    dict or TraceTrackError
        ``code``; or a `ConflictError` that says what stands in the way.

    Raises
    ------
    NotFoundError
        There is no such bag.
    """
    code = command.arguments["code"]
    find_bag(connection, code, command.area_id)
    bag = lock_places(connection, {code}).bags[code]
    if bag.is_deleted:
        raise NotFoundError(f"There is no bag {code}.")
    obstacle = _find_obstacle(connection, bag)
    if obstacle is None:
        values = {"bag_id": bag.bag_id, "deletion_id": command.command_id, "at": command.origin.received_at}
        connection.execute(_DELETE, values)
    keep_record(
        connection,
        command,
        f"bag:{code}",
        before=count_document(bag) if bag.is_parent else {"code": code, "parent": bag.parent},
        after=None if obstacle is None else {"refused": obstacle},
    )
    return {"code": code} if obstacle is None else ConflictError(obstacle)


def _find_obstacle(connection: Connection, bag: Bag) -> str | None:
    """Say why a bag cannot be deleted."""
    if bag.bill_no is not None:
        return f"{bag.code} is on bill {bag.bill_no} and cannot be deleted."
    if bag.children:
        return f"{bag.code} holds {bag.children} children and cannot be deleted."
    if bag.parent is not None:
        return f"{bag.code} is in {bag.parent} and cannot be deleted; take it out first."
    return_no = connection.scalar(_FIND_OPEN_RETURN, {"bag_id": bag.bag_id})
    return None if return_no is None else f"{bag.code} is on open return {return_no} and cannot be deleted."
