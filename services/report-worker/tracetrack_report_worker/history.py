"""The statements that read a day from history: each set-based, as of the window's end, by corrected time.

What was in force at the end of `[start, end)` began before `end` and had not ended before it. An event at exactly `end`
belongs to the next day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from tracetrack_common.domain.business_day import Window, hour_starts
from tracetrack_common.domain.eod import BillFigures, SackFigures, ScanCell
from tracetrack_common.domain.scans import Kind, Outcome

# A person without an area (a biller at a screen) works in the area of the bill or return that the scan names. Their few
# scans are told apart by that name in the pass over the day, and its area is looked up afterwards.
_COUNT_SCANS = text("""
    WITH cell AS MATERIALIZED (
        SELECT area_id, CASE WHEN area_id IS NULL THEN target END AS target, device_id, kind, outcome,
            width_bucket(scanned_at, CAST(:hour_starts AS timestamptz[])) AS stretch,
            count(*) AS scans, count(*) FILTER (WHERE received_at >= :end) AS late
        FROM scan
        WHERE scanned_at >= :start AND scanned_at < :end
            AND (CAST(:area_id AS smallint) IS NULL OR area_id = :area_id OR area_id IS NULL)
            AND (CAST(:known_at AS timestamptz) IS NULL OR received_at < :known_at)
        GROUP BY 1, 2, 3, 4, 5, 6
    ), placed AS (
        SELECT cell.*, coalesce(cell.area_id, bill.area_id, goods_return.area_id) AS counted_in
        FROM cell
        LEFT JOIN bill ON cell.kind = 'bill' AND bill.bill_no = cell.target
        LEFT JOIN goods_return ON cell.kind = 'return' AND goods_return.return_no = cell.target
    )
    SELECT area.code AS area, device.name AS device, placed.stretch, placed.kind, placed.outcome, placed.scans,
        placed.late
    FROM placed
    LEFT JOIN area ON area.area_id = placed.counted_in
    LEFT JOIN device ON device.device_id = placed.device_id
    WHERE CAST(:area_id AS smallint) IS NULL OR placed.counted_in = :area_id
""")

_COUNT_BILLS_CREATED = text("""
    SELECT count(*) FROM bill
    WHERE created_at >= :start AND created_at < :end AND (deleted_at IS NULL OR deleted_at >= :end)
        AND (CAST(:area_id AS smallint) IS NULL OR area_id = :area_id)
""")

_COUNT_SACKS_REGISTERED = text("""
    SELECT count(*)
    FROM scan JOIN bag ON bag.code = CASE scan.kind WHEN 'parent' THEN scan.code ELSE scan.target END
        AND bag.created_by = scan.scan_id
    WHERE scan.scanned_at >= :start AND scan.scanned_at < :end AND scan.outcome = 'applied'
        AND (scan.kind = 'parent' OR (scan.kind = 'child' AND scan.children = 1))
        AND (CAST(:area_id AS smallint) IS NULL OR scan.area_id = :area_id)
""")

_LIST_SACKS = text("""
    WITH worked_on AS (
        SELECT parent_id AS bag_id FROM bag_link WHERE valid_from >= :start AND valid_from < :end
        UNION
        SELECT bag.bag_id FROM scan JOIN bag ON bag.code = scan.code
        WHERE scan.scanned_at >= :start AND scan.scanned_at < :end AND scan.kind = 'parent' AND scan.outcome = 'applied'
    ), filled AS (
        SELECT bag.bag_id, bag.code, bag.capacity, count(bag_link.link_id) AS children
        FROM worked_on JOIN bag USING (bag_id)
        LEFT JOIN bag_link ON bag_link.parent_id = bag.bag_id
            AND bag_link.valid_from < :end AND (bag_link.valid_until IS NULL OR bag_link.valid_until >= :end)
        WHERE (CAST(:area_id AS smallint) IS NULL OR bag.area_id = :area_id) AND NOT EXISTS (
            SELECT FROM bag_deletion WHERE bag_deletion.bag_id = bag.bag_id
                AND bag_deletion.deleted_at < :end AND (revived_at IS NULL OR revived_at >= :end)
        )
        GROUP BY bag.bag_id
    ), judged AS (
        SELECT filled.code, filled.children, filled.capacity, EXISTS (
            SELECT FROM bill_sack WHERE bill_sack.parent_id = filled.bag_id
                AND bill_sack.valid_from < :end AND (bill_sack.valid_until IS NULL OR bill_sack.valid_until >= :end)
        ) AS is_billed
        FROM filled
    )
    SELECT code, children, capacity, is_billed FROM judged
    WHERE children <> capacity OR NOT is_billed
    ORDER BY code
""")

_LIST_BILLS = text("""
    WITH listed AS (
        SELECT bill_id FROM bill WHERE created_at >= :start AND created_at < :end
        UNION
        SELECT bill_id FROM bill_state WHERE valid_from >= :start AND valid_from < :end
        UNION
        SELECT bill_id FROM bill_state
        WHERE status <> 'completed' AND valid_from < :end AND (valid_until IS NULL OR valid_until >= :end)
        UNION
        SELECT bill_id FROM bill_sack
        WHERE (valid_from >= :start AND valid_from < :end) OR (valid_until >= :start AND valid_until < :end)
        UNION
        SELECT bill_id FROM bill JOIN bill_sack USING (bill_id)
        WHERE bill.created_at >= :end AND bill_sack.valid_from < :end
    ), chosen AS (
        SELECT bill.* FROM listed JOIN bill USING (bill_id)
        WHERE (CAST(:area_id AS smallint) IS NULL OR bill.area_id = :area_id)
            AND (bill.deleted_at IS NULL OR bill.deleted_at >= :end)
    ), said AS (
        SELECT DISTINCT ON (bill_id) bill_id, bill_version.destination, bill_version.capacity
        FROM chosen JOIN bill_version USING (bill_id)
        WHERE bill_version.valid_until >= :end
        ORDER BY bill_id, bill_version.version
    ), held AS (
        SELECT DISTINCT bill_sack.bill_id, bill_sack.parent_id
        FROM chosen JOIN bill_sack USING (bill_id)
        WHERE bill_sack.valid_from < :end AND (bill_sack.valid_until IS NULL OR bill_sack.valid_until >= :end)
    ), filled AS (
        SELECT held.bill_id, held.parent_id, count(bag_link.link_id) AS children
        FROM held LEFT JOIN bag_link ON bag_link.parent_id = held.parent_id
            AND bag_link.valid_from < :end AND (bag_link.valid_until IS NULL OR bag_link.valid_until >= :end)
        GROUP BY held.bill_id, held.parent_id
    ), loaded AS (
        SELECT filled.bill_id, count(*) AS sacks, sum(filled.children) AS children,
            sum(filled.children * bag.child_weight_g) AS actual_g, sum(bag.capacity * bag.child_weight_g) AS expected_g
        FROM filled JOIN bag ON bag.bag_id = filled.parent_id
        GROUP BY filled.bill_id
    ), state AS (
        SELECT DISTINCT ON (bill_id) bill_id, bill_state.status
        FROM chosen JOIN bill_state USING (bill_id)
        WHERE bill_state.valid_from < :end AND (bill_state.valid_until IS NULL OR bill_state.valid_until >= :end)
        ORDER BY bill_id, bill_state.valid_from DESC
    )
    SELECT chosen.bill_no, area.code AS area, app_user.username AS created_by, chosen.created_at,
        coalesce(said.destination, chosen.destination) AS destination,
        coalesce(said.capacity, chosen.capacity) AS capacity,
        chosen.created_at >= :start AND chosen.created_at < :end AS is_created_today,
        CASE
            WHEN coalesce(state.status, 'new') <> 'new' THEN state.status
            WHEN EXISTS (SELECT FROM bill_sack WHERE bill_sack.bill_id = chosen.bill_id AND bill_sack.valid_from < :end)
                THEN 'processing'
            ELSE 'new'
        END AS status,
        coalesce(loaded.sacks, 0) AS sacks, CAST(coalesce(loaded.children, 0) AS bigint) AS children,
        CAST(coalesce(loaded.actual_g, 0) AS bigint) AS actual_g,
        CAST(coalesce(loaded.expected_g, 0) AS bigint) AS expected_g
    FROM chosen
    JOIN area USING (area_id)
    JOIN app_user ON app_user.user_id = chosen.created_by
    LEFT JOIN said USING (bill_id)
    LEFT JOIN state USING (bill_id)
    LEFT JOIN loaded USING (bill_id)
    ORDER BY chosen.bill_no
""")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a summary is about.

    Parameters
    ----------
    window
        The business day.
    area_id
        The area; None for all of them together.
    """

    window: Window
    area_id: int | None

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The bound parameters that every statement has."""
        return {"start": self.window.start, "end": self.window.end, "area_id": self.area_id}


def count_scans(connection: Connection, scope: Scope, *, known_at: datetime | None = None) -> Sequence[ScanCell]:
    """Count the day's scans by area, device, local hour, kind and outcome: one pass over the day.

    With `known_at`, only those that had been received before it.
    """
    stretches = hour_starts(scope.window)
    starts: list[datetime] = [start for start, _ in stretches]
    found = connection.execute(_COUNT_SCANS, {**scope.parameters, "hour_starts": starts, "known_at": known_at})
    return [
        ScanCell(
            area=row.area,
            device=row.device,
            hour=stretches[row.stretch - 1][1],
            kind=Kind(row.kind),
            outcome=Outcome(row.outcome),
            scans=row.scans,
            late=row.late,
        )
        for row in found
    ]


def count_bills_created(connection: Connection, scope: Scope) -> int:
    """Count the bills that were created in the day and not deleted by its end."""
    return int(connection.execute(_COUNT_BILLS_CREATED, scope.parameters).scalar_one())


def count_sacks_registered(connection: Connection, scope: Scope) -> int:
    """Count the sacks that scans of the day created: by a parent scan, or by the first child scan into them."""
    return int(connection.execute(_COUNT_SACKS_REGISTERED, scope.parameters).scalar_one())


def list_sacks(connection: Connection, scope: Scope) -> list[SackFigures]:
    """Give the sacks that got a child or were registered in the day and are not both exactly full and on a bill.

    Those that were deleted by then are left out. A sack counts in the area that saw it first.
    """
    return [SackFigures(*row) for row in connection.execute(_LIST_SACKS, scope.parameters)]


def list_bills(connection: Connection, scope: Scope) -> list[BillFigures]:
    """Give the bills that were created, changed their state or had sacks move in the day, or were open at its end.

    Those that had been deleted by then are left out.

    A bill whose first sack was on it before the window's end was in process then, even if it was entered later, or
    turned by a scan that came in before that sack's.
    """
    return [BillFigures(**row._asdict()) for row in connection.execute(_LIST_BILLS, scope.parameters)]
