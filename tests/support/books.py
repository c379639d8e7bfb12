"""Holding what is kept for speed against what it is kept of."""

from tests.support.warehouse import Warehouse
from tracetrack_common import tally


def assert_counts_follow_history(warehouse: Warehouse) -> None:
    """Hold the counts kept with bags and bills against the intervals."""
    assert not warehouse.rows(
        "SELECT code FROM bag WHERE children <>"
        " (SELECT count(*) FROM bag_link WHERE bag_link.parent_id = bag.bag_id AND valid_until IS NULL)"
        " OR parent_id IS DISTINCT FROM"
        " (SELECT parent_id FROM bag_link WHERE child_id = bag.bag_id AND valid_until IS NULL)"
        " OR bill_id IS DISTINCT FROM"
        " (SELECT bill_id FROM bill_sack WHERE bill_sack.parent_id = bag.bag_id AND valid_until IS NULL)"
    )
    assert not warehouse.rows(
        "SELECT bill_no FROM bill LEFT JOIN LATERAL"
        " (SELECT count(*) AS sacks, coalesce(sum(children), 0) AS children,"
        " coalesce(sum(children * child_weight_g), 0) AS actual,"
        " coalesce(sum(capacity * child_weight_g), 0) AS expected"
        " FROM bag WHERE bag.bill_id = bill.bill_id) AS held ON true"
        " WHERE (bill.sacks, bill.children, actual_weight_g, expected_weight_g)"
        " <> (held.sacks, held.children, held.actual, held.expected)"
    )
    assert not warehouse.rows(
        "SELECT bill_no FROM bill LEFT JOIN bill_state ON bill_state.bill_id = bill.bill_id AND valid_until IS NULL"
        " WHERE CASE WHEN deleted_at IS NULL THEN bill.status END IS DISTINCT FROM bill_state.status"
    )


def assert_totals_follow_rows(warehouse: Warehouse) -> None:
    """Hold the running totals against the rows."""
    with warehouse.database.snapshot() as connection:
        totals = tally.read(connection)
    by_outcome = warehouse.rows("SELECT 'scan.' || outcome AS name, count(*) AS value FROM scan GROUP BY outcome")
    by_kind = warehouse.row("SELECT count(capacity) AS parents, count(*) - count(capacity) AS children FROM bag")
    assert totals == {row["name"]: row["value"] for row in by_outcome} | {
        "bag.parent": by_kind["parents"],
        "bag.child": by_kind["children"],
    }
