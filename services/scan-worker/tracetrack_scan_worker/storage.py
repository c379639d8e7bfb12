"""The statements that apply scans: each one set-based, named, and for a whole batch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from tracetrack_common.contracts import Origin
from tracetrack_common.db.arrays import array_literal, text_array_literal, time_array_literal
from tracetrack_common.domain.codes import BagType
from tracetrack_common.domain.decide import Bag, Bill, GoodsReturn, SackReturned
from tracetrack_common.domain.scans import Kind, Outcome, Result, Scan

_SELECT_BAG_TYPES = text(
    "SELECT bag_type_id, name, parent_pattern, capacity, child_weight_g FROM bag_type ORDER BY bag_type_id"
)
_SELECT_SCANS = text(
    "SELECT scan_id, kind, code, target, scanned_at, device_time, area_id, device_id, user_id, epoch, seq,"
    " outcome, refers_to, children, capacity, weight_g"
    " FROM scan WHERE scan_id = ANY(CAST(:ids AS uuid[]))"
)
_LOCK_BAGS = text(
    "SELECT bag_id, code, area_id, capacity, child_weight_g, children, parent_id, bill_id, return_id,"
    " deleted_at IS NOT NULL AS is_deleted"
    " FROM bag WHERE code = ANY(CAST(:codes AS text[])) ORDER BY code FOR UPDATE"
)
_SELECT_CODES = text("SELECT bag_id, code FROM bag WHERE bag_id = ANY(CAST(:ids AS bigint[]))")
_LOCK_BILLS = text(
    "SELECT bill_id, bill_no, area_id, status, capacity, sacks, children, actual_weight_g, expected_weight_g"
    " FROM bill WHERE (bill_id = ANY(CAST(:ids AS int[])) OR bill_no = ANY(CAST(:numbers AS text[])))"
    " AND deleted_at IS NULL ORDER BY bill_id FOR UPDATE"
)
_LOCK_RETURNS = text(
    "SELECT return_id, return_no, area_id, state"
    " FROM goods_return WHERE return_id = ANY(CAST(:ids AS int[])) OR return_no = ANY(CAST(:numbers AS text[]))"
    " ORDER BY return_id FOR SHARE"
)
_INSERT_BAGS = text(
    "INSERT INTO bag (code, area_id, capacity, child_weight_g, children, parent_id, bill_id, return_id,"
    " created_at, created_by)"
    " SELECT * FROM unnest(CAST(:codes AS text[]), CAST(:areas AS smallint[]), CAST(:capacities AS smallint[]),"
    " CAST(:weights AS int[]), CAST(:children AS smallint[]), CAST(:parents AS bigint[]), CAST(:bills AS int[]),"
    " CAST(:returns AS int[]), CAST(:times AS timestamptz[]), CAST(:scans AS uuid[]))"
    " ON CONFLICT (code) DO NOTHING RETURNING bag_id, code"
)
_UPDATE_CHILDREN = text(
    "UPDATE bag SET parent_id = v.parent_id"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:parents AS bigint[])) AS v (bag_id, parent_id)"
    " WHERE bag.bag_id = v.bag_id"
)
_UPDATE_PARENTS = text(
    "UPDATE bag SET children = v.children, bill_id = v.bill_id, return_id = v.return_id"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:children AS smallint[]), CAST(:bills AS int[]),"
    " CAST(:returns AS int[])) AS v (bag_id, children, bill_id, return_id)"
    " WHERE bag.bag_id = v.bag_id"
)
_INSERT_LINKS = text(
    "INSERT INTO bag_link (link_id, child_id, parent_id, valid_from)"
    " SELECT scan_id, child_id, parent_id, greatest(at, (SELECT max(valid_until) FROM bag_link AS past"
    " WHERE past.child_id = v.child_id AND valid_until IS NOT NULL))"
    " FROM unnest(CAST(:scans AS uuid[]), CAST(:children AS bigint[]), CAST(:parents AS bigint[]),"
    " CAST(:times AS timestamptz[])) AS v (scan_id, child_id, parent_id, at)"
)
_REVIVE_BAGS = text(
    "WITH found AS (SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:scans AS uuid[]),"
    " CAST(:times AS timestamptz[])) AS v (bag_id, scan_id, at)),"
    " ended AS (UPDATE bag_deletion SET revived_at = greatest(deleted_at, at), revived_by = scan_id FROM found"
    " WHERE bag_deletion.bag_id = found.bag_id AND revived_at IS NULL)"
    " UPDATE bag SET deleted_at = NULL FROM found WHERE bag.bag_id = found.bag_id"
)
_UPDATE_BILLS = text(
    "UPDATE bill SET status = v.status, sacks = v.sacks, children = v.children,"
    " actual_weight_g = v.actual_weight_g, expected_weight_g = v.expected_weight_g,"
    " version = bill.version + CAST(bill.status <> v.status AS int)"
    " FROM unnest(CAST(:ids AS int[]), CAST(:statuses AS text[]), CAST(:sacks AS smallint[]),"
    " CAST(:children AS int[]), CAST(:actual AS bigint[]), CAST(:expected AS bigint[]))"
    " AS v (bill_id, status, sacks, children, actual_weight_g, expected_weight_g)"
    " WHERE bill.bill_id = v.bill_id"
)
_START_BILLS = text(
    "WITH started AS (SELECT * FROM unnest(CAST(:ids AS int[]), CAST(:scans AS uuid[]),"
    " CAST(:times AS timestamptz[])) AS v (bill_id, change_id, at)),"
    " closed AS (UPDATE bill_state SET valid_until = greatest(valid_from, started.at) FROM started"
    " WHERE bill_state.bill_id = started.bill_id AND valid_until IS NULL"
    " RETURNING bill_state.bill_id, valid_until)"
    " INSERT INTO bill_state (change_id, bill_id, status, valid_from)"
    " SELECT change_id, bill_id, 'processing', valid_until FROM started JOIN closed USING (bill_id)"
)
_CLOSE_BILL_SACKS = text(
    "UPDATE bill_sack SET valid_until = greatest(valid_from, v.at), closed_by = v.scan_id"
    " FROM unnest(CAST(:parents AS bigint[]), CAST(:scans AS uuid[]), CAST(:times AS timestamptz[]))"
    " AS v (parent_id, scan_id, at)"
    " WHERE bill_sack.parent_id = v.parent_id AND valid_until IS NULL"
)
_INSERT_BILL_SACKS = text(
    "INSERT INTO bill_sack (entry_id, bill_id, parent_id, valid_from, valid_until, closed_by)"
    " VALUES (:entry_id, :bill_id, :parent_id, :valid_from, :valid_until, :closed_by)"
)
_INSERT_RETURN_SACKS = text(
    "INSERT INTO return_sack (entry_id, return_id, parent_id, bill_id, children, child_codes, weight_g,"
    " bill_weight_before_g, bill_weight_after_g, returned_at)"
    " VALUES (:entry_id, :return_id, :parent_id, :bill_id, :children,"
    " (SELECT coalesce(array_agg(child.code ORDER BY child.code), '{}') FROM bag_link"
    " JOIN bag AS child ON child.bag_id = bag_link.child_id"
    " WHERE bag_link.parent_id = :parent_id AND bag_link.valid_until IS NULL),"
    " :weight_g, :before_g, :after_g, :returned_at)"
)
_INSERT_SCANS = text(
    "INSERT INTO scan (scan_id, batch_id, scanned_at, device_time, received_at, applied_at, seq, epoch, device_id,"
    " user_id, weight_g, area_id, children, capacity, kind, outcome, code, target, refers_to)"
    " SELECT v.scan_id, CAST(:batch AS uuid), v.scanned_at, v.device_time, v.received_at, now(), v.seq, v.epoch,"
    " v.device_id, v.user_id, v.weight_g, v.area_id, v.children, v.capacity, v.kind, v.outcome, v.code, v.target,"
    " v.refers_to"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:scanned AS timestamptz[]), CAST(:device_times AS timestamptz[]),"
    " CAST(:received AS timestamptz[]), CAST(:seqs AS bigint[]), CAST(:epochs AS int[]), CAST(:devices AS int[]),"
    " CAST(:users AS int[]), CAST(:weights AS int[]), CAST(:areas AS smallint[]), CAST(:children AS smallint[]),"
    " CAST(:capacities AS smallint[]), CAST(:kinds AS text[]), CAST(:outcomes AS text[]), CAST(:codes AS text[]),"
    " CAST(:targets AS text[]), CAST(:refers AS text[]))"
    " AS v (scan_id, scanned_at, device_time, received_at, seq, epoch, device_id, user_id, weight_g, area_id,"
    " children, capacity, kind, outcome, code, target, refers_to)"
    " ON CONFLICT (scan_id) DO NOTHING"
)


def select_bag_types(connection: Connection) -> list[BagType]:
    """Give the bag types in force."""
    return [BagType(*row) for row in connection.execute(_SELECT_BAG_TYPES)]


def select_scans(connection: Connection, scan_ids: Iterable[str]) -> dict[str, tuple[Scan, Result]]:
    """Give the scans with these identities that were applied before, with their first results."""
    found = connection.execute(_SELECT_SCANS, {"ids": array_literal(scan_ids)})
    return {
        str(row.scan_id): (
            Scan(
                scan_id=str(row.scan_id),
                kind=Kind(row.kind),
                code=row.code,
                target=row.target,
                scanned_at=row.scanned_at,
                device_time=row.device_time,
                area_id=row.area_id,
                device_id=row.device_id,
                user_id=row.user_id,
                epoch=row.epoch,
                seq=row.seq,
            ),
            Result(Outcome(row.outcome), row.refers_to, row.children, row.capacity, row.weight_g),
        )
        for row in found
    }


def lock_bags(connection: Connection, codes: Collection[str]) -> Sequence[Any]:
    """Lock the bags with these codes, in the order of their codes, and give their rows as they now stand."""
    return connection.execute(_LOCK_BAGS, {"codes": text_array_literal(codes)}).all()


def select_codes(connection: Connection, bag_ids: Collection[int]) -> dict[int, str]:
    """Give the codes of bags by key; a code never changes, so no lock is needed."""
    if not bag_ids:
        return {}
    found = connection.execute(_SELECT_CODES, {"ids": array_literal(bag_ids)})
    return {row.bag_id: row.code for row in found}


def lock_bills(connection: Connection, bill_ids: Collection[int], numbers: Collection[str]) -> list[Bill]:
    """Lock bills, by key or by number, in the order of their keys; a deleted one is not there."""
    if not bill_ids and not numbers:
        return []
    found = connection.execute(_LOCK_BILLS, {"ids": array_literal(bill_ids), "numbers": text_array_literal(numbers)})
    return [Bill(**row._asdict()) for row in found]


def lock_returns(connection: Connection, return_ids: Collection[int], numbers: Collection[str]) -> list[GoodsReturn]:
    """Keep returns from being closed meanwhile, by key or by number."""
    if not return_ids and not numbers:
        return []
    found = connection.execute(
        _LOCK_RETURNS, {"ids": array_literal(return_ids), "numbers": text_array_literal(numbers)}
    )
    return [GoodsReturn(**row._asdict()) for row in found]


def insert_bags(
    connection: Connection,
    bags: Sequence[tuple[Bag, Scan]],
    parent_ids: Mapping[str, int],
    bill_ids: Mapping[str, int],
    return_ids: Mapping[str, int],
) -> dict[str, int]:
    """Create bags with the scans that created them; a code that another transaction created meanwhile is left out.

    Returns
    -------
    dict of str to int
        The keys of the bags that were created, by code.
    """
    found = connection.execute(
        _INSERT_BAGS,
        {
            "codes": text_array_literal([bag.code for bag, _ in bags]),
            "areas": array_literal([bag.area_id for bag, _ in bags]),
            "capacities": array_literal([bag.capacity for bag, _ in bags]),
            "weights": array_literal([bag.child_weight_g for bag, _ in bags]),
            "children": array_literal([bag.children for bag, _ in bags]),
            "parents": array_literal([bag.parent and parent_ids[bag.parent] for bag, _ in bags]),
            "bills": array_literal([bag.bill_no and bill_ids[bag.bill_no] for bag, _ in bags]),
            "returns": array_literal([bag.return_no and return_ids[bag.return_no] for bag, _ in bags]),
            "times": time_array_literal([scan.scanned_at for _, scan in bags]),
            "scans": array_literal([scan.scan_id for _, scan in bags]),
        },
    )
    return {row.code: row.bag_id for row in found}


def update_children(connection: Connection, parents: Sequence[tuple[int, int]]) -> None:
    """Point children at their parents: pairs of child key and parent key."""
    connection.execute(
        _UPDATE_CHILDREN,
        {
            "ids": array_literal([child_id for child_id, _ in parents]),
            "parents": array_literal([parent_id for _, parent_id in parents]),
        },
    )


def update_parents(connection: Connection, parents: Sequence[tuple[int, int, int | None, int | None]]) -> None:
    """Write parents' new counts and pointers: key, children, bill key, return key."""
    ids, children, bills, returns = zip(*parents, strict=True)
    connection.execute(
        _UPDATE_PARENTS,
        {
            "ids": array_literal(ids),
            "children": array_literal(children),
            "bills": array_literal(bills),
            "returns": array_literal(returns),
        },
    )


def insert_links(connection: Connection, links: Sequence[Scan], bag_ids: Mapping[str, int]) -> None:
    """Open the intervals of children put in parents; none begins before the child's last one ended."""
    connection.execute(
        _INSERT_LINKS,
        {
            "scans": array_literal([scan.scan_id for scan in links]),
            "children": array_literal([bag_ids[scan.code] for scan in links]),
            "parents": array_literal([bag_ids[scan.target or ""] for scan in links]),
            "times": time_array_literal([scan.scanned_at for scan in links]),
        },
    )


def revive_bags(connection: Connection, found: Sequence[tuple[int, Scan]]) -> None:
    """Have deleted bags be there again: pairs of a bag's key and the scan that found it."""
    connection.execute(
        _REVIVE_BAGS,
        {
            "ids": array_literal([bag_id for bag_id, _ in found]),
            "scans": array_literal([scan.scan_id for _, scan in found]),
            "times": time_array_literal([scan.scanned_at for _, scan in found]),
        },
    )


def update_bills(connection: Connection, bills: Sequence[Bill]) -> None:
    """Write bills' new states and totals."""
    connection.execute(
        _UPDATE_BILLS,
        {
            "ids": array_literal([bill.bill_id for bill in bills]),
            "statuses": array_literal([bill.status for bill in bills]),
            "sacks": array_literal([bill.sacks for bill in bills]),
            "children": array_literal([bill.children for bill in bills]),
            "actual": array_literal([bill.actual_weight_g for bill in bills]),
            "expected": array_literal([bill.expected_weight_g for bill in bills]),
        },
    )


def start_bills(connection: Connection, started: Sequence[tuple[int, Scan]]) -> None:
    """Turn bills from `new` to `processing` in their history, at the time of their first sack."""
    connection.execute(
        _START_BILLS,
        {
            "ids": array_literal([bill_id for bill_id, _ in started]),
            "scans": array_literal([scan.scan_id for _, scan in started]),
            "times": time_array_literal([scan.scanned_at for _, scan in started]),
        },
    )


def close_bill_sacks(connection: Connection, closings: Sequence[tuple[int, Scan]]) -> None:
    """End the intervals of sacks that left the bill they were on."""
    connection.execute(
        _CLOSE_BILL_SACKS,
        {
            "parents": array_literal([parent_id for parent_id, _ in closings]),
            "scans": array_literal([scan.scan_id for _, scan in closings]),
            "times": time_array_literal([scan.scanned_at for _, scan in closings]),
        },
    )


def insert_bill_sacks(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Open (or, where the same batch closed them, record) intervals of sacks on bills."""
    connection.execute(_INSERT_BILL_SACKS, rows)


def insert_return_sacks(
    connection: Connection,
    returned: Sequence[SackReturned],
    bag_ids: Mapping[str, int],
    bill_ids: Mapping[str, int],
    return_ids: Mapping[str, int],
) -> None:
    """Record sacks that came back, with what they held and what that did to the bill they left."""
    connection.execute(
        _INSERT_RETURN_SACKS,
        [
            {
                "entry_id": each.scan.scan_id,
                "return_id": return_ids[each.return_no],
                "parent_id": bag_ids[each.scan.code],
                "bill_id": each.bill_no and bill_ids[each.bill_no],
                "children": each.children,
                "weight_g": each.weight_g,
                "before_g": each.bill_weight_before_g,
                "after_g": each.bill_weight_after_g,
                "returned_at": each.scan.scanned_at,
            }
            for each in returned
        ],
    )


def insert_scans(
    connection: Connection, batch_id: UUID, applied: Sequence[tuple[Scan, Result]], origins: Mapping[str, Origin]
) -> int:
    """Write scans with their results; an identity that is there already is left out.

    Returns
    -------
    int
        How many rows were really inserted.
    """
    scans = [scan for scan, _ in applied]
    results = [result for _, result in applied]
    received: list[datetime] = [origins[scan.scan_id].received_at for scan in scans]
    inserted = connection.execute(
        _INSERT_SCANS,
        {
            "batch": str(batch_id),
            "ids": array_literal([scan.scan_id for scan in scans]),
            "scanned": time_array_literal([scan.scanned_at for scan in scans]),
            "device_times": time_array_literal([scan.device_time for scan in scans]),
            "received": time_array_literal(received),
            "seqs": array_literal([scan.seq for scan in scans]),
            "epochs": array_literal([scan.epoch for scan in scans]),
            "devices": array_literal([scan.device_id for scan in scans]),
            "users": array_literal([scan.user_id for scan in scans]),
            "weights": array_literal([result.weight_g for result in results]),
            "areas": array_literal([scan.area_id for scan in scans]),
            "children": array_literal([result.children for result in results]),
            "capacities": array_literal([result.capacity for result in results]),
            "kinds": array_literal([scan.kind for scan in scans]),
            "outcomes": array_literal([result.outcome for result in results]),
            "codes": text_array_literal([scan.code for scan in scans]),
            "targets": text_array_literal([scan.target for scan in scans]),
            "refers": text_array_literal([result.refers_to for result in results]),
        },
    )
    return inserted.rowcount
