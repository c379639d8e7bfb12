"""Taking a sack off a bill by hand (domain.md, Bills)."""

from typing import Any

from sqlalchemy import Connection

from tracetrack_common.contracts import Command
from tracetrack_common.errors import NotFoundError
from tracetrack_scan_worker import loading, storage
from tracetrack_scan_worker.bills import audit_bill, lock_bill, require_open, totals_of


def detach_sack(connection: Connection, command: Command) -> dict[str, Any]:
    """Take a sack off the bill it is on; its children stay in it.

    Returns
    -------
    dict
        ``bill_no``.

    Raises
    ------
    NotFoundError
        There is no such bill in the actor's reach, or the sack is not on it.
    ConflictError
        The bill is completed.
    """
    code = command.arguments["code"]
    bags = storage.lock_bags(connection, [code])
    bill = lock_bill(connection, command)
    if not bags or bags[0].bill_id != bill.bill_id:
        raise NotFoundError(f"There is no sack {code} on bill {bill.bill_no}.")
    require_open(bill)
    loading.take_off(connection, command, bill.bill_id, [bags[0].bag_id])
    after = totals_of(lock_bill(connection, command))
    audit_bill(connection, command, bill.bill_no, before=totals_of(bill) | {"sack": code}, after=after)
    return {"bill_no": bill.bill_no}
