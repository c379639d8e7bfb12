"""Taking sacks off bills and putting them on by command: bag, interval and totals in one statement.

The caller holds the bags and the bill, locked in the order in which scans lock them.
"""

from collections.abc import Collection

from sqlalchemy import Connection, text

from tracetrack_common.contracts import Command
from tracetrack_common.db.arrays import array_literal

_MOVED = (
    " RETURNING 1 AS sacks, children, children * child_weight_g AS actual_g, capacity * child_weight_g AS expected_g)"
)
_COUNT = (
    " UPDATE bill SET sacks = bill.sacks {sign} total.sacks, children = bill.children {sign} total.children,"
    " actual_weight_g = actual_weight_g {sign} total.actual_g,"
    " expected_weight_g = expected_weight_g {sign} total.expected_g"
    " FROM (SELECT count(*) AS sacks, sum(children) AS children, sum(actual_g) AS actual_g,"
    " sum(expected_g) AS expected_g FROM moved) AS total"
    " WHERE bill_id = :bill_id AND total.sacks > 0"
)
_TAKE_OFF = text(
    "WITH moved AS (UPDATE bag SET bill_id = NULL WHERE bag_id = ANY(CAST(:bags AS bigint[])) AND bill_id = :bill_id"
    f"{_MOVED}, closed AS (UPDATE bill_sack SET valid_until = greatest(valid_from, :at), closed_by = :command_id"
    " WHERE parent_id = ANY(CAST(:bags AS bigint[])) AND bill_id = :bill_id AND valid_until IS NULL)"
    + _COUNT.format(sign="-")
)
_PUT_ON = text(
    "WITH moved AS (UPDATE bag SET bill_id = :bill_id, return_id = NULL WHERE bag_id = ANY(CAST(:bags AS bigint[]))"
    f"{_MOVED}, opened AS (INSERT INTO bill_sack (entry_id, bill_id, parent_id, valid_from)"
    " SELECT :command_id, :bill_id, bag_id, :at FROM unnest(CAST(:bags AS bigint[])) AS bag_id)"
    + _COUNT.format(sign="+")
)


def take_off(connection: Connection, command: Command, bill_id: int, bag_ids: Collection[int]) -> None:
    """Take these sacks off a bill they are on, and count them off."""
    _move(connection, command, bill_id, bag_ids, on=False)


def put_on(connection: Connection, command: Command, bill_id: int, bag_ids: Collection[int]) -> None:
    """Put these sacks, which are on no bill, on one that has room for them, and count them."""
    _move(connection, command, bill_id, bag_ids, on=True)


def _move(connection: Connection, command: Command, bill_id: int, bag_ids: Collection[int], *, on: bool) -> None:
    connection.execute(
        _PUT_ON if on else _TAKE_OFF,
        {
            "bill_id": bill_id,
            "bags": array_literal(bag_ids),
            "at": command.origin.received_at,
            "command_id": command.command_id,
        },
    )
