"""Gaps: counters that a device used and that never arrived (domain.md, End of day).

A device's counters are compared by number, not by time: what arrived at any time fills a gap. A gap belongs to the day
of the scan that has the next higher counter, so that each one is in one day's summary. The scan below a day's first
counter is looked for in the day before, and then step by step further back, but no further than `LOOK_BACK`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from tracetrack_common.db.arrays import array_literal
from tracetrack_common.domain.eod import Gap
from tracetrack_report_worker.history import Scope

_NEIGHBOURHOOD = timedelta(days=1)
"""Around the day. The counter below a day's first one is nearly always found in it, and so is one whose corrected time
fell on the other side of midnight, since every request corrects its clock anew."""
LOOK_BACK = (timedelta(days=7), timedelta(days=31))
"""How far back the scan below a day's first counter is looked for, in steps; a device that was silent for longer starts
anew. Each step reads its days once, for all devices that need it."""
_FIRST_COUNTER = 1
"""Below it no counter is missed: an epoch starts at 0 or 1."""

_LIST_CANDIDATES = text("""
    WITH today AS MATERIALIZED (
        SELECT device_id, coalesce(epoch, 0) AS epoch, seq FROM scan
        WHERE scanned_at >= :start AND scanned_at < :end AND seq IS NOT NULL AND device_id IS NOT NULL
            AND (CAST(:area_id AS smallint) IS NULL OR area_id = :area_id)
    ), span AS (
        SELECT device_id, epoch, min(seq) AS low, max(seq) AS high FROM today GROUP BY device_id, epoch
    ), near AS (
        -- All that is below the day's first counter falls into one group, which gives the highest of them.
        SELECT scan.device_id, span.epoch, max(scan.seq) AS seq
        FROM scan JOIN span ON span.device_id = scan.device_id AND span.epoch = coalesce(scan.epoch, 0)
        WHERE scan.scanned_at >= :since AND scan.scanned_at < :until AND scan.seq < span.high
            AND NOT (scan.scanned_at >= :start AND scan.scanned_at < :end
                AND (CAST(:area_id AS smallint) IS NULL OR scan.area_id = :area_id))
        GROUP BY scan.device_id, span.epoch, greatest(scan.seq, span.low - 1)
    ), counted AS (
        SELECT device_id, epoch, seq, is_today,
            lag(seq) OVER (PARTITION BY device_id, epoch ORDER BY seq) AS previous
        FROM (
            SELECT device_id, epoch, seq, true AS is_today FROM today
            UNION ALL
            SELECT device_id, epoch, seq, false FROM near
        ) AS arrived
    )
    SELECT counted.device_id, device.name AS device, counted.epoch, counted.previous, counted.seq
    FROM counted JOIN device USING (device_id)
    WHERE counted.is_today
        AND (counted.seq > counted.previous + 1 OR (counted.previous IS NULL AND counted.seq > :first_counter))
    ORDER BY device.name, counted.epoch, counted.seq
""")

_FIND_PREVIOUS = text("""
    SELECT scan.device_id, wanted.epoch, max(scan.seq) AS previous
    FROM unnest(CAST(:devices AS int[]), CAST(:epochs AS int[]), CAST(:seqs AS bigint[]))
        AS wanted (device_id, epoch, seq)
    JOIN scan ON scan.device_id = wanted.device_id AND coalesce(scan.epoch, 0) = wanted.epoch AND scan.seq < wanted.seq
    WHERE scan.scanned_at >= :since AND scan.scanned_at < :until
    GROUP BY scan.device_id, wanted.epoch
""")


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A counter of the day whose predecessor did not arrive; `previous` is the highest lower one that did, if known."""

    device_id: int
    device: str
    epoch: int
    previous: int | None
    seq: int


def list_gaps(connection: Connection, scope: Scope) -> list[Gap]:
    """Give the gaps that belong to a day, by device, epoch and counter."""
    window = scope.window
    since = window.start - _NEIGHBOURHOOD
    found = connection.execute(
        _LIST_CANDIDATES,
        {
            **scope.parameters,
            "since": since,
            "until": window.end + _NEIGHBOURHOOD,
            "first_counter": _FIRST_COUNTER,
        },
    )
    candidates = [_Candidate(*row) for row in found]
    open_below = [each for each in candidates if each.previous is None]
    previous: dict[tuple[int, int], int] = {}
    for step in LOOK_BACK:
        wanted = [each for each in open_below if (each.device_id, each.epoch) not in previous]
        if not wanted:
            break
        previous |= _find_previous(connection, wanted, since=window.start - step, until=since)
        since = window.start - step
    return list(_close(candidates, previous))


def _find_previous(
    connection: Connection, wanted: Sequence[_Candidate], *, since: datetime, until: datetime
) -> dict[tuple[int, int], int]:
    """Give the highest lower counter that arrived in a stretch of time, by device and epoch."""
    found = connection.execute(
        _FIND_PREVIOUS,
        {
            "devices": array_literal([each.device_id for each in wanted]),
            "epochs": array_literal([each.epoch for each in wanted]),
            "seqs": array_literal([each.seq for each in wanted]),
            "since": since,
            "until": until,
        },
    )
    return {(row.device_id, row.epoch): row.previous for row in found}


def _close(candidates: Sequence[_Candidate], previous: Mapping[tuple[int, int], int]) -> Iterator[Gap]:
    """Turn candidates into gaps; one with nothing at all below it is a beginning, not a gap."""
    for each in candidates:
        below = each.previous if each.previous is not None else previous.get((each.device_id, each.epoch))
        if below is not None and below + 1 < each.seq:
            yield Gap(each.device, each.epoch, below + 1, each.seq - 1)
