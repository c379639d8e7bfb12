"""Running totals that are exact and cheap: each transaction counts under the audit chain it holds, so none waits."""

from collections.abc import Mapping

from sqlalchemy import Connection, text

from tracetrack_common.db.arrays import array_literal

_ADD = text(
    "INSERT INTO tally (name, chain, value)"
    " SELECT name, :chain, value FROM unnest(CAST(:names AS text[]), CAST(:values AS bigint[])) AS v (name, value)"
    " ON CONFLICT (name, chain) DO UPDATE SET value = tally.value + excluded.value"
)
_READ = text("SELECT name, CAST(sum(value) AS bigint) AS value FROM tally GROUP BY name ORDER BY name")


def add(connection: Connection, chain: int, counts: Mapping[str, int]) -> None:
    """Add to totals, in the transaction of what is counted.

    Parameters
    ----------
    connection
        Inside a transaction.
    chain
        The audit chain this transaction holds (`audit.append` gives it).
    counts
        What to add, by name.
    """
    names = sorted(counts)
    connection.execute(
        _ADD,
        {"chain": chain, "names": array_literal(names), "values": array_literal([counts[name] for name in names])},
    )


def read(connection: Connection) -> dict[str, int]:
    """Give every total by name."""
    return {row.name: row.value for row in connection.execute(_READ)}
