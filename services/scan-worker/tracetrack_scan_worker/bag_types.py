"""Commands on bag types (domain.md, Codes): no two patterns share a code, and none takes a child's."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from tracetrack_common.contracts import Command
from tracetrack_common.domain.codes import BagType
from tracetrack_common.domain.patterns import SackPattern
from tracetrack_common.entity_tag import require_unchanged
from tracetrack_common.errors import ConflictError, InvalidInputError, NotFoundError
from tracetrack_common.records import keep_record
from tracetrack_scan_worker.storage import select_bag_types

# Changes wait for one another, since each is held against all others; who reads does not wait.
_LOCK = text("LOCK TABLE bag_type IN SHARE ROW EXCLUSIVE MODE")
_INSERT = text(
    "INSERT INTO bag_type (name, parent_pattern, capacity, child_weight_g)"
    " VALUES (:name, :parent_pattern, :capacity, :child_weight_g) RETURNING bag_type_id"
)
_UPDATE = text(
    "UPDATE bag_type SET name = :name, parent_pattern = :parent_pattern, capacity = :capacity,"
    " child_weight_g = :child_weight_g WHERE bag_type_id = :bag_type_id"
)
_COUNT_CHILDREN = text(
    "SELECT count(*) FROM bag WHERE capacity IS NULL AND length(code) = :length AND code ~ ('^(?:' || :pattern || ')$')"
)


def create_bag_type(connection: Connection, command: Command) -> dict[str, Any]:
    """Create a bag type; scans meet it within two seconds.

    Returns
    -------
    dict
        ``bag_type_id``.

    Raises
    ------
    InvalidInputError
        The pattern is not one.
    ConflictError
        The name is taken, or the pattern matches what another matches, or codes of children.
    """
    wanted = dict(command.arguments)
    connection.execute(_LOCK)
    _check(connection, wanted, select_bag_types(connection), is_pattern_new=True)
    bag_type_id = connection.execute(_INSERT, wanted).scalar_one()
    _audit(connection, command, bag_type_id, before=None, after=wanted)
    return {"bag_type_id": bag_type_id}


def change_bag_type(connection: Connection, command: Command) -> dict[str, Any]:
    """Change a bag type; sacks that are there keep the capacity and child weight they were created with.

    Returns
    -------
    dict
        ``bag_type_id``.

    Raises
    ------
    NotFoundError
        There is none of that key.
    PreconditionFailedError
        It is not as the caller has read it.
    InvalidInputError, ConflictError
        As of `create_bag_type`.
    """
    bag_type_id, changes = command.arguments["bag_type_id"], command.arguments["changes"]
    connection.execute(_LOCK)
    bag_types = {each.bag_type_id: each for each in select_bag_types(connection)}
    if bag_type_id not in bag_types:
        raise NotFoundError(f"There is no bag type {bag_type_id}.")
    before = _fields_of(bag_types.pop(bag_type_id))
    require_unchanged("bag_type", before, command.arguments)
    after = before | changes
    is_pattern_new = after["parent_pattern"] != before["parent_pattern"]
    _check(connection, after, list(bag_types.values()), is_pattern_new=is_pattern_new)
    connection.execute(_UPDATE, {**after, "bag_type_id": bag_type_id})
    _audit(connection, command, bag_type_id, before=before, after=after)
    return {"bag_type_id": bag_type_id}


def _fields_of(bag_type: BagType) -> dict[str, Any]:
    return {
        "name": bag_type.name,
        "parent_pattern": bag_type.parent_pattern,
        "capacity": bag_type.capacity,
        "child_weight_g": bag_type.child_weight_g,
    }


def _check(
    connection: Connection, wanted: Mapping[str, Any], others: Sequence[BagType], *, is_pattern_new: bool
) -> None:
    if any(other.name == wanted["name"] for other in others):
        raise ConflictError(f"There is a bag type {wanted['name']} already.", errors=[_error("name", "is taken")])
    if not is_pattern_new:
        return
    pattern = _read(wanted["parent_pattern"])
    for other in others:
        common = _read(other.parent_pattern).find_common(pattern)
        if common is not None:
            raise ConflictError(
                f"{common} would be a sack of {other.name} too, whose pattern is {other.parent_pattern}.",
                errors=[_error("parent_pattern", f"overlaps that of {other.name}")],
            )
    children = connection.execute(
        _COUNT_CHILDREN, {"length": len(pattern.places), "pattern": wanted["parent_pattern"]}
    ).scalar_one()
    if children:
        raise ConflictError(
            f"{children:,} bags that are registered as children have codes of this pattern.",
            errors=[_error("parent_pattern", "matches children")],
        )


def _read(pattern: str) -> SackPattern:
    try:
        return SackPattern.read(pattern)
    except ValueError as error:
        detail = f"{pattern} is not a pattern that can be compared: {error}."
        raise InvalidInputError(detail, errors=[_error("parent_pattern", str(error))]) from error


def _error(field: str, detail: str) -> dict[str, str]:
    return {"field": field, "detail": detail}


def _audit(
    connection: Connection,
    command: Command,
    bag_type_id: int,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> None:
    keep_record(connection, command, f"bag_type:{bag_type_id}", before=before, after=after)
