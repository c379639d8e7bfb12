"""Clocks: this machine's against the servers'."""

from datetime import UTC, datetime

from sqlalchemy import text

from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import System


def check_clocks(system: System) -> Examined:
    """Compare this machine's clock with those of Postgres and Redis."""
    skews = {"PostgreSQL": _ask_postgres(system), "Redis": _ask_redis(system)}
    return Examined(
        ", ".join(f"{server} {skew:+.3f} s" for server, skew in skews.items()),
        tuple(
            Finding(
                "clock_skew", server, f"its clock is {abs(skew):,.1f} s {'ahead of' if skew > 0 else 'behind'} ours"
            )
            for server, skew in skews.items()
            if abs(skew) > system.limits.clock_skew_s
        ),
    )


def skew_s(before: datetime, theirs: datetime, after: datetime) -> float:
    """Give by how many seconds a clock is ahead of ours (negative: behind), at the least.

    Parameters
    ----------
    before, after
        Our clock before it was asked and after it answered.
    theirs
        Its answer; anything in between is no skew that could be known.
    """
    if theirs > after:
        return (theirs - after).total_seconds()
    if theirs < before:
        return (theirs - before).total_seconds()
    return 0.0


def _ask_postgres(system: System) -> float:
    before = system.now()
    theirs = system.rows.execute(text("SELECT clock_timestamp()")).scalar_one()
    return skew_s(before, theirs, system.now())


def _ask_redis(system: System) -> float:
    before = system.now()
    seconds, microseconds = system.redis.time()
    return skew_s(before, datetime.fromtimestamp(seconds + microseconds / 1e6, UTC), system.now())
