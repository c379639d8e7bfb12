"""Taking sacks off bills and putting them on by command: bags, intervals and totals.

The caller holds the bags and the bill, locked in the order in which scans lock them.
"""

from collections.abc import Collection

from sqlalchemy import Connection, TextClause, text

from tracetrack_common.contracts import Command
from tracetrack_common.db.arrays import array_literal

_TAKE_OFF = text(
    "WITH closed AS (UPDATE bill_sack SET valid_until = greatest(valid_from, :at), closed_by = :command_id"
    " WHERE parent_id = ANY(CAST(:bags AS bigint[])) AND valid_until IS NULL)"
    " UPDATE bag SET bill_id = NULL WHERE bag_id = ANY(CAST(:bags AS bigint[]))"
)
_PUT_ON = text(
    "WITH opened AS (INSERT INTO bill_sack (entry_id, bill_id, parent_id, valid_from)"
    " SELECT :command_id, :bill_id, parent_id, :at FROM unnest(CAST(:bags AS bigint[])) AS parent_id)"
    " UPDATE bag SET bill_id = :bill_id, return_id = NULL WHERE bag_id = ANY(CAST(:bags AS bigint[]))"
)
_COUNT = text(
    "UPDATE bill SET sacks = bill.sacks + :sign * total.sacks, children = bill.children + :sign * total.children,"
    " actual_weight_g = actual_weight_g + :sign * total.actual_g,"
    " expected_weight_g = expected_weight_g + :sign * total.expected_g"
    " FROM (SELECT count(*) AS sacks, sum(children) AS children, sum(children * child_weight_g) AS actual_g,"
    " sum(capacity * child_weight_g) AS expected_g FROM bag WHERE bag_id = ANY(CAST(:bags AS bigint[]))) AS total"
    " WHERE bill_id = :bill_id"
)


def take_off(connection: Connection, command: Command, bill_id: int, bag_ids: Collection[int]) -> None:
    """Take these sacks off the bill they are on, and count them off."""
    _move(connection, command, bill_id, bag_ids, _TAKE_OFF, sign=-1)


def put_on(connection: Connection, command: Command, bill_id: int, bag_ids: Collection[int]) -> None:
    """Put these sacks, which are on no bill, on one that has room for them, and count them."""
    _move(connection, command, bill_id, bag_ids, _PUT_ON, sign=+1)


def _move(
    connection: Connection,
    command: Command,
    bill_id: int,
    bag_ids: Collection[int],
    statement: TextClause,
    *,
    sign: int,
) -> None:
    if not bag_ids:
        return
    moved = {"bill_id": bill_id, "bags": array_literal(bag_ids)}
    connection.execute(statement, {**moved, "at": command.origin.received_at, "command_id": command.command_id})
    connection.execute(_COUNT, {**moved, "sign": sign})
