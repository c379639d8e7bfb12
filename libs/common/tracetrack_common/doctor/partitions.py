"""Partitions of `scan`: there before they are needed, and few scans outside of them."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import EXAMPLES, System

MONTHS_NEEDED = 2
"""Months after this one that must have a partition: one less than the chore makes, which comes every hour."""

_SELECT_PARTITIONS = text(
    "SELECT relname AS name, pg_get_expr(relpartbound, pg_class.oid) AS bound"
    " FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
    " WHERE inhparent = CAST('scan' AS regclass) ORDER BY relname"
)
_COUNT_DEFAULT = text(
    "SELECT coalesce(device.name, 'a person') AS maker, count(*) AS scans"
    " FROM scan_default LEFT JOIN device USING (device_id) GROUP BY 1 ORDER BY 2 DESC, 1"
)
_LOW_BOUND = re.compile(r"FROM \('([0-9a-f-]{36})'\)")


class Partition(NamedTuple):
    """A partition.

    Parameters
    ----------
    name
        ``scan_YYYYMM`` or ``scan_default``.
    low
        The first identity in it; None for the default partition.
    """

    name: str
    low: UUID | None


def check_partitions(system: System) -> Examined:
    """See that the coming months have partitions, and that few scans are in none of a month."""
    present = {partition.name for partition in list_partitions(system.rows)}
    findings = [
        Finding("partition_missing", name, f"there is no partition {name}")
        for name in ("scan_default", *months_needed(system.now()))
        if name not in present
    ]
    if "scan_default" in present:
        findings += _find_large_default(system)
    return Examined(f"{len(present)} partitions", tuple(findings))


def list_partitions(connection: Connection) -> list[Partition]:
    """Give the partitions of `scan` that are attached."""
    found = connection.execute(_SELECT_PARTITIONS).all()
    return [Partition(row.name, UUID(low[1]) if (low := _LOW_BOUND.search(row.bound)) else None) for row in found]


def oldest_identity(connection: Connection) -> UUID:
    """Give the first identity whose scan must still be there: older ones may have gone with a detached partition."""
    return min((low for _, low in list_partitions(connection) if low is not None), default=UUID(int=0))


def months_needed(now: datetime) -> list[str]:
    """Name the partitions that must be there: this month's and the coming ones'.

    Parameters
    ----------
    now
        The current time.
    """
    month = now.astimezone(UTC).replace(day=1)
    names = []
    for _ in range(MONTHS_NEEDED + 1):
        names.append(f"scan_{month:%Y%m}")
        month = (month + timedelta(days=32)).replace(day=1)
    return names


def _find_large_default(system: System) -> list[Finding]:
    counted = system.rows.execute(_COUNT_DEFAULT).all()
    total = sum(row.scans for row in counted)
    if total <= system.limits.default_partition_scans:
        return []
    first = ", ".join(f"{row.maker} {row.scans:,}" for row in counted[:EXAMPLES])
    return [Finding("default_partition_large", "scan_default", f"{total:,} scans: {first}")]
