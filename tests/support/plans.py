"""What PostgreSQL means to do: the plan of a statement, read."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection


class Step(NamedTuple):
    """A step of a plan that reads a table.

    Parameters
    ----------
    kind
        As PostgreSQL names it, for instance ``Index Scan``.
    table, index_name
        What is read; None where the step has none.
    """

    kind: str
    table: str | None
    index_name: str | None


def plan_of(connection: Connection, statement: str, values: Mapping[str, Any]) -> list[Step]:
    """Give the steps of a statement's plan that read something; the statement as the driver gets it."""
    (document,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
    return [step for step in _steps(document["Plan"]) if step.table or step.index_name]


def blocks_of(connection: Connection, statement: str, values: Mapping[str, Any]) -> int:
    """Give how many blocks a statement touches, from memory or from disk; it is run."""
    (document,) = connection.exec_driver_sql(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", values
    ).scalar_one()
    return int(document["Plan"]["Shared Hit Blocks"] + document["Plan"]["Shared Read Blocks"])


def _steps(node: Mapping[str, Any]) -> Iterator[Step]:
    yield Step(node["Node Type"], node.get("Relation Name"), node.get("Index Name"))
    for inner in node.get("Plans", ()):
        yield from _steps(inner)
