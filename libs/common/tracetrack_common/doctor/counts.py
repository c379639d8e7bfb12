"""Counts: what is kept for speed with bags, bills and totals, against the rows it is kept of.

Sacks and bills are held against the intervals, each by itself, so that one wrong row is one finding.
"""

from typing import Final, NamedTuple

from sqlalchemy import TextClause, text

from tracetrack_common import tally
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import System, describe_examples, examples_of

_LINKED: Final = "SELECT parent_id, count(*) AS children FROM bag_link WHERE valid_until IS NULL GROUP BY parent_id"
_CODE: Final = "(SELECT code FROM bag AS named WHERE named.bag_id = {key})"
_BILL_NO: Final = "(SELECT bill_no FROM bill AS named WHERE named.bill_id = {key})"


class _Comparison(NamedTuple):
    """A kept value and what it must be: the finding, its subject, the rows at fault, and how they are told."""

    code: str
    subject: str
    statement: TextClause
    what: str
    sentence: str


_COMPARISONS: Final = (
    _Comparison(
        "sack_count_differs",
        "bag.children",
        examples_of(
            "SELECT bag.code, bag.children, coalesce(linked.children, 0) AS linked"  # noqa: S608 - constants of this module
            f" FROM bag LEFT JOIN ({_LINKED}) AS linked ON linked.parent_id = bag.bag_id"
            " WHERE bag.children <> coalesce(linked.children, 0)"
        ),
        "sacks",
        "{code} says {children} and holds {linked}",
    ),
    _Comparison(
        "bag_place_differs",
        "bag.parent_id",
        examples_of(
            f"SELECT bag.code, {_CODE.format(key='bag.parent_id')} AS says, {_CODE.format(key='now.parent_id')}"  # noqa: S608 - constants of this module
            " AS history"
            " FROM bag LEFT JOIN (SELECT child_id, parent_id FROM bag_link WHERE valid_until IS NULL) AS now"
            " ON now.child_id = bag.bag_id WHERE bag.parent_id IS DISTINCT FROM now.parent_id"
        ),
        "children",
        "{code} says {says}, its history {history}",
    ),
    _Comparison(
        "bag_place_differs",
        "bag.bill_id",
        examples_of(
            f"SELECT bag.code, {_BILL_NO.format(key='bag.bill_id')} AS says,"  # noqa: S608 - constants of this module
            f" {_BILL_NO.format(key='now.bill_id')} AS history"
            " FROM bag LEFT JOIN (SELECT parent_id, bill_id FROM bill_sack WHERE valid_until IS NULL) AS now"
            " ON now.parent_id = bag.bag_id WHERE bag.bill_id IS DISTINCT FROM now.bill_id"
        ),
        "sacks",
        "{code} says {says}, its history {history}",
    ),
    _Comparison(
        "bag_place_differs",
        "bag.return_id",
        examples_of(
            "SELECT bag.code, (SELECT return_no FROM goods_return WHERE goods_return.return_id = bag.return_id) AS says"
            " FROM bag WHERE return_id IS NOT NULL AND NOT EXISTS (SELECT FROM return_sack"
            " WHERE return_sack.parent_id = bag.bag_id AND return_sack.return_id = bag.return_id)"
        ),
        "sacks",
        "{code} says {says}, its history nothing",
    ),
    _Comparison(
        "bag_place_differs",
        "bag.deleted_at",
        examples_of(
            "SELECT bag.code, bag.deleted_at AS says, now.deleted_at AS history"
            " FROM bag LEFT JOIN (SELECT bag_id, deleted_at FROM bag_deletion WHERE revived_at IS NULL) AS now"
            " USING (bag_id) WHERE bag.deleted_at IS DISTINCT FROM now.deleted_at"
        ),
        "bags",
        "{code} was deleted at {says}, by its history at {history}",
    ),
    _Comparison(
        "bill_total_differs",
        "bill",
        examples_of(
            "SELECT bill_no, bill.sacks, bill.children, actual_weight_g AS actual, expected_weight_g AS expected,"  # noqa: S608 - constants of this module
            " coalesce(held.sacks, 0) AS held_sacks, coalesce(held.children, 0) AS held_children,"
            " coalesce(held.actual, 0) AS held_actual, coalesce(held.expected, 0) AS held_expected"
            " FROM bill LEFT JOIN (SELECT bill_sack.bill_id, count(*) AS sacks, sum(coalesce(linked.children,"
            " 0)) AS children,"
            " sum(coalesce(linked.children, 0) * child_weight_g) AS actual, sum(capacity * child_weight_g) AS expected"
            " FROM bill_sack JOIN bag ON bag.bag_id = bill_sack.parent_id"
            f" LEFT JOIN ({_LINKED}) AS linked ON linked.parent_id = bill_sack.parent_id"
            " WHERE valid_until IS NULL GROUP BY bill_sack.bill_id) AS held ON held.bill_id = bill.bill_id"
            " WHERE (bill.sacks, bill.children, actual_weight_g, expected_weight_g) <>"
            " (coalesce(held.sacks, 0), coalesce(held.children, 0), coalesce(held.actual, 0),"
            " coalesce(held.expected, 0))"
        ),
        "bills",
        "{bill_no} says {sacks} sacks, {children} children, {actual} g, expected {expected} g and holds {held_sacks},"
        " {held_children}, {held_actual} g, {held_expected} g",
    ),
    _Comparison(
        "bill_status_differs",
        "bill.status",
        examples_of(
            "SELECT bill_no, bill.status, now.status AS history FROM bill"
            " LEFT JOIN (SELECT bill_id, status FROM bill_state WHERE valid_until IS NULL) AS now USING (bill_id)"
            " WHERE CASE WHEN deleted_at IS NULL THEN bill.status END IS DISTINCT FROM now.status"
        ),
        "bills",
        "{bill_no} says {status}, its history {history}",
    ),
    *(
        _Comparison(
            "interval_reversed",
            table,
            examples_of(f"SELECT {key} AS key, valid_from, valid_until FROM {table} WHERE valid_until < valid_from"),  # noqa: S608 - constants of this module
            "intervals",
            "{key} from {valid_from} until {valid_until}",
        )
        for table, key in (("bag_link", "link_id"), ("bill_sack", "entry_id"), ("bill_state", "change_id"))
    ),
    _Comparison(
        "document_damaged",
        "eod_document",
        examples_of("SELECT summary_id, format FROM eod_document WHERE sha256(content) <> sha256"),
        "documents",
        "summary {summary_id} as {format}",
    ),
)

_COUNT = text("SELECT (SELECT count(*) FROM bag) AS bags, (SELECT count(*) FROM bill) AS bills")
_COUNT_ROWS = text(
    "SELECT 'scan.' || outcome AS name, count(*) AS value FROM scan GROUP BY outcome"
    " UNION ALL SELECT CASE WHEN capacity IS NULL THEN 'bag.child' ELSE 'bag.parent' END, count(*) FROM bag GROUP BY 1"
)


def check_counts(system: System) -> Examined:
    """Hold what bags and bills say of themselves against their intervals."""
    counted = system.rows.execute(_COUNT).one()
    findings = [
        Finding(each.code, each.subject, describe_examples(rows, each.what, each.sentence))
        for each in _COMPARISONS
        if (rows := system.rows.execute(each.statement).all())
    ]
    return Examined(f"{counted.bags:,} bags, {counted.bills:,} bills", tuple(findings))


def check_tallies(system: System) -> Examined:
    """Hold the running totals against the rows they count."""
    totals = tally.read(system.rows)
    counted = {row.name: row.value for row in system.rows.execute(_COUNT_ROWS)}
    return Examined(
        f"{len(counted)} totals",
        tuple(
            Finding(
                "tally_differs", name, f"the total is {totals.get(name, 0):,}, there are {counted.get(name, 0):,} rows"
            )
            for name in sorted(totals.keys() | counted.keys())
            if totals.get(name, 0) != counted.get(name, 0)
        ),
    )
