"""Moving a child by command: what locks, writes and refuses, shared by undo and relink."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from tracetrack_common.contracts import Command
from tracetrack_common.domain.decide import Bag, Bill
from tracetrack_common.domain.moves import Moved, Refused
from tracetrack_common.domain.scans import Outcome, format_kg
from tracetrack_common.errors import ConflictError, InvalidInputError, NotFoundError, TraceTrackError
from tracetrack_common.records import keep_record
from tracetrack_scan_worker import storage

_FIND_BAG = text(
    "SELECT bag.bag_id, bag.code, bag.area_id, bag.capacity, parent.code AS parent"
    " FROM bag LEFT JOIN bag AS parent ON parent.bag_id = bag.parent_id"
    " WHERE bag.code = :code AND bag.deleted_at IS NULL AND (CAST(:area_id AS int) IS NULL OR bag.area_id = :area_id)"
)
_CLOSE_LINK = text(
    "UPDATE bag_link SET valid_until = greatest(valid_from, :at), closed_by = :command_id"
    " WHERE child_id = :child_id AND valid_until IS NULL RETURNING link_id, valid_until"
)
_OPEN_LINK = text(
    "INSERT INTO bag_link (link_id, child_id, parent_id, valid_from)"
    " VALUES (:command_id, :child_id, :parent_id, :valid_from)"
)
_PLACE_CHILD = text("UPDATE bag SET parent_id = :parent_id WHERE bag_id = :child_id")
_COUNT_CHILDREN = text("UPDATE bag SET children = :children WHERE bag_id = :bag_id")

_SENTENCES: Mapping[Outcome, str] = {
    Outcome.BILL_COMPLETED: "{sack} is on completed bill {refers_to}, which is locked until it is reopened.",
    Outcome.PARENT_FULL: "{sack} is full, {code} was not moved.",
    Outcome.WRONG_BAG_TYPE: "{sack} is a child bag, not a sack.",
    Outcome.DUPLICATE: "{code} is in {sack} already.",
    Outcome.UNKNOWN_BAG: "There is no sack {sack}; scan it first.",
}


@dataclass(frozen=True, slots=True)
class Places:
    """Bags that are locked, with the bills they are on.

    Parameters
    ----------
    bags
        By code; what is not in them does not exist.
    bills
        By number.
    """

    bags: Mapping[str, Bag]
    bills: Mapping[str, Bill]


def find_bag(connection: Connection, code: str, area_id: int | None) -> Row[Any]:
    """Give a bag as it stands, not locked: bag_id, code, area_id, capacity, parent.

    Raises
    ------
    NotFoundError
        There is none, or not in that area.
    """
    row = connection.execute(_FIND_BAG, {"code": code, "area_id": area_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no bag {code}.")
    return row


def lock_places(connection: Connection, codes: Collection[str]) -> Places:
    """Lock bags in the order of their codes, then their bills, as applying scans does."""
    rows = storage.lock_bags(connection, codes)
    bills = storage.lock_bills(connection, {row.bill_id for row in rows if row.bill_id is not None}, ())
    parents = storage.select_codes(connection, {row.parent_id for row in rows} - {None})
    numbers = {bill.bill_id: bill.bill_no for bill in bills}
    bags = {
        row.code: Bag(
            code=row.code,
            area_id=row.area_id,
            capacity=row.capacity,
            child_weight_g=row.child_weight_g,
            children=row.children,
            parent=parents.get(row.parent_id),
            bill_no=numbers.get(row.bill_id),
            bag_id=row.bag_id,
            is_deleted=row.is_deleted,
        )
        for row in rows
    }
    return Places(bags, {bill.bill_no: bill for bill in bills})


def write_move(connection: Connection, command: Command, moved: Moved) -> UUID:
    """Write a move at the time its command was received, and give what began the link that it ended."""
    child_id = moved.child.bag_id
    ended = connection.execute(
        _CLOSE_LINK, {"child_id": child_id, "command_id": command.command_id, "at": command.origin.received_at}
    ).one()
    target_id = None if moved.target is None else moved.target.bag_id
    if target_id is not None:
        connection.execute(
            _OPEN_LINK,
            {
                "command_id": command.command_id,
                "child_id": child_id,
                "parent_id": target_id,
                "valid_from": ended.valid_until,
            },
        )
    connection.execute(_PLACE_CHILD, {"child_id": child_id, "parent_id": target_id})
    sacks = [sack for sack in (moved.source, moved.target) if sack is not None]
    connection.execute(_COUNT_CHILDREN, [{"bag_id": sack.bag_id, "children": sack.children} for sack in sacks])
    if moved.bills:
        storage.update_bills(connection, moved.bills)
    began: UUID = ended.link_id
    return began


def audit_move(
    connection: Connection, command: Command, moved: Moved, places: Places, *, scan_id: str | None = None
) -> None:
    """Note a move with the sacks concerned and their counts, before and after."""
    sacks = [sack for sack in (moved.source, moved.target) if sack is not None]
    keep_record(
        connection,
        command,
        f"bag:{moved.child.code}",
        before={
            "parent": moved.source.code,
            "children": {sack.code: places.bags[sack.code].children for sack in sacks},
        }
        | ({} if scan_id is None else {"scan_id": scan_id}),
        after={"parent": moved.child.parent, "children": {sack.code: sack.children for sack in sacks}},
    )


def refusal_of(refused: Refused, code: str) -> TraceTrackError:
    """Give the error that says why a child cannot move; its ``outcome`` is the word that a scan would have got."""
    detail = _SENTENCES[refused.outcome].format(sack=refused.sack, code=code, refers_to=refused.refers_to)
    kind = InvalidInputError if refused.outcome is Outcome.UNKNOWN_BAG else ConflictError
    return kind(detail, errors=[{"field": "parent_code", "detail": detail, "outcome": refused.outcome}])


def count_document(sack: Bag) -> dict[str, Any]:
    """Give a sack's running count as the API shows it."""
    return {"code": sack.code, "children": sack.children, "capacity": sack.capacity, "weight_g": sack.weight_g}


def describe_count(sack: Bag) -> str:
    """Write a sack's running count: ``29/30, 29 kg``."""
    return f"{sack.children}/{sack.capacity}, {format_kg(sack.weight_g)}"
