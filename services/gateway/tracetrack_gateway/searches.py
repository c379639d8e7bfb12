# ruff: noqa: S608 - statements are put together from the constants of this module; values are bound
"""The statements of the searches: bags, scans, a bag's history.

Each is put together from conditions that stand here, so that the planner sees which index fits; values are bound.
What each one leans on stands in docs/schema.md, and tests read their plans.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

Match = Literal["exact", "prefix", "part", "alike"]
"""How a code is searched."""

SCANS_LOOKED_THROUGH = 50_000
"""At most so many scans are looked through for a page: some 50 ms."""

_IS_SACK = "capacity IS NOT NULL"
_IS_CHILD = "capacity IS NULL"
BAG_CONDITIONS: Mapping[str, Mapping[object, str]] = {
    "kind": {"parent": _IS_SACK, "child": _IS_CHILD},
    "linked": {
        True: f"{_IS_CHILD} AND parent_id IS NOT NULL",
        False: f"{_IS_CHILD} AND parent_id IS NULL",
    },
    "billed": {True: f"{_IS_SACK} AND bill_id IS NOT NULL", False: f"{_IS_SACK} AND bill_id IS NULL"},
    "state": {
        "empty": f"{_IS_SACK} AND children = 0",
        "partly": f"{_IS_SACK} AND children > 0 AND children < capacity",
        "full": f"{_IS_SACK} AND children = capacity",
    },
}
"""What a filter of bags means, by its name and value."""
_OF_TYPE = (
    f"{_IS_SACK} AND code ~ (SELECT '^(?:' || parent_pattern || ')$' FROM bag_type WHERE name = CAST(:type AS text))"
)
_NOT_DELETED = "deleted_at IS NULL"
_CREATED_SINCE = "created_at >= CAST(:since AS timestamptz)"
_CREATED_UNTIL = "created_at < CAST(:until AS timestamptz)"
_IN_AREA = (
    "(CAST(:area_id AS int) IS NULL OR {table}.area_id = :area_id)"
    " AND (CAST(:area AS text) IS NULL OR {table}.area_id = (SELECT area_id FROM area WHERE code = :area))"
)
_MATCHES: Mapping[Match, str] = {
    "exact": "code = :code AND code > :after",
    "prefix": "code ^@ :code AND code > :after",
    "part": "code LIKE :code AND code > :after",
    "alike": "code = ANY(CAST(:code AS text[])) AND array_position(CAST(:code AS text[]), code) > CAST(:after AS int)",
}
_ORDERS: Mapping[Match | None, str] = {
    None: "bag.created_at DESC, bag.bag_id DESC",
    "exact": "bag.code",
    "prefix": "bag.code",
    "part": "bag.code",
    "alike": "array_position(CAST(:code AS text[]), bag.code)",
}

_STOPPED = "outcome NOT IN ('applied', 'known', 'duplicate')"
_ODD_CLOCK = "uuid_extract_timestamp(scan_id) - scanned_at NOT BETWEEN interval '-24 hours' AND interval '24 hours'"
_BELOW = "scan_id < CAST(:below AS uuid)"
_IN_WINDOW = "scan_id >= CAST(:low AS uuid) AND scan_id < CAST(:high AS uuid)"
_EFFECTS = (
    # What was applied is where its effect is; of what was not, the index on names tells.
    "SELECT created_by FROM bag WHERE code = :name"
    " UNION SELECT link_id FROM bag JOIN bag_link ON child_id = bag_id WHERE code = :name AND valid_until IS NULL"
    " UNION SELECT link_id FROM bag JOIN bag_link ON child_id = bag_id WHERE code = :name AND valid_until IS NOT NULL"
    " UNION SELECT link_id FROM bag JOIN bag_link ON bag_link.parent_id = bag_id WHERE code = :name"
    " UNION SELECT entry_id FROM bag JOIN bill_sack ON bill_sack.parent_id = bag_id"
    " WHERE code = :name AND valid_until IS NULL"
    " UNION SELECT entry_id FROM bag JOIN bill_sack ON bill_sack.parent_id = bag_id"
    " WHERE code = :name AND valid_until IS NOT NULL"
    " UNION SELECT entry_id FROM bag JOIN return_sack ON return_sack.parent_id = bag_id WHERE code = :name"
    " UNION SELECT entry_id FROM bill JOIN bill_sack USING (bill_id) WHERE bill_no = :name"
    " UNION SELECT entry_id FROM goods_return JOIN return_sack USING (return_id) WHERE return_no = :name"
)
_NAMED = "outcome <> 'applied' AND ARRAY[code, target, refers_to] @> ARRAY[CAST(:name AS text)]"
_SCANS_NAMING = (
    f"SELECT scan.* FROM (SELECT scan_id FROM scan WHERE {_NAMED} UNION {_EFFECTS}) AS named (scan_id)"
    f" JOIN scan USING (scan_id) WHERE {_BELOW}"
)
_SCAN_FILTERS = (
    f"{_IN_AREA.format(table='scan')}"
    " AND (CAST(:device_id AS int) IS NULL OR scan.device_id = :device_id)"
    " AND (CAST(:device AS text) IS NULL OR scan.device_id = (SELECT device_id FROM device WHERE name = :device))"
    " AND (CAST(:user AS text) IS NULL"
    " OR scan.user_id = (SELECT user_id FROM app_user WHERE lower(username) = lower(:user)))"
    " AND (CAST(:kind AS text) IS NULL OR kind = :kind)"
    " AND (CAST(:outcomes AS text[]) IS NULL OR outcome = ANY(CAST(:outcomes AS text[])))"
    " AND (CAST(:code AS text) IS NULL OR scan.code = :code)"
    " AND (CAST(:target AS text) IS NULL OR target = :target)"
    " AND scanned_at >= CAST(:since AS timestamptz) AND scanned_at < CAST(:until AS timestamptz)"
)
_SCAN_ROW = (
    "SELECT CAST(scan_id AS text) AS scan_id, kind, scan.code, target, outcome, refers_to, children, capacity,"
    " weight_g, area.code AS area, device.name AS device, app_user.username AS user, scanned_at, device_time,"
    " received_at, applied_at, epoch, seq"
)
_WITH_NAMES = (
    " LEFT JOIN area ON area.area_id = scan.area_id LEFT JOIN device ON device.device_id = scan.device_id"
    " LEFT JOIN app_user ON app_user.user_id = scan.user_id"
)
_SELECT_EVENTS = text(
    "WITH this AS MATERIALIZED (SELECT code, created_at, created_by FROM bag WHERE bag_id = :bag_id)"
    ", links AS ("
    " SELECT * FROM bag_link WHERE parent_id = :bag_id"
    " UNION ALL SELECT * FROM bag_link WHERE child_id = :bag_id AND valid_until IS NULL"
    " UNION ALL SELECT * FROM bag_link WHERE child_id = :bag_id AND valid_until IS NOT NULL"
    "), inside AS ("
    " SELECT links.*, child.code AS child, parent.code AS parent FROM links"
    " JOIN bag AS child ON child.bag_id = child_id JOIN bag AS parent ON parent.bag_id = links.parent_id"
    "), entries AS ("
    " SELECT * FROM bill_sack WHERE parent_id = :bag_id AND valid_until IS NULL"
    " UNION ALL SELECT * FROM bill_sack WHERE parent_id = :bag_id AND valid_until IS NOT NULL"
    "), events (at, event, bag, into_, by, rank) AS ("
    " SELECT created_at, 'registered', code, NULL, created_by, 0 FROM this"
    # A relink ends one link and begins the next at one moment: the child leaves first.
    " UNION ALL SELECT valid_from, 'put_in', child, parent, link_id,"
    " CASE WHEN EXISTS (SELECT FROM inside AS before WHERE before.closed_by = inside.link_id) THEN 4 ELSE 2 END"
    " FROM inside"
    " UNION ALL SELECT valid_until, 'taken_out', child, parent, closed_by, 3 FROM inside WHERE valid_until IS NOT NULL"
    " UNION ALL SELECT valid_from, 'put_on_bill', code, bill_no, entry_id, 5"
    " FROM this, entries JOIN bill USING (bill_id)"
    " UNION ALL SELECT valid_until, 'taken_off_bill', code, bill_no, closed_by, 6"
    " FROM this, entries JOIN bill USING (bill_id) WHERE valid_until IS NOT NULL"
    " UNION ALL SELECT returned_at, 'returned', code, return_no, entry_id, 7"
    " FROM this, return_sack JOIN goods_return USING (return_id) WHERE return_sack.parent_id = :bag_id"
    " UNION ALL SELECT bag_deletion.deleted_at, 'deleted', code, NULL, deletion_id, 8"
    " FROM this, bag_deletion WHERE bag_deletion.bag_id = :bag_id"
    " UNION ALL SELECT revived_at, 'revived', code, NULL, revived_by, 1"
    " FROM this, bag_deletion WHERE bag_deletion.bag_id = :bag_id AND revived_at IS NOT NULL"
    f" UNION ALL SELECT scanned_at, 'scanned', code, target, scan_id, 9 FROM scan WHERE {_NAMED}"
    "), page AS ("
    " SELECT * FROM events WHERE (at, rank, by, bag) > (CAST(:at AS timestamptz), :rank, CAST(:by AS uuid), :bag)"
    " ORDER BY at, rank, by, bag LIMIT :limit"
    ")"
    " SELECT at, event, bag, into_, CAST(by AS text) AS by, rank, scan.kind, scan.outcome, scan.refers_to,"
    " device.name AS device, app_user.username AS user"
    " FROM page LEFT JOIN scan ON scan.scan_id = by LEFT JOIN device ON device.device_id = scan.device_id"
    " LEFT JOIN app_user ON app_user.user_id = scan.user_id"
    " ORDER BY at, rank, by, bag"
)


def select_bags(
    connection: Connection, match: Match | None, conditions: Iterable[tuple[str, object]], values: Mapping[str, Any]
) -> list[Row[Any]]:
    """Give bags: by their codes in the order of these, or without a code the newest first.

    Parameters
    ----------
    connection
        Reads.
    match
        How `code` is searched; None for every code.
    conditions
        Keys of `BAG_CONDITIONS` with their values.
    values
        area_id (the caller's), area, type, since, until, limit; with a match code and after (what the page before ended
        with), else below_at and below_id, which are not after until.
    """
    statement = bags_statement(match, conditions, has_type=values["type"] is not None)
    return list(connection.execute(text(statement), values))


def bags_statement(match: Match | None, conditions: Iterable[tuple[str, object]], *, has_type: bool) -> str:
    """Give the statement of `select_bags`."""
    wanted = " AND ".join(
        [
            _NOT_DELETED,
            _CREATED_SINCE,
            *(BAG_CONDITIONS[name][value] for name, value in conditions),
            *([_OF_TYPE] if has_type else []),
        ]
    )
    order = _ORDERS[match]
    if match is not None:
        where = f"{_MATCHES[match]} AND {wanted} AND {_CREATED_UNTIL} AND {_IN_AREA.format(table='bag')}"
        found = f"SELECT * FROM bag WHERE {where}"
    else:
        # The newest of each area, so that one index serves one area and all of them. No other upper bound: the index is
        # entered at one of them only, and not by the nearest.
        below = "(created_at, bag_id) < (CAST(:below_at AS timestamptz), CAST(:below_id AS bigint))"
        newest = f"{wanted} AND {below} ORDER BY {order} LIMIT :limit"
        found = (
            f"SELECT found.* FROM area AS place"
            f" CROSS JOIN LATERAL (SELECT * FROM bag WHERE bag.area_id = place.area_id AND {newest}) AS found"
            f" WHERE {_IN_AREA.format(table='place')}"
            " UNION ALL (SELECT * FROM bag WHERE area_id IS NULL"
            f" AND CAST(:area_id AS int) IS NULL AND CAST(:area AS text) IS NULL AND {newest})"
        )
    return (
        "SELECT bag.bag_id, bag.code, CASE WHEN bag.capacity IS NULL THEN 'child' ELSE 'parent' END AS kind,"
        " area.code AS area, bag.created_at, parent.code AS parent, bill.bill_no,"
        " CASE WHEN bag.capacity IS NOT NULL THEN bag.children END AS children, bag.capacity,"
        " bag.children * bag.child_weight_g AS weight_g"
        f" FROM (SELECT * FROM ({found}) AS bag ORDER BY {order} LIMIT :limit) AS bag"
        " LEFT JOIN area ON area.area_id = bag.area_id LEFT JOIN bag AS parent ON parent.bag_id = bag.parent_id"
        f" LEFT JOIN bill ON bill.bill_id = bag.bill_id ORDER BY {order}"
    )


def select_scans(
    connection: Connection, values: Mapping[str, Any], *, are_stopped: bool, is_timed: bool
) -> list[Row[Any]]:
    """Give scans, newest identity first, of the `SCANS_LOOKED_THROUGH` that come next.

    Parameters
    ----------
    connection
        Reads.
    values
        area_id and device_id (the caller's), area, device, user, kind, outcomes, code, target, since, until, below (the
        identity before which it goes on), limit; name: the code or target that is wanted, or None; low and high: the
        identities between which right clocks make them, when it is timed.
    are_stopped, is_timed
        Whether only refused ones are wanted; whether `since` or `until` are given.
    """
    is_named = values["name"] is not None
    statement = scans_statement(is_named=is_named, are_stopped=are_stopped, is_timed=is_timed)
    return list(connection.execute(text(statement), values))


def scans_statement(*, is_named: bool, are_stopped: bool, is_timed: bool) -> str:
    """Give the statement of `select_scans`."""
    newest = _SCANS_NAMING if is_named else _scans_walked(are_stopped=are_stopped, is_timed=is_timed)
    return (
        f"{_SCAN_ROW} FROM (SELECT * FROM ({newest}) AS scan"
        f" ORDER BY scan_id DESC LIMIT {SCANS_LOOKED_THROUGH}) AS scan"
        f"{_WITH_NAMES} WHERE {_SCAN_FILTERS} ORDER BY scan_id DESC LIMIT :limit"
    )


def select_scan_after_next(
    connection: Connection, values: Mapping[str, Any], *, are_stopped: bool, is_timed: bool
) -> Any:
    """Give the identity of the last scan that `select_scans` looks through, None where it comes to the end."""
    newest = _scans_walked(are_stopped=are_stopped, is_timed=is_timed)
    statement = (
        f"SELECT scan_id FROM ({newest}) AS scan ORDER BY scan_id DESC OFFSET {SCANS_LOOKED_THROUGH - 1} LIMIT 1"
    )
    return connection.scalar(text(statement), values)


def _scans_walked(*, are_stopped: bool, is_timed: bool) -> str:
    of_outcome = f" AND {_STOPPED}" if are_stopped else ""
    if not is_timed:
        return f"SELECT * FROM scan WHERE {_BELOW}{of_outcome}"
    # The identity tells the device's time: right clocks make it near the corrected one, and partitions are passed over.
    return (
        f"SELECT * FROM scan WHERE {_BELOW} AND {_IN_WINDOW}{of_outcome}"
        f" UNION ALL SELECT * FROM scan WHERE {_BELOW} AND {_ODD_CLOCK} AND NOT ({_IN_WINDOW}){of_outcome}"
    )


def select_events(connection: Connection, values: Mapping[str, Any]) -> list[Row[Any]]:
    """Give a bag's events, oldest first: bag_id, name (its code), at, rank, by and bag (of the last one), limit."""
    return list(connection.execute(_SELECT_EVENTS, values))
