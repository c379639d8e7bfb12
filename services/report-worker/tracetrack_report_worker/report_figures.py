"""The figures of each report: set-based, from the job's one snapshot, as of the end of its days (docs/reports.md)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from tracetrack_report_worker import history
from tracetrack_report_worker.documents.model import Column, Kind, Row
from tracetrack_report_worker.gaps import list_gaps
from tracetrack_report_worker.history import Scope
from tracetrack_report_worker.report_document import Part, grouped

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

_DAY = Column("Day", "day", Kind.DATE)
_HOUR = Column("Hour", "hour_of_day")
_DEVICE = Column("Device", "device")
_PERSON = Column("Person", "person")
_AREA = Column("Area", "area")
_MISSING = Column("Missing", "missing", Kind.COUNT)
_BILL_COUNT = Column("Bills", "bills", Kind.COUNT)
_SCANS = (
    Column("Scans", "scans", Kind.COUNT),
    Column("Applied", "applied", Kind.COUNT),
    Column("Already known", "already", Kind.COUNT),
    Column("Refused", "refused", Kind.COUNT),
    Column("Children put in", "children", Kind.COUNT),
)
_LOADS = (
    Column("Sacks", "sacks", Kind.COUNT),
    Column("Children", "children", Kind.COUNT),
    Column("Actual", "actual_g", Kind.KG),
    Column("Expected", "expected_g", Kind.KG),
    Column("Variance", "variance_g", Kind.KG),
)
_HELD = (
    Column("Sacks", "sacks", Kind.COUNT),
    Column("Children", "children", Kind.COUNT),
    Column("Weight", "weight_g", Kind.KG),
)


def daily_scans(connection: Connection, scope: Scope) -> Sequence[Part]:
    """Count scans by day, hour, device and person."""
    cells = _scan_cells(connection, scope)
    by_device = [cell for cell in cells if cell["device"] is not None]
    by_person = [cell for cell in cells if cell["device"] is None]
    return [
        _scan_part("By day", (_DAY,), cells),
        _scan_part("By hour", (_HOUR,), cells, drawn=_SCANS[0]),
        _scan_part("By device", (_DEVICE, _AREA), by_device, is_whole=False),
        _scan_part("By person", (_PERSON, _AREA), by_person, is_whole=False),
        _scan_part("Hour by hour", (_DAY, _HOUR, _DEVICE, _PERSON), cells),
    ]


def bill_summary(connection: Connection, scope: Scope) -> Sequence[Part]:
    """Sum up the bills that the days had to do with, as they stood at the end: created, changed, loaded, or open."""
    bills = _bills(connection, scope)
    named = (
        Column("Bill", "bill_no", width=22),
        _AREA,
        Column("Created by", "created_by"),
        Column("Created", "created_at", Kind.TIME, 20),
        Column("State", "status"),
        Column("Destination", "destination", width=24),
        Column("Room for", "capacity", Kind.COUNT),
    )
    return [
        _bill_part("By state", Column("State", "status"), bills, (_BILL_COUNT, *_LOADS)),
        _bill_part("By biller", Column("Biller", "created_by"), bills, (_BILL_COUNT, *_LOADS)),
        Part("Bills", (*named, *_LOADS), bills, _LOADS),
    ]


def area_report(connection: Connection, scope: Scope) -> Sequence[Part]:
    """Set the areas beside one another: what was scanned, and what is on their bills."""
    counted = (
        _BILL_COUNT,
        Column("Created", "created", Kind.COUNT),
        Column("Completed", "completed", Kind.COUNT),
        *_LOADS,
    )
    return [
        _scan_part("Scans", (_AREA,), _scan_cells(connection, scope)),
        _bill_part("Bills", _AREA, _bills(connection, scope), counted),
    ]


def sack_ageing(connection: Connection, scope: Scope) -> Sequence[Part]:
    """List the sacks that were full and on no bill at the end, those that wait longest first."""
    found = connection.execute(_LIST_FULL_UNBILLED, scope.parameters)
    sacks = [row._asdict() | {"age": _age_of(row.days), "sacks": 1} for row in found]
    order = [label for _, label in _AGES] + [_OLDEST]
    ages = sorted(grouped(sacks, ["age"], _keys(_HELD)), key=lambda each: order.index(each["age"]))
    listed = (
        Column("Sack", "code"),
        _AREA,
        Column("Full since", "full_since", Kind.TIME, 20),
        Column("Days", "days", Kind.COUNT),
        *_HELD[1:],
    )
    return [
        Part("By age", (Column("Full for", "age", width=20), *_HELD), ages, _HELD, drawn=_HELD[0]),
        Part("By area", (_AREA, *_HELD), grouped(sacks, ["area"], _keys(_HELD)), _HELD),
        Part("Sacks", listed, sacks),
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
    counted = (_SCANS[0], _MISSING, Column("Late", "late", Kind.COUNT))
    columns = (
        _DEVICE,
        _AREA,
        Column("First scan", "first_at", Kind.TIME, 20),
        Column("Last scan", "last_at", Kind.TIME, 20),
        *counted,
        Column("Lateness, median s", "lateness_median_s", Kind.COUNT),
        Column("Lateness, most s", "lateness_most_s", Kind.COUNT),
        Column("Clock ahead, median s", "skew_median_s", Kind.COUNT),
        Column("Clock off, most s", "skew_most_s", Kind.COUNT),
    )
    gap_columns = (
        _DEVICE,
        Column("Epoch", "epoch", Kind.COUNT),
        Column("First missing", "first", Kind.COUNT),
        Column("Last missing", "last", Kind.COUNT),
        _MISSING,
    )
    return [Part("Devices", columns, devices, counted), Part("Gaps", gap_columns, gaps)]


def return_report(connection: Connection, scope: Scope) -> Sequence[Part]:
    """List the returns that were opened in the days, and the sacks that came back on them."""
    rows = [
        row._asdict()
        | {"sacks": int(row.code is not None), "children": row.children or 0, "weight_g": row.weight_g or 0}
        for row in connection.execute(_LIST_RETURNED, scope.parameters)
    ]
    number = Column("Return", "return_no", width=20)
    named = (
        number,
        _AREA,
        Column("State", "state"),
        Column("Opened by", "created_by"),
        Column("Opened", "created_at", Kind.TIME, 20),
    )
    sack_columns = (
        number,
        Column("Sack", "code"),
        Column("Came back", "returned_at", Kind.TIME, 20),
        Column("From bill", "bill_no", width=22),
        *_HELD[1:],
    )
    return [
        Part("Returns", (*named, *_HELD), grouped(rows, _keys(named), _keys(_HELD)), _HELD),
        Part("Sacks", sack_columns, [row for row in rows if row["sacks"]]),
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


def _scan_part(
    name: str, by: Sequence[Column], cells: Sequence[Row], *, is_whole: bool = True, drawn: Column | None = None
) -> Part:
    rows = grouped(cells, _keys(by), _keys(_SCANS))
    return Part(name, (*by, *_SCANS), rows, _SCANS if is_whole else (), drawn)


def _bill_part(name: str, by: Column, bills: Sequence[Row], counted: Sequence[Column]) -> Part:
    return Part(name, (by, *counted), grouped(bills, [by.key], _keys(counted)), counted)


def _keys(columns: Sequence[Column]) -> list[str]:
    return [column.key for column in columns]


def _age_of(days: int) -> str:
    return next((label for most, label in _AGES if days <= most), _OLDEST)
