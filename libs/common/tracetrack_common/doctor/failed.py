"""Failed work: what waits for a person."""

from sqlalchemy import text

from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import System
from tracetrack_common.failed_work import ATTEMPT_ONLY

_COUNT_OPEN = text(
    "SELECT queue, reason, count(*) AS pieces, min(first_at) AS oldest FROM failed_work WHERE state = 'open'"
    " GROUP BY queue, reason ORDER BY queue, reason"
)


def check_failed_work(system: System) -> Examined:
    """See that no accepted work waits for a person to decide."""
    rows = system.rows.execute(_COUNT_OPEN).all()
    return Examined(
        f"{sum(row.pieces for row in rows):,} open pieces",
        tuple(
            Finding(
                "failed_work_open", f"{row.queue}: {row.reason}", f"{row.pieces:,} pieces since {row.oldest:%F %T} UTC"
            )
            for row in rows
            if row.reason != ATTEMPT_ONLY
        ),
    )
