"""``make bench-eod``: the summary of a day of a million scans against the bare SQL aggregate alone, in the same run.

The summary is made by a process of its own, three times, in turn with the aggregate: the counting and grouping of the
day's scans and the sums of its bills, and nothing else. Then three times more while a device scans, one scan after
another, each until it is applied; the same without a summary is the measure for that.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg2
from rich.console import Console
from rich.table import Table

from tests.bench.eod_day import fill_days
from tests.bench.exports import client_of, for_seconds, latency, scan_while, scans_of_new_sacks
from tests.bench.pipelines import REPOSITORY, clean_environment, start_ours
from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tracetrack_common.domain.business_day import Window, business_date_of, business_window, hour_starts
from tracetrack_report_worker.summary import COMPARED

SCANS = 1_000_000
IDLE_S = 20.0
_MOST_S = 600.0
_ALONE, _BESIDE = "nobody scans", "a device scans"

# What any program would have to ask, as `history` asks it: by area, device, hour, kind and outcome.
_BARE: Final = (
    """
    SELECT area_id, device_id, kind, outcome, width_bucket(scanned_at, %(hour_starts)s::timestamptz[]), count(*),
        count(*) FILTER (WHERE received_at >= %(end)s)
    FROM scan WHERE scanned_at >= %(start)s AND scanned_at < %(end)s GROUP BY 1, 2, 3, 4, 5
    """,
    """
    SELECT area_id, created_by, status, count(*), sum(sacks), sum(children), sum(actual_weight_g),
        sum(expected_weight_g)
    FROM bill WHERE created_at >= %(start)s AND created_at < %(end)s GROUP BY 1, 2, 3
    """,
)


def main() -> None:
    """Fill a database, make its day's summary, print and write what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.eod", description=__doc__)
    parser.add_argument(
        "--scans", type=int, default=SCANS, help="of the day, and of each it is compared with (1,000,000)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="the median counts (3)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "bench-eod.json")
    arguments = parser.parse_args()
    console = Console(width=110)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracetrack-bench-eod-")))
        servers = stack.enter_context(EmbeddedServers(durable=True))
        ours = start_ours(servers, folder)
        stack.callback(ours.stop)
        zone = make_settings(ours.database_url, servers.redis_url(0)).eod_zone
        day = business_date_of(datetime.now(UTC), zone) - timedelta(days=1)
        window = business_window(day, zone)
        earlier = [business_window(day - back, zone) for back in sorted(COMPARED.values(), reverse=True)]
        console.print(f"filling {len(earlier) + 1} days of {arguments.scans:,} scans")
        filled = fill_days(ours.database_url, window, earlier, arguments.scans)
        environment = clean_environment() | {
            "TRACETRACK_DATABASE_URL": ours.database_url,
            "TRACETRACK_REDIS_URL": servers.redis_url(0),
            "TRACETRACK_LOG_LEVEL": "error",
        }
        device = stack.enter_context(client_of(ours, ours.tokens[0]))
        scans = scans_of_new_sacks()
        bare_s, alone, beside = [], [], []
        for _ in range(arguments.rounds):
            bare_s.append(count_bare(ours.database_url, window))
            alone.append(_took(_start_making(ours.database_url, environment, day)))
        scan_while(device, scans, for_seconds(5.0))  # warms up
        idle_ms = scan_while(device, scans, for_seconds(IDLE_S))
        busy_ms: list[float] = []
        for _ in range(arguments.rounds):
            making = _start_making(ours.database_url, environment, day)
            busy_ms += scan_while(device, scans, _going_on(making))
            beside.append(_took(making))
    result = {
        **filled._asdict(),
        "bare_s": round(statistics.median(bare_s), 2),
        _ALONE: summed_up(alone, statistics.median(bare_s)),
        _BESIDE: summed_up(beside, statistics.median(bare_s)),
        "idle": latency(idle_ms),
        "while_made": latency(busy_ms),
    }
    _print(console, result)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")


def count_bare(database_url: str, window: Window) -> float:
    """Give the seconds of the aggregate alone, with the memory that a summary allows itself."""
    starts = [start for start, _ in hour_starts(window)]
    values = {"start": window.start, "end": window.end, "hour_starts": starts}
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET work_mem = '64MB'; SET statement_timeout = 0")
        began = time.monotonic()
        for statement in _BARE:
            cursor.execute(statement, values)
            cursor.fetchall()
        return time.monotonic() - began


def _start_making(database_url: str, environment: Mapping[str, str], day: date) -> "subprocess.Popen[bytes]":
    """Take away what was made before, and start a process that makes it."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE eod_summary CASCADE")
        connection.commit()
    command = [sys.executable, "-m", "tests.bench.eod_making", day.isoformat()]
    return subprocess.Popen(  # noqa: S603 - the module beside this one
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE
    )


def _going_on(making: "subprocess.Popen[bytes]") -> Callable[[], bool]:
    return lambda: making.poll() is None


def _took(making: "subprocess.Popen[bytes]") -> dict[str, Any]:
    output, _ = making.communicate(timeout=_MOST_S)
    if making.returncode:
        raise AssertionError(f"the making ended with {making.returncode}")
    took: dict[str, Any] = orjson.loads(output.splitlines()[-1])  # above it stands the log
    return took


def summed_up(rounds: list[dict[str, Any]], bare_s: float) -> dict[str, Any]:
    """Give the medians of rounds: figures alone, made with its workbook and stored, and again when nothing changed."""

    def middle(name: str) -> float:
        return float(statistics.median(each[name] for each in rounds))

    return {
        "figures_s": round(middle("figures_s"), 2),
        "figures_ratio": round(middle("figures_s") / bare_s, 1),
        "made_s": round(middle("made_s"), 2),
        "made_ratio": round(middle("made_s") / bare_s, 1),
        "again_s": round(middle("again_s"), 2),
        "at_start_mb": round(middle("at_start_mb")),
        "peak_mb": round(middle("peak_mb")),
        "parts_s": {
            part: round(statistics.median(each["parts_s"][part] for each in rounds), 2) for part in rounds[0]["parts_s"]
        },
    }


def _print(console: Console, result: dict[str, Any]) -> None:
    day = f"{result['scans']:,} scans and {result['bills']:,} bills"
    table = Table(title=f"the summary of {day}; the bare aggregate: {result['bare_s']} s", title_justify="left")
    columns = ("figures_s", "figures_ratio", "made_s", "made_ratio", "again_s", "at_start_mb", "peak_mb")
    for column in ("while", *columns):
        table.add_column(column.replace("_", " "), justify="left" if column == "while" else "right")
    for line in (_ALONE, _BESIDE):
        table.add_row(line, *(f"{result[line][column]:,}" for column in columns))
    console.print(table)
    console.print("seconds of its parts, nobody scans: ", result[_ALONE]["parts_s"])
    console.print("scans when idle: ", result["idle"])
    console.print("scans while it is made: ", result["while_made"])


if __name__ == "__main__":
    main()
