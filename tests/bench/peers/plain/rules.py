"""A child scan applied to the tables, in the order of the checks that ``domain.md`` asks for."""

import datetime as dt
import re
import uuid
from typing import NamedTuple

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tests.bench.peers.plain.models import Audit, Bag, Bill, Link, Scan

PARENT = re.compile(r"SB\d{5}|M444-\d{5}")
CHILD = re.compile(r"[A-Z0-9]{4,20}")
CAPACITY = 30


class ScanMessage(NamedTuple):
    """What the gateway hands to the worker for one scan; the times are corrected already."""

    scan_id: uuid.UUID
    device_id: int
    area: str
    code: str
    parent_code: str
    epoch: int | None
    seq: int | None
    scanned_at: dt.datetime
    corrected_at: dt.datetime
    received_at: dt.datetime


class AlreadyAppliedError(Exception):
    """The scan was applied before; the transaction must be rolled back, for it may not count twice."""


class Verdict(NamedTuple):
    """An outcome and the thing it names."""

    outcome: str
    refers_to: str | None = None


BAGS = (
    select(Bag.code, Bag.parent_code, Bag.child_count, Bag.bill_no)
    .where(Bag.code.in_(bindparam("codes", expanding=True)))
    .order_by(Bag.code)
    .with_for_update()
)
NEW_BAG = upsert(Bag).on_conflict_do_nothing()
PUT_IN = update(Bag).where(Bag.code == bindparam("child"))
COUNT_UP = update(Bag).where(Bag.code == bindparam("parent")).values(child_count=Bag.child_count + 1)
NEW_SCAN = upsert(Scan).on_conflict_do_nothing()


def apply_scan(connection: Connection, scan: ScanMessage) -> None:
    """Decide on one child scan and write the scan, its effects and its audit row; the caller's transaction commits.

    Raises
    ------
    AlreadyAppliedError
        When the scan is there already: the caller's transaction rolls back.
    """
    verdict = misfit(scan) or link(connection, scan)
    row = scan._asdict()
    del row["area"]
    row |= {"kind": "child", "outcome": verdict.outcome, "refers_to": verdict.refers_to}
    if not connection.execute(NEW_SCAN, row).rowcount:
        raise AlreadyAppliedError
    connection.execute(
        insert(Audit),
        {
            "at": scan.received_at,
            "device_id": scan.device_id,
            "action": "scan",
            "target": scan.code,
            "detail": {"scan_id": str(scan.scan_id), "parent_code": scan.parent_code, "outcome": verdict.outcome},
        },
    )


def misfit(scan: ScanMessage) -> Verdict | None:
    """Refuse codes that cannot be a child in a sack, before the tables are asked."""
    if PARENT.fullmatch(scan.code):
        return Verdict("wrong_bag_type")
    if not CHILD.fullmatch(scan.code):
        return Verdict("invalid_code")
    if PARENT.fullmatch(scan.parent_code):
        return None
    return Verdict("wrong_bag_type" if CHILD.fullmatch(scan.parent_code) else "invalid_code")


def link(connection: Connection, scan: ScanMessage) -> Verdict:
    """Put the child into the sack when the rules allow it; either bag is made when it is new."""
    bags = locked_bags(connection, scan)
    bag = {"area": scan.area, "created_at": scan.received_at, "child_count": 0}
    if scan.parent_code not in bags:
        # Two first scans of one sack may meet here: the second waits for the first and then finds its row.
        connection.execute(NEW_BAG, {**bag, "code": scan.parent_code, "is_parent": True})
        bags = locked_bags(connection, scan)
    parent, child = bags[scan.parent_code], bags.get(scan.code)
    if child is not None and child.parent_code is not None:
        if child.parent_code == scan.parent_code:
            return Verdict("duplicate")
        return Verdict("linked_elsewhere", child.parent_code)
    if parent.bill_no is not None and status_of(connection, parent.bill_no) == "completed":
        return Verdict("bill_completed", parent.bill_no)
    if parent.child_count >= CAPACITY:
        return Verdict("parent_full")
    if child is None:
        connection.execute(insert(Bag), {**bag, "code": scan.code, "is_parent": False, "parent_code": scan.parent_code})
    else:
        connection.execute(PUT_IN, {"child": scan.code, "parent_code": scan.parent_code})
    connection.execute(COUNT_UP, {"parent": scan.parent_code})
    connection.execute(
        insert(Link),
        {
            "child_code": scan.code,
            "parent_code": scan.parent_code,
            "linked_at": scan.corrected_at,
            "scan_id": scan.scan_id,
        },
    )
    return Verdict("applied")


def locked_bags(connection: Connection, scan: ScanMessage) -> dict[str, Row[str, str | None, int, str | None]]:
    """Read and lock both bags of a scan, always in code order, so that no two transactions can deadlock."""
    return {bag.code: bag for bag in connection.execute(BAGS, {"codes": [scan.code, scan.parent_code]})}


def status_of(connection: Connection, bill_no: str) -> str:
    """Give the state of a bill."""
    return connection.execute(select(Bill.status).where(Bill.bill_no == bill_no)).scalar_one()
