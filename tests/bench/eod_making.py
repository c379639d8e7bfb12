"""A process that makes the summary of all areas, and says as JSON what it took: started by `tests.bench.eod`.

It makes the summary with its documents, makes it again, which reads and compares every figure and stores nothing, and
reads each part of the figures once more by itself.
"""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
from sqlalchemy import Connection

from tracetrack_common.db.session import Database
from tracetrack_common.domain.business_day import business_window
from tracetrack_common.settings import Settings
from tracetrack_report_worker import gaps, history, storage, summary

_KIB_PER_MIB = 1024


def main() -> None:
    """Make it."""
    settings = Settings()
    business_date = date.fromisoformat(sys.argv[1])
    at_start_mb = _peak_mb()
    with closing(Database(settings, application_name="bench-eod")) as database:
        made_s = _time(lambda: _make(database, settings, business_date, is_new=True))
        again_s = _time(lambda: _make(database, settings, business_date, is_new=False))
        peak_mb = _peak_mb()
        with database.snapshot() as connection:
            storage.allow_memory(connection)
            parts_s = _time_parts(connection, business_date, settings.eod_zone)
    took = {
        "made_s": made_s,
        "again_s": again_s,
        "at_start_mb": at_start_mb,
        "peak_mb": peak_mb,
        "figures_s": sum(parts_s.values()),
        "parts_s": parts_s,
    }
    sys.stdout.buffer.write(orjson.dumps(took))


def _make(database: Database, settings: Settings, business_date: date, *, is_new: bool) -> None:
    made = summary.make(
        database,
        settings,
        area=None,
        business_date=business_date,
        now=datetime.now(UTC),
        actor="system",
        request_id=None,
        address=None,
    )
    if made.made != is_new:
        raise AssertionError(made)


def _time_parts(connection: Connection, business_date: date, zone: str) -> dict[str, float]:
    """Give the seconds of each part of the figures."""
    window = business_window(business_date, zone)
    scope = history.Scope(window, None)

    def compare(back: str) -> object:
        earlier = history.Scope(business_window(business_date - summary.COMPARED[back], zone), None)
        return history.count_scans(connection, earlier, known_at=window.end)

    parts: dict[str, Callable[[], object]] = {
        "scans": lambda: history.count_scans(connection, scope),
        "sacks_registered": lambda: history.count_sacks_registered(connection, scope),
        "bills": lambda: history.list_bills(connection, scope),
        "sacks": lambda: history.list_sacks(connection, scope),
        "gaps": lambda: gaps.list_gaps(connection, scope),
        "day_before": lambda: compare("day_before"),
        "same_weekday": lambda: compare("same_weekday"),
    }
    return {name: _time(read) for name, read in parts.items()}


def _time(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _peak_mb() -> float:
    """Give the kernel's own mark; that of `getrusage` begins with the memory of the process that started this one."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / _KIB_PER_MIB


if __name__ == "__main__":
    main()
