"""Monthly partitions of `scan`. UUIDv7 sorts by time, so a month is a range of identities."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

MONTHS_AHEAD = 3
"""Partitions made before they are needed: a quarter gives an operator time to notice that nothing makes them."""

_MAKE = text("SELECT make_scan_partition(:month)")


def ensure_partitions(connection: Connection, now: datetime) -> list[str]:
    """Make the partitions of last month, this month and the coming ones that are missing.

    Scans whose identity lies in such a month and that are in the default partition already (from a device whose clock
    ran ahead) move to the new one. The database's own function makes them, with the rights of the tables' owner.

    Parameters
    ----------
    connection
        Inside a transaction.
    now
        The current time.

    Returns
    -------
    list of str
        The names of the partitions that were made.
    """
    months = _months(now - timedelta(days=31), MONTHS_AHEAD + 2)
    made = (connection.scalar(_MAKE, {"month": month.date()}) for month in months)
    return [name for name in made if name is not None]


def _months(start: datetime, count: int) -> list[datetime]:
    first = start.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = [first]
    while len(months) < count:
        months.append((months[-1] + timedelta(days=32)).replace(day=1))
    return months
