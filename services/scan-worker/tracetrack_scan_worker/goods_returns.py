"""Commands on returns (domain.md, Returns)."""

from typing import Any

from sqlalchemy import Connection, text

from tracetrack_common import audit
from tracetrack_common.contracts import Command
from tracetrack_scan_worker.areas import find_area
from tracetrack_scan_worker.numbering import next_number

_INSERT = text(
    "INSERT INTO goods_return (return_no, area_id, notes, created_by, created_at)"
    " VALUES (:return_no, :area_id, :notes, :created_by, :created_at)"
)


def create_return(connection: Connection, command: Command) -> dict[str, Any]:
    """Open a return, numbered ``RTN-YYYYMMDD-NNNN`` by the system.

    Returns
    -------
    dict
        ``return_no``.

    Raises
    ------
    InvalidInputError
        The area is not known.
    """
    wanted = command.arguments
    at = command.origin.received_at
    area = find_area(connection, wanted["area"])
    return_no = next_number(connection, f"RTN-{area.local_date(at):%Y%m%d}", digits=4)
    connection.execute(
        _INSERT,
        {
            "return_no": return_no,
            "area_id": area.area_id,
            "notes": wanted["notes"],
            "created_by": int(command.actor.removeprefix("user:")),
            "created_at": at,
        },
    )
    audit.append(
        connection,
        actor=command.actor,
        action="return.create",
        object_=f"return:{return_no}",
        at=at,
        after=wanted,
        request_id=command.origin.request_id,
        address=command.origin.address,
    )
    return {"return_no": return_no}
