"""What a check is given: the servers, one snapshot of the database, and how far it may go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis import Redis
from sqlalchemy import Connection, Row, TextClause, text

from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings

EXAMPLES = 5
"""So many rows at fault are named; their number is always told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on something is a finding.

    Parameters
    ----------
    clock_skew_s
        Between this machine and a server; NTP keeps far below it.
    connections_share
        Of the connections a server allows.
    memory_share
        Of the memory Redis may use.
    transaction_age_s
        Of an open transaction; ours have timeouts of seconds.
    ledger_age_s
        Of the oldest entry; an entry takes milliseconds, and seconds when a worker died.
    ledger_entries
        Above it a ledger is not compared with the database: that would read all of it.
    ledger_identities
        The same; each takes a hundred bytes of the doctor's memory.
    default_partition_scans
        In `scan_default`; moving so many into a month's partition takes about a second.
    settle_s
        How long a difference between Redis and Postgres must last: a commit comes some milliseconds before its entry
        is removed.
    """

    clock_skew_s: float = 2.0
    connections_share: float = 0.8
    memory_share: float = 0.75
    transaction_age_s: int = 600
    ledger_age_s: float = 60.0
    ledger_entries: int = 10_000
    ledger_identities: int = 200_000
    default_partition_scans: int = 10_000
    settle_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The system that is examined.

    Parameters
    ----------
    settings
        Addresses.
    database
        For looks that must be newer than the snapshot.
    redis
        The ledgers, the mirror.
    snapshot
        A read-only transaction in which every statement sees the same moment; None when Postgres does not answer.
    now
        This machine's clock.
    limits
        From where on something is a finding.
    """

    settings: Settings
    database: Database
    redis: Redis
    snapshot: Connection | None
    now: Callable[[], datetime]
    limits: Limits

    @property
    def rows(self) -> Connection:
        """The snapshot.

        Raises
        ------
        RuntimeError
            There is none; the check should have said that it needs Postgres.
        """
        if self.snapshot is None:
            raise RuntimeError("this check needs Postgres")
        return self.snapshot


def utc_now() -> datetime:
    """Give this machine's time."""
    return datetime.now(UTC)


def examples_of(query: str) -> TextClause:
    """Make a statement that gives the first rows of a query, each with the number of all as ``total``.

    Parameters
    ----------
    query
        Finds the rows at fault.
    """
    return text(f"SELECT *, count(*) OVER () AS total FROM ({query}) AS at_fault LIMIT {EXAMPLES}")  # noqa: S608 - constants of this package


def describe_examples(rows: Sequence[Row[Any]], what: str, sentence: str) -> str:
    """Say how many rows are at fault and which the first are.

    Parameters
    ----------
    rows
        What a statement of `examples_of` gave; at least one.
    what
        What a row is, in the plural.
    sentence
        Format of one row.
    """
    first = "; ".join(sentence.format(**row._asdict()) for row in rows)
    return f"{rows[0].total:,} {what}: {first}" + ("; …" if rows[0].total > len(rows) else "")
