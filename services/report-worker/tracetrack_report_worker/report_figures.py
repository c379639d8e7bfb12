"""The figures of each report: set-based, from the job's one snapshot, as of the end of its days (docs/reports.md)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from tracetrack_report_worker import history
from tracetrack_report_worker.gaps import list_gaps
from tracetrack_report_worker.history import Scope
from tracetrack_report_worker.report_document import Part, grouped, summed
from tracetrack_report_worker.sheets import Column, Kind, Row

_IN_AREA = "(CAST(:area_id AS smallint) IS NULL OR {column} = :area_id)"

# A person without an area works in the area of the bill or return that the scan names, as in a summary of the day.
_COUNT_SCANS = text(f"""
    WITH cell AS MATERIALIZED (
        SELECT CAST(scanned_at AT TIME ZONE :zone AS date) AS day,
            CAST(extract(hour FROM scanned_at AT TIME ZONE :zone) AS int) AS hour,
            area_id, CASE WHEN area_id IS NULL THEN target END AS target, device_id, user_id, kind,
            count(*) AS scans,
            count(*) FILTER (WHERE outcome = 'applied') AS applied,
            count(*) FILTER (WHERE outcome IN ('known', 'duplicate')) AS already,
            count(*) FILTER (WHERE outcome = 'applied' AND kind = 'child') AS children
        FROM scan
        WHERE scanned_at >= :start AND scanned_at < :end
            AND (CAST(:area_id AS smallint) IS NULL OR area_id = :area_id OR area_id IS NULL)
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), placed AS (
        SELECT cell.*, coalesce(cell.area_id, bill.area_id, goods_return.area_id) AS counted_in
        FROM cell
        LEFT JOIN bill ON cell.kind = 'bill' AND bill.bill_no = cell.target
        LEFT JOIN goods_return ON cell.kind = 'return' AND goods_return.return_no = cell.target
    )
    SELECT day, hour, area.code AS area, device.name AS device, app_user.username AS person,
        CAST(sum(scans) AS bigint) AS scans, CAST(sum(applied) AS bigint) AS applied,
        CAST(sum(already) AS bigint) AS already, CAST(sum(scans - applied - already) AS bigint) AS refused,
        CAST(sum(children) AS bigint) AS children
    FROM placed
    LEFT JOIN area ON area.area_id = placed.counted_in
    LEFT JOIN device ON device.device_id = placed.device_id
    LEFT JOIN app_user ON app_user.user_id = placed.user_id
    WHERE {_IN_AREA.format(column="placed.counted_in")}
    GROUP BY 1, 2, 3, 4, 5
""")  # noqa: S608 - constants of this module
_LIST_FULL_UNBILLED = text(f"""
    WITH filled AS (
        SELECT parent_id, count(*) AS children, max(valid_from) AS full_since
        FROM bag_link WHERE valid_from < :end AND (valid_until IS NULL OR valid_until >= :end)
        GROUP BY parent_id
    )
    SELECT bag.code, area.code AS area, filled.children, filled.children * bag.child_weight_g AS weight_g, full_since,
        CAST(floor(extract(epoch FROM CAST(:end AS timestamptz) - full_since) / 86400) AS int) AS days
    FROM filled JOIN bag ON bag.bag_id = filled.parent_id AND bag.capacity = filled.children
    LEFT JOIN area ON area.area_id = bag.area_id
    WHERE {_IN_AREA.format(column="bag.area_id")}
        AND NOT EXISTS (
            SELECT FROM bill_sack WHERE bill_sack.parent_id = bag.bag_id
                AND bill_sack.valid_from < :end AND (bill_sack.valid_until IS NULL OR bill_sack.valid_until >= :end)
        ) AND NOT EXISTS (
            SELECT FROM bag_deletion WHERE bag_deletion.bag_id = bag.bag_id
                AND bag_deletion.deleted_at < :end AND (revived_at IS NULL OR revived_at >= :end)
        )
    ORDER BY full_since, bag.code
""")  # noqa: S608 - constants of this module
_LIST_DEVICES = text(f"""
    SELECT device.name AS device, area.code AS area, count(*) AS scans,
        min(scanned_at) AS first_at, max(scanned_at) AS last_at,
        count(*) FILTER (WHERE received_at - scanned_at > :late) AS late,
        CAST(extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY received_at - scanned_at)) AS int)
            AS lateness_median_s,
        CAST(extract(epoch FROM max(received_at - scanned_at)) AS int) AS lateness_most_s,
        CAST(extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY device_time - scanned_at)) AS int)
            AS skew_median_s,
        CAST(max(abs(extract(epoch FROM device_time - scanned_at))) AS bigint) AS skew_most_s
    FROM scan JOIN device USING (device_id) LEFT JOIN area ON area.area_id = scan.area_id
    WHERE scanned_at >= :start AND scanned_at < :end AND {_IN_AREA.format(column="scan.area_id")}
    GROUP BY 1, 2 ORDER BY 1, 2
""")  # noqa: S608 - constants of this module
_LIST_RETURNED = text(f"""
    SELECT return_no, area.code AS area, goods_return.state, app_user.username AS created_by,
        goods_return.created_at, bag.code, bill.bill_no, return_sack.children, return_sack.weight_g, returned_at
    FROM goods_return JOIN area USING (area_id) JOIN app_user ON app_user.user_id = goods_return.created_by
    LEFT JOIN return_sack ON return_sack.return_id = goods_return.return_id AND returned_at < :end
    LEFT JOIN bag ON bag.bag_id = return_sack.parent_id
    LEFT JOIN bill ON bill.bill_id = return_sack.bill_id
    WHERE goods_return.created_at >= :start AND goods_return.created_at < :end
        AND {_IN_AREA.format(column="goods_return.area_id")}
    ORDER BY return_no, returned_at, bag.code
""")  # noqa: S608 - constants of this module

LATE = timedelta(minutes=5)
"""What arrives later than this after it was scanned waited on the device."""
_AGES = ((1, "less than 2 days"), (3, "2 to 3 days"), (7, "4 to 7 days"), (14, "8 to 14 days"))
_OLDEST = "15 days and more"

_SCANS = (
    Column("Scans", "scans", Kind.COUNT),
    Column("Applied", "applied", Kind.COUNT),
    Column("Already known", "already", Kind.COUNT),
    Column("Refused", "refused", Kind.COUNT),
    Column("Children put in", "children", Kind.COUNT),
)
_SCAN_SUMS = [column.key for column in _SCANS]
_LOADS = (
    Column("Sacks", "sacks", Kind.COUNT),
    Column("Children", "children", Kind.COUNT),
    Column("Actual", "actual_g", Kind.KG),
    Column("Expected", "expected_g", Kind.KG),
    Column("Variance", "variance_g", Kind.KG),
)
_LOAD_SUMS = [column.key for column in _LOADS]


def daily_scans(connection: Connection, scope: Scope) -> Sequence[Part]:
    """Count scans by day, hour, device and person."""
    cells = _scan_cells(connection, scope)
    return [
        summed("By day", (Column("Day", "day"), *_SCANS), grouped(cells, ["day"], _SCAN_SUMS)),
        summed("By hour", (Column("Hour", "hour_of_day"), *_SCANS), grouped(cells, ["hour_of_day"], _SCAN_SUMS)),
        summed(
            "By device",
            (Column("Device", "device"), Column("Area", "area"), *_SCANS),
            grouped((cell for cell in cells if cell["device"] is not None), ["device", "area"], _SCAN_SUMS),
        ),
        summed(
            "By person",
            (Column("Person", "person"), Column("Area", "area"), *_SCANS),
            grouped((cell for cell in cells if cell["device"] is None), ["person", "area"], _SCAN_SUMS),
        ),
        summed(
            "Hour by hour",
            (
                Column("Day", "day"),
                Column("Hour", "hour_of_day"),
                Column("Device", "device"),
                Column("Person", "person"),
                *_SCANS,
            ),
            grouped(cells, ["day", "hour_of_day", "device", "person"], _SCAN_SUMS),
        ),
    ]


def bill_summary(connection: Connection, scope: Scope) -> Sequence[Part]:
    """Sum up the bills that the days had to do with, as they stood at the end: created, changed, loaded, or open."""
    bills = _bills(connection, scope)
    return [
        summed(
            "By state",
            (Column("State", "status"), Column("Bills", "bills", Kind.COUNT), *_LOADS),
            grouped(bills, ["status"], ["bills", *_LOAD_SUMS]),
        ),
        summed(
            "By biller",
            (Column("Biller", "created_by"), Column("Bills", "bills", Kind.COUNT), *_LOADS),
            grouped(bills, ["created_by"], ["bills", *_LOAD_SUMS]),
        ),
        summed(
            "Bills",
            (
                Column("Bill", "bill_no", width=22),
                Column("Area", "area"),
                Column("Created by", "created_by"),
                Column("Created", "created_at", Kind.TIME, 20),
                Column("State", "status"),
                Column("Destination", "destination", width=24),
                Column("Room for", "capacity", Kind.COUNT),
                *_LOADS,
            ),
            bills,
        ),
    ]


def area_report(connection: Connection, scope: Scope) -> Sequence[Part]:
    """Set the areas beside one another: what was scanned, and what is on their bills."""
    scans = grouped(_scan_cells(connection, scope), ["area"], _SCAN_SUMS)
    bills = grouped(_bills(connection, scope), ["area"], ["bills", "created", "completed", *_LOAD_SUMS])
    return [
        summed("Scans", (Column("Area", "area"), *_SCANS), scans),
        summed(
            "Bills",
            (
                Column("Area", "area"),
                Column("Bills", "bills", Kind.COUNT),
                Column("Created", "created", Kind.COUNT),
                Column("Completed", "completed", Kind.COUNT),
                *_LOADS,
            ),
            bills,
        ),
    ]


def sack_ageing(connection: Connection, scope: Scope) -> Sequence[Part]:
    """List the sacks that were full and on no bill at the end, those that wait longest first."""
    found = connection.execute(_LIST_FULL_UNBILLED, scope.parameters)
    sacks = [row._asdict() | {"age": _age_of(row.days), "sacks": 1} for row in found]
    order = [label for _, label in _AGES] + [_OLDEST]
    ages = sorted(grouped(sacks, ["age"], ["sacks", "children", "weight_g"]), key=lambda each: order.index(each["age"]))
    counted = (
        Column("Sacks", "sacks", Kind.COUNT),
        Column("Children", "children", Kind.COUNT),
        Column("Weight", "weight_g", Kind.KG),
    )
    return [
        summed("By age", (Column("Full for", "age", width=20), *counted), ages),
        summed(
            "By area",
            (Column("Area", "area"), *counted),
            grouped(sacks, ["area"], ["sacks", "children", "weight_g"]),
        ),
        summed(
            "Sacks",
            (
                Column("Sack", "code"),
                Column("Area", "area"),
                Column("Full since", "full_since", Kind.TIME, 20),
                Column("Days", "days", Kind.NUMBER),
                *counted[1:],
            ),
            sacks,
        ),
    ]


def device_delivery(connection: Connection, scope: Scope) -> Sequence[Part]:
    """Tell of each device what is missing, how late its scans came, and how far its clock is off."""
    gaps = [
        {
            "device": gap.device,
            "epoch": gap.epoch,
            "first": gap.from_seq,
            "last": gap.to_seq,
            "missing": gap.missing,
        }
        for gap in list_gaps(connection, scope)
    ]
    missing = {row["device"]: row["missing"] for row in grouped(gaps, ["device"], ["missing"])}
    # A device that moved stands here once for each area; what it misses is told once.
    devices = [
        row._asdict() | {"missing": missing.pop(row.device, 0)}
        for row in connection.execute(_LIST_DEVICES, {**scope.parameters, "late": LATE})
    ]
    return [
        summed(
            "Devices",
            (
                Column("Device", "device"),
                Column("Area", "area"),
                Column("First scan", "first_at", Kind.TIME, 20),
                Column("Last scan", "last_at", Kind.TIME, 20),
                Column("Scans", "scans", Kind.COUNT),
                Column("Missing", "missing", Kind.COUNT),
                Column("Late", "late", Kind.COUNT),
                Column("Lateness, median s", "lateness_median_s", Kind.NUMBER),
                Column("Lateness, most s", "lateness_most_s", Kind.NUMBER),
                Column("Clock ahead, median s", "skew_median_s", Kind.NUMBER),
                Column("Clock off, most s", "skew_most_s", Kind.NUMBER),
            ),
            devices,
        ),
        summed(
            "Gaps",
            (
                Column("Device", "device"),
                Column("Epoch", "epoch", Kind.NUMBER),
                Column("First missing", "first", Kind.NUMBER),
                Column("Last missing", "last", Kind.NUMBER),
                Column("Missing", "missing", Kind.COUNT),
            ),
            gaps,
        ),
    ]


def return_report(connection: Connection, scope: Scope) -> Sequence[Part]:
    """List the returns that were opened in the days, and the sacks that came back on them."""
    found = [row._asdict() for row in connection.execute(_LIST_RETURNED, scope.parameters)]
    rows = [
        row
        | {"sacks": int(row["code"] is not None), "children": row["children"] or 0, "weight_g": row["weight_g"] or 0}
        for row in found
    ]
    counted = (
        Column("Sacks", "sacks", Kind.COUNT),
        Column("Children", "children", Kind.COUNT),
        Column("Weight", "weight_g", Kind.KG),
    )
    keys = ["return_no", "area", "state", "created_by", "created_at"]
    return [
        summed(
            "Returns",
            (
                Column("Return", "return_no", width=20),
                Column("Area", "area"),
                Column("State", "state"),
                Column("Opened by", "created_by"),
                Column("Opened", "created_at", Kind.TIME, 20),
                *counted,
            ),
            grouped(rows, keys, ["sacks", "children", "weight_g"]),
        ),
        summed(
            "Sacks",
            (
                Column("Return", "return_no", width=20),
                Column("Sack", "code"),
                Column("Came back", "returned_at", Kind.TIME, 20),
                Column("From bill", "bill_no", width=22),
                *counted[1:],
            ),
            [row for row in rows if row["sacks"]],
        ),
    ]


REPORTS: Mapping[str, tuple[str, Callable[[Connection, Scope], Sequence[Part]]]] = {
    "daily_scans": ("Scans day by day", daily_scans),
    "bill_summary": ("Bills", bill_summary),
    "area_report": ("Areas", area_report),
    "sack_ageing": ("Full sacks on no bill", sack_ageing),
    "device_delivery": ("Delivery of devices", device_delivery),
    "return_report": ("Returns", return_report),
}
"""The title and the figures of each report, by its kind."""


def _scan_cells(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    values = {**scope.parameters, "zone": scope.window.zone}
    return [
        row._asdict() | {"day": row.day.isoformat(), "hour_of_day": f"{row.hour:02}:00"}
        for row in connection.execute(_COUNT_SCANS, values)
    ]


def _bills(connection: Connection, scope: Scope) -> list[Row]:
    return [
        {
            "bill_no": bill.bill_no,
            "area": bill.area,
            "created_by": bill.created_by,
            "created_at": bill.created_at,
            "status": bill.status,
            "destination": bill.destination,
            "capacity": bill.capacity,
            "sacks": bill.sacks,
            "children": bill.children,
            "actual_g": bill.actual_g,
            "expected_g": bill.expected_g,
            "variance_g": bill.actual_g - bill.expected_g,
            "bills": 1,
            "created": int(bill.is_created_today),
            "completed": int(bill.status == "completed"),
        }
        for bill in history.list_bills(connection, scope)
    ]


def _age_of(days: int) -> str:
    return next((label for most, label in _AGES if days <= most), _OLDEST)
