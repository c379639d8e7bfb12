"""Commands on bills (domain.md, Bills)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

from tracetrack_common import audit
from tracetrack_common.contracts import Command
from tracetrack_common.errors import ConflictError, NotFoundError
from tracetrack_scan_worker.areas import find_area
from tracetrack_scan_worker.numbering import next_number

_INSERT = text(
    "INSERT INTO bill (bill_no, area_id, capacity, destination, vehicle, description, created_by, created_at)"
    " VALUES (:bill_no, :area_id, :capacity, :destination, :vehicle, :description, :created_by, :created_at)"
    " ON CONFLICT (bill_no) DO NOTHING RETURNING bill_id"
)
_LOCK = text(
    "SELECT bill_id, bill_no, area_id, status, capacity, sacks, children, actual_weight_g, expected_weight_g"
    " FROM bill WHERE bill_no = :bill_no AND (CAST(:area_id AS int) IS NULL OR area_id = :area_id) FOR UPDATE"
)
_COMPLETE = text("UPDATE bill SET status = 'completed' WHERE bill_id = :bill_id")
_CLOSE_STATE = text(
    "UPDATE bill_state SET valid_until = greatest(valid_from, :at)"
    " WHERE bill_id = :bill_id AND valid_until IS NULL RETURNING valid_until"
)
_OPEN_STATE = text(
    "INSERT INTO bill_state (change_id, bill_id, status, reason, valid_from)"
    " VALUES (:change_id, :bill_id, :status, :reason, :valid_from)"
)


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
        "created_by": int(command.actor.removeprefix("user:")),
        "created_at": command.origin.received_at,
    }
    bill_no, bill_id = _insert(connection, values, year=area.local_date(command.origin.received_at).year)
    _open_state(connection, command, bill_id, "new")
    _audit(connection, command, "bill.create", bill_no, before=None, after=dict(wanted) | {"bill_no": bill_no})
    return {"bill_no": bill_no}


def complete_bill(connection: Connection, command: Command) -> dict[str, Any]:
    """Complete a bill: when it holds as many sacks as it has room for, or short with a reason.

    Returns
    -------
    dict
        ``bill_no``.

    Raises
    ------
    NotFoundError
        No such bill in the actor's reach.
    ConflictError
        It is completed already, or needs more sacks and no reason was given.
    """
    bill = connection.execute(
        _LOCK, {"bill_no": command.arguments["bill_no"], "area_id": command.area_id}
    ).one_or_none()
    reason = command.arguments["reason"]
    if bill is None:
        raise NotFoundError(f"There is no bill {command.arguments['bill_no']}.")
    if bill.status == "completed":
        raise ConflictError(f"Bill {bill.bill_no} is completed already.")
    missing = bill.capacity - bill.sacks
    if missing and not reason:
        raise ConflictError(f"Bill {bill.bill_no} needs {missing} more; give a reason to complete it short.")
    connection.execute(_COMPLETE, {"bill_id": bill.bill_id})
    _open_state(connection, command, bill.bill_id, "completed", reason=reason if missing else None)
    _audit(
        connection,
        command,
        "bill.complete",
        bill.bill_no,
        before=_totals(bill) | {"status": bill.status},
        after=_totals(bill) | {"status": "completed", "missing": missing, "reason": reason},
    )
    return {"bill_no": bill.bill_no}


def _insert(connection: Connection, values: Mapping[str, Any], *, year: int) -> tuple[str, int]:
    given = values["bill_no"]
    while True:
        bill_no = given or next_number(connection, f"BILL-{year}", digits=6)
        bill_id = connection.scalar(_INSERT, {**values, "bill_no": bill_no})
        if bill_id is not None:
            return bill_no, bill_id
        if given:
            raise ConflictError(f"There is a bill {given} already.")


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


def _totals(bill: Row[Any]) -> dict[str, Any]:
    return {
        "sacks": bill.sacks,
        "children": bill.children,
        "actual_weight_g": bill.actual_weight_g,
        "expected_weight_g": bill.expected_weight_g,
    }


def _audit(
    connection: Connection,
    command: Command,
    action: str,
    bill_no: str,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> None:
    audit.append(
        connection,
        actor=command.actor,
        action=action,
        object_=f"bill:{bill_no}",
        at=command.origin.received_at,
        before=before,
        after=after,
        request_id=command.origin.request_id,
        address=command.origin.address,
    )
