"""Monthly partitions of `scan`. UUIDv7 sorts by time, so a month is a range of identities."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, text

from tracetrack_common.ids import first_uuid7

MONTHS_AHEAD = 3
"""Partitions made before they are needed: a quarter gives an operator time to notice that nothing makes them."""


def ensure_partitions(connection: Connection, now: datetime) -> list[str]:
    """Make the partitions of last month, this month and the coming ones that are missing.

    Scans whose identity lies in such a month and that are in the default partition already (from a device whose clock
    ran ahead) move to the new one.

    Parameters
    ----------
    connection
        Inside a transaction, with the right to create tables.
    now
        The current time.

    Returns
    -------
    list of str
        The names of the partitions that were made.
    """
    months = _months(now - timedelta(days=31), MONTHS_AHEAD + 3)
    made = []
    for first, after in pairwise(months):
        name = f"scan_{first:%Y%m}"
        if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None:
            continue
        bounds = {"low": str(_boundary(first)), "high": str(_boundary(after))}
        connection.execute(text(f"CREATE TABLE {name} (LIKE scan INCLUDING ALL)"))
        connection.execute(
            text(
                "WITH moved AS (DELETE FROM scan_default WHERE scan_id >= :low AND scan_id < :high RETURNING *)"  # noqa: S608 - the name is made above from a date
                f" INSERT INTO {name} SELECT * FROM moved"
            ),
            bounds,
        )
        connection.execute(
            text(
                f"ALTER TABLE scan ATTACH PARTITION {name} FOR VALUES FROM ('{bounds['low']}') TO ('{bounds['high']}')"
            )
        )
        made.append(name)
    return made


def _months(start: datetime, count: int) -> list[datetime]:
    first = start.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = [first]
    while len(months) < count:
        months.append((months[-1] + timedelta(days=32)).replace(day=1))
    return months


def _boundary(month: datetime) -> object:
    return first_uuid7(int(month.timestamp() * 1000))
