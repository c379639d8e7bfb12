"""Commands on returns (domain.md, Returns)."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

from tracetrack_common.contracts import Command
from tracetrack_common.db.arrays import array_literal
from tracetrack_common.db.session import StateChangedError
from tracetrack_common.domain.restore import Restoration, ReturnedSack, decide_restorations
from tracetrack_common.errors import ConflictError, NotFoundError
from tracetrack_common.records import keep_record
from tracetrack_scan_worker import loading, storage
from tracetrack_scan_worker.areas import find_area
from tracetrack_scan_worker.bills import user_id_of
from tracetrack_scan_worker.numbering import next_number

_INSERT = text(
    "INSERT INTO goods_return (return_no, area_id, notes, created_by, created_at)"
    " VALUES (:return_no, :area_id, :notes, :created_by, :created_at)"
)
_LOCK = text(
    "SELECT return_id, return_no, state FROM goods_return"
    " WHERE return_no = :return_no AND (CAST(:area_id AS int) IS NULL OR area_id = :area_id) FOR UPDATE"
)
_CLOSE = text("UPDATE goods_return SET state = :state WHERE return_id = :return_id")
# One that another return took over since did not come back on this one.
_COUNT_SACKS = text(
    "SELECT count(DISTINCT bag_id) FROM return_sack JOIN bag ON bag.bag_id = return_sack.parent_id"
    " WHERE return_sack.return_id = :return_id AND coalesce(bag.return_id, :return_id) = :return_id"
)
_LOCK_SACKS = text(
    "SELECT bag_id FROM bag WHERE bag_id IN (SELECT parent_id FROM return_sack"
    " JOIN goods_return USING (return_id) WHERE return_no = :return_no) ORDER BY code FOR UPDATE"
)
_LIST_SACKS = text(
    "SELECT bag.bag_id, bag.code, newest.bill_id AS left_id, left_bill.bill_no AS left_no, bill.bill_no,"
    " goods_return.return_no"
    " FROM (SELECT DISTINCT ON (parent_id) parent_id, bill_id, returned_at FROM return_sack"
    " WHERE return_id = (SELECT return_id FROM goods_return WHERE return_no = :return_no)"
    " ORDER BY parent_id, returned_at DESC, entry_id DESC) AS newest"
    " JOIN bag ON bag.bag_id = newest.parent_id LEFT JOIN bill AS left_bill ON left_bill.bill_id = newest.bill_id"
    " LEFT JOIN bill ON bill.bill_id = bag.bill_id"
    " LEFT JOIN goods_return ON goods_return.return_id = bag.return_id"
    " ORDER BY newest.returned_at, bag.code"
)
_LEAVE = text("UPDATE bag SET return_id = NULL WHERE bag_id = ANY(CAST(:bags AS bigint[])) AND return_id = :return_id")


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
            "created_by": user_id_of(command),
            "created_at": at,
        },
    )
    _audit(connection, command, return_no, before=None, after=wanted)
    return {"return_no": return_no}


def commit_return(connection: Connection, command: Command) -> dict[str, Any]:
    """Commit a return: what came back stays back, and nothing more comes.

    Returns
    -------
    dict
        ``return_no``.

    Raises
    ------
    NotFoundError
        No such return in the actor's reach.
    ConflictError
        It is closed already, or empty.
    """
    found = _lock_open(connection, command)
    sacks = connection.scalar(_COUNT_SACKS, {"return_id": found.return_id})
    if not sacks:
        raise ConflictError(f"Return {found.return_no} is empty; cancel it instead.")
    _close(connection, command, found, "committed", {"sacks": sacks})
    return {"return_no": found.return_no}


def cancel_return(connection: Connection, command: Command) -> dict[str, Any]:
    """Cancel a return: its sacks go back to the bills they left, as far as that can be.

    Returns
    -------
    dict
        ``return_no``; ``restored``, each ``{"code", "bill_no"}``; ``not_restored``, with a ``detail`` too.

    Raises
    ------
    NotFoundError
        No such return in the actor's reach.
    ConflictError
        It is closed already.
    StateChangedError
        A sack came back just then.
    """
    named = {"return_no": command.arguments["return_no"]}
    connection.execute(_LOCK_SACKS, named)
    sacks = connection.execute(_LIST_SACKS, named).all()
    bills = storage.lock_bills(connection, {sack.left_id for sack in sacks} - {None}, [])
    found = _lock_open(connection, command)
    if connection.execute(_LIST_SACKS, named).all() != sacks:
        raise StateChangedError("another sack came back on this return")
    bags = {sack.code: sack.bag_id for sack in sacks}
    restorations = decide_restorations(
        [ReturnedSack(sack.code, sack.left_no, sack.bill_no, sack.return_no) for sack in sacks],
        {bill.bill_no: bill for bill in bills},
        found.return_no,
    )
    connection.execute(_LEAVE, {"bags": array_literal(bags.values()), "return_id": found.return_id})
    for bill in bills:
        back = [bags[each.sack.code] for each in restorations if each.restored_to == bill.bill_no]
        loading.put_on(connection, command, bill.bill_id, back)
    outcome = _tell(restorations)
    _close(connection, command, found, "cancelled", outcome)
    return {"return_no": found.return_no, **outcome}


def _lock_open(connection: Connection, command: Command) -> Row[Any]:
    number = command.arguments["return_no"]
    found = connection.execute(_LOCK, {"return_no": number, "area_id": command.area_id}).one_or_none()
    if found is None:
        raise NotFoundError(f"There is no return {number}.")
    if found.state != "open":
        raise ConflictError(f"Return {number} is {found.state} already.")
    return found


def _close(
    connection: Connection, command: Command, found: Row[Any], state: str, what_became: Mapping[str, Any]
) -> None:
    connection.execute(_CLOSE, {"return_id": found.return_id, "state": state})
    _audit(connection, command, found.return_no, before={"state": found.state}, after={"state": state, **what_became})


def _tell(restorations: Iterable[Restoration]) -> dict[str, Any]:
    told: dict[str, list[dict[str, Any]]] = {"restored": [], "not_restored": []}
    for each in restorations:
        sack = {"code": each.sack.code, "bill_no": each.sack.left}
        if each.obstacle is None:
            told["restored"].append(sack)
        else:
            told["not_restored"].append(sack | {"detail": each.obstacle})
    return told


def _audit(
    connection: Connection,
    command: Command,
    return_no: str,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> None:
    keep_record(connection, command, f"return:{return_no}", before=before, after=after)
