"""Commands on bills (domain.md, Bills)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

from tracetrack_common.contracts import Command
from tracetrack_common.db.session import StateChangedError
from tracetrack_common.errors import ConflictError, NotFoundError, PreconditionFailedError, TraceTrackError
from tracetrack_common.records import keep_record
from tracetrack_scan_worker import loading
from tracetrack_scan_worker.areas import find_area
from tracetrack_scan_worker.numbering import next_number

_INSERT = text(
    "INSERT INTO bill (bill_no, area_id, capacity, destination, vehicle, description, created_by, created_at)"
    " VALUES (:bill_no, :area_id, :capacity, :destination, :vehicle, :description, :created_by, :created_at)"
    " ON CONFLICT (bill_no) DO NOTHING RETURNING bill_id"
)
_LOCK = text(
    "SELECT bill_id, bill_no, area_id, status, capacity, destination, vehicle, description, version,"
    " sacks, children, actual_weight_g, expected_weight_g"
    " FROM bill WHERE bill_no = :bill_no AND deleted_at IS NULL"
    " AND (CAST(:area_id AS int) IS NULL OR area_id = :area_id) FOR UPDATE"
)
_LOCK_SACKS = text(
    "SELECT bag.bag_id, bag.bill_id FROM bill JOIN bill_sack USING (bill_id)"
    " JOIN bag ON bag.bag_id = bill_sack.parent_id"
    " WHERE bill_no = :bill_no AND valid_until IS NULL ORDER BY bag.code FOR UPDATE OF bag"
)
_TURN = text("UPDATE bill SET status = :status, version = version + 1 WHERE bill_id = :bill_id")
_KEEP_VERSION = text(
    "INSERT INTO bill_version (bill_id, version, capacity, destination, vehicle, description, valid_until, closed_by)"
    " SELECT bill_id, version, capacity, destination, vehicle, description,"
    " greatest(:at, (SELECT max(valid_until) FROM bill_version WHERE bill_id = :bill_id)), :command_id"
    " FROM bill WHERE bill_id = :bill_id"
)
_EDIT = text(
    "UPDATE bill SET capacity = :capacity, destination = :destination, vehicle = :vehicle, description = :description,"
    " version = version + 1 WHERE bill_id = :bill_id"
)
_DELETE = text(
    "UPDATE bill SET deleted_at = :at, deleted_by = :deleted_by, version = version + 1 WHERE bill_id = :bill_id"
)
_CLOSE_STATE = text(
    "UPDATE bill_state SET valid_until = greatest(valid_from, :at)"
    " WHERE bill_id = :bill_id AND valid_until IS NULL RETURNING valid_until"
)
_OPEN_STATE = text(
    "INSERT INTO bill_state (change_id, bill_id, status, reason, valid_from)"
    " VALUES (:change_id, :bill_id, :status, :reason, :valid_from)"
)

_EDITABLE = ("capacity", "destination", "vehicle", "description")


def create_bill(connection: Connection, command: Command) -> dict[str, Any]:
    """Create a bill; without a number, the system gives ``BILL-YYYY-NNNNNN``.

    Returns
    -------
    dict
        ``bill_no``.

    Raises
    ------
    InvalidInputError
        The area is not known.
    ConflictError
        The number is taken.
    """
    wanted = command.arguments
    area = find_area(connection, wanted["area"])
    values = {
        **wanted,
        "area_id": area.area_id,
        "created_by": user_id_of(command),
        "created_at": command.origin.received_at,
    }
    bill_no, bill_id = _insert(connection, values, year=area.local_date(command.origin.received_at).year)
    _open_state(connection, command, bill_id, "new")
    audit_bill(connection, command, bill_no, before=None, after=dict(wanted) | {"bill_no": bill_no})
    return {"bill_no": bill_no}


def edit_bill(connection: Connection, command: Command) -> dict[str, Any]:
    """Change what a bill says of itself; what it said before is kept, since closed days show that.

    Returns
    -------
    dict
        ``bill_no``.

    Raises
    ------
    NotFoundError, PreconditionFailedError
        As `lock_bill` does.
    ConflictError
        It is completed, or there are more sacks on it than it would have room for.
    """
    bill = lock_bill(connection, command)
    require_open(bill)
    before = {name: getattr(bill, name) for name in _EDITABLE}
    after = before | command.arguments["changes"]
    if after["capacity"] < bill.sacks:
        raise ConflictError(f"Bill {bill.bill_no} has {bill.sacks} sacks on it; its capacity cannot be less.")
    if after != before:
        _keep_version(connection, command, bill.bill_id)
        connection.execute(_EDIT, {**after, "bill_id": bill.bill_id})
        audit_bill(connection, command, bill.bill_no, before=before, after=after)
    return {"bill_no": bill.bill_no}


def complete_bill(connection: Connection, command: Command) -> dict[str, Any]:
    """Complete a bill: when it holds as many sacks as it has room for, or short with a reason.

    Returns
    -------
    dict
        ``bill_no``.

    Raises
    ------
    NotFoundError, PreconditionFailedError
        As `lock_bill` does.
    ConflictError
        It is completed already, or needs more sacks and no reason was given.
    """
    bill = lock_bill(connection, command)
    reason = (command.arguments["reason"] or "").strip()
    if bill.status == "completed":
        raise ConflictError(f"Bill {bill.bill_no} is completed already.")
    missing = bill.capacity - bill.sacks
    if missing and not reason:
        raise ConflictError(f"Bill {bill.bill_no} needs {missing} more; give a reason to complete it short.")
    _turn(connection, command, bill, "completed", reason=reason if missing else None)
    audit_bill(
        connection,
        command,
        bill.bill_no,
        before=totals_of(bill) | {"status": bill.status},
        after=totals_of(bill) | {"status": "completed", "missing": missing, "reason": reason or None},
    )
    return {"bill_no": bill.bill_no}


def reopen_bill(connection: Connection, command: Command) -> dict[str, Any]:
    """Reopen a completed bill, so that sacks go on and off again.

    Returns
    -------
    dict
        ``bill_no``.

    Raises
    ------
    NotFoundError, PreconditionFailedError
        As `lock_bill` does.
    ConflictError
        It is not completed.
    """
    bill = lock_bill(connection, command)
    if bill.status != "completed":
        raise ConflictError(f"Bill {bill.bill_no} is not completed.")
    _turn(connection, command, bill, "processing")
    audit_bill(
        connection,
        command,
        bill.bill_no,
        before=totals_of(bill) | {"status": bill.status},
        after=totals_of(bill) | {"status": "processing"},
    )
    return {"bill_no": bill.bill_no}


def delete_bill(connection: Connection, command: Command) -> dict[str, Any] | TraceTrackError:
    """Delete a bill and free its sacks. Its row stays, since closed days show it, and its number stays taken.

    Returns
    -------
    dict or ConflictError
        ``bill_no`` and ``sacks_freed``. A completed bill is not deleted; that it was tried is audited.

    Raises
    ------
    NotFoundError, PreconditionFailedError
        As `lock_bill` does.
    StateChangedError
        Sacks went on or off just then.
    """
    sacks = connection.execute(_LOCK_SACKS, {"bill_no": command.arguments["bill_no"]}).all()
    bill = lock_bill(connection, command)
    before = {name: getattr(bill, name) for name in ("status", *_EDITABLE)} | totals_of(bill)
    if bill.status == "completed":
        audit_bill(connection, command, bill.bill_no, action="bill.delete_refused", before=before, after=None)
        return ConflictError(f"Bill {bill.bill_no} is completed; reopen it first.")
    bags = [sack.bag_id for sack in sacks if sack.bill_id == bill.bill_id]
    if len(bags) != bill.sacks:
        raise StateChangedError("other sacks are on this bill than those that were locked")
    loading.take_off(connection, command, bill.bill_id, bags)
    at = command.origin.received_at
    connection.execute(_CLOSE_STATE, {"bill_id": bill.bill_id, "at": at})
    connection.execute(_DELETE, {"bill_id": bill.bill_id, "at": at, "deleted_by": user_id_of(command)})
    audit_bill(connection, command, bill.bill_no, before=before, after={"deleted": True, "sacks_freed": len(bags)})
    return {"bill_no": bill.bill_no, "sacks_freed": len(bags)}


def lock_bill(connection: Connection, command: Command) -> Row[Any]:
    """Lock the bill a command names, for as long as its transaction lasts.

    Parameters
    ----------
    connection
        Holds every bag that it will hold: scans lock bags first.
    command
        With ``bill_no`` and, where the caller said so, the ``versions`` one of which the bill must have.

    Raises
    ------
    NotFoundError
        No such bill in the actor's reach.
    PreconditionFailedError
        It has another version by now.
    """
    number, versions = command.arguments["bill_no"], command.arguments.get("versions")
    bill = connection.execute(_LOCK, {"bill_no": number, "area_id": command.area_id}).one_or_none()
    if bill is None:
        raise NotFoundError(f"There is no bill {number}.")
    if versions is not None and bill.version not in versions:
        raise PreconditionFailedError(f"Bill {number} was changed since you read it; read it again.")
    return bill


def require_open(bill: Row[Any]) -> None:
    """Let nothing be changed on a completed bill.

    Raises
    ------
    ConflictError
        It is completed.
    """
    if bill.status == "completed":
        raise ConflictError(f"Bill {bill.bill_no} is completed; reopen it first.")


def totals_of(bill: Row[Any]) -> dict[str, Any]:
    """Give a bill's totals, as the audit log shows them."""
    return {
        "sacks": bill.sacks,
        "children": bill.children,
        "actual_weight_g": bill.actual_weight_g,
        "expected_weight_g": bill.expected_weight_g,
    }


def audit_bill(
    connection: Connection,
    command: Command,
    bill_no: str,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    action: str | None = None,
) -> None:
    """Write the audit row of a change to a bill; the action is the command's name when left out."""
    keep_record(connection, command, f"bill:{bill_no}", before=before, after=after, action=action)


def user_id_of(command: Command) -> int:
    """Give the key of the person who sent a command."""
    return int(command.actor.removeprefix("user:"))


def _insert(connection: Connection, values: Mapping[str, Any], *, year: int) -> tuple[str, int]:
    given = values["bill_no"]
    while True:
        bill_no = given or next_number(connection, f"BILL-{year}", digits=6)
        bill_id = connection.scalar(_INSERT, {**values, "bill_no": bill_no})
        if bill_id is not None:
            return bill_no, bill_id
        if given:
            raise ConflictError(f"There is, or was, a bill {given} already; give another number.")


def _turn(connection: Connection, command: Command, bill: Row[Any], status: str, *, reason: str | None = None) -> None:
    connection.execute(_TURN, {"bill_id": bill.bill_id, "status": status})
    _open_state(connection, command, bill.bill_id, status, reason=reason)


def _keep_version(connection: Connection, command: Command, bill_id: int) -> None:
    values = {"bill_id": bill_id, "at": command.origin.received_at, "command_id": command.command_id}
    connection.execute(_KEEP_VERSION, values)


def _open_state(
    connection: Connection, command: Command, bill_id: int, status: str, *, reason: str | None = None
) -> None:
    since = connection.scalar(_CLOSE_STATE, {"bill_id": bill_id, "at": command.origin.received_at})
    connection.execute(
        _OPEN_STATE,
        {
            "change_id": command.command_id,
            "bill_id": bill_id,
            "status": status,
            "reason": reason,
            "valid_from": since or command.origin.received_at,
        },
    )
