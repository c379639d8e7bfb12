"""``make bench-exports``: a list of a million rows against `COPY … TO` of the same rows, in the same run.

The export goes the whole way: ordered over HTTP, made by a report-worker, until its file is there. Meanwhile a device
scans, one scan after another, each until it is applied; the same without an export is the measure for that.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import psycopg2
from rich.console import Console
from rich.table import Table

from tests.bench.pipelines import REPOSITORY, Pipeline, clean_environment, python_child, start_ours
from tests.bench.warehouse import FIRST_NEW_SACK, fill, fill_scans
from tests.bench.workload import sack_code
from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tests.support.system import scan_of
from tests.support.warehouse import Warehouse
from tracetrack_common.credentials import mirror_all
from tracetrack_common.db.session import Database
from tracetrack_local.process import Child, stop_all
from tracetrack_report_worker.export_lists import LISTS

ROWS = 1_000_000
EXPORTS = ("bags.csv", "scans.csv", "bags.xlsx")
IDLE_S = 15.0
PAUSE_S = 0.01
"""Between two scans of the device: some fifty a second, so that the tail of the latencies has its numbers."""
MOST_S = 900.0
_MEGABYTE = 1024 * 1024


def main() -> None:
    """Fill a database, export it, print and write what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.exports", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="of each list (1,000,000)")
    parser.add_argument("--exports", nargs="+", default=EXPORTS, help="which: %(default)s")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "bench-exports.json")
    arguments = parser.parse_args()
    console = Console(width=120)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracetrack-bench-exports-")))
        servers = stack.enter_context(EmbeddedServers(durable=True))
        ours = start_ours(servers, folder)
        stack.callback(ours.stop)
        wanted = [each.split(".") for each in arguments.exports]
        fillings: dict[str, Callable[[str, int], object]] = {"bags": fill, "scans": fill_scans}
        for exported, filling in fillings.items():
            if exported in dict(wanted):
                console.print(f"filling {arguments.rows:,} {exported}")
                filling(ours.database_url, arguments.rows)
        worker = _start_report_worker(stack, servers, ours, folder)
        admin = stack.enter_context(_client(ours, _admin(ours, servers)))
        device = stack.enter_context(_client(ours, ours.tokens[0]))
        scans = _scans()
        scan_while(device, scans, _for_seconds(5.0))  # warms up
        lines = [{"what": "no export", **latency(scan_while(device, scans, _for_seconds(IDLE_S)))}]
        for exported, file_format in wanted:
            copied = copy(ours.database_url, exported, folder / "copied")
            lines.append(export(admin, device, scans, worker, exported, file_format) | copied)
    _print(console, lines)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(orjson.dumps(lines, option=orjson.OPT_INDENT_2) + b"\n")


def export(
    admin: httpx.Client,
    device: httpx.Client,
    scans: Iterator[dict[str, Any]],
    worker: Child,
    exported: str,
    file_format: str,
) -> dict[str, Any]:
    """Export a list while a device scans."""
    answer = admin.post("/api/v1/reports", json={"kind": "export", "list": exported, "format": file_format})
    place = answer.raise_for_status().headers["location"]
    job: dict[str, Any] = {}
    most_bytes = 0

    def goes_on() -> bool:
        nonlocal job, most_bytes
        most_bytes = max(most_bytes, _memory_of(worker))
        job = admin.get(place).raise_for_status().json()
        return job["state"] in {"queued", "running"}

    times = scan_while(device, scans, goes_on)
    if job["state"] != "done":
        raise AssertionError(job)
    # As the job has it: the file on disk, its digest taken.
    return {
        "what": f"{exported}, {file_format}",
        "rows": job["done"],
        "rows_per_s": job["rows_per_s"],
        "file_mb": round(job["file"]["size"] / _MEGABYTE, 1),
        "peak_mb": round(most_bytes / _MEGABYTE),
        **latency(times),
    }


def copy(database_url: str, exported: str, path: Path) -> dict[str, Any]:
    """Copy the same rows, in the same order, to a file."""
    statement, _ = LISTS[exported].statement({})
    began = time.monotonic()
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor, path.open("wb") as file:
        cursor.execute("SET work_mem = '64MB'; SET statement_timeout = 0")
        cursor.copy_expert(f"COPY ({statement}) TO STDOUT (FORMAT csv)", file)
        rows = cursor.rowcount
    return {"copy_rows_per_s": round(rows / (time.monotonic() - began), 1)}


def scan_while(device: httpx.Client, scans: Iterator[dict[str, Any]], goes_on: Callable[[], bool]) -> list[float]:
    """Scan, each scan until it is applied; give the milliseconds of each."""
    times: list[float] = []
    looked_at = 0.0
    deadline = time.monotonic() + MOST_S
    while time.monotonic() < deadline:
        if time.monotonic() > looked_at + 0.25:
            looked_at = time.monotonic()
            if not goes_on():
                return times
        began = time.monotonic()
        answer = device.post("/api/v1/scans", json=next(scans), headers={"Prefer": "wait=20"})
        if answer.status_code != httpx.codes.OK:
            raise AssertionError(answer.text)
        times.append((time.monotonic() - began) * 1000)
        time.sleep(PAUSE_S)
    raise AssertionError("it takes too long")


def latency(times_ms: list[float]) -> dict[str, Any]:
    """Sum up how long scans took."""
    times = sorted(times_ms)
    return {
        "scans": len(times),
        "p50_ms": round(statistics.median(times), 1),
        "p99_ms": round(times[len(times) * 99 // 100], 1),
    }


def _for_seconds(seconds: float) -> Callable[[], bool]:
    ends = time.monotonic() + seconds
    return lambda: time.monotonic() < ends


def _scans() -> Iterator[dict[str, Any]]:
    for number in itertools.count():
        sack = sack_code(FIRST_NEW_SACK + number // 30)
        yield scan_of("child", f"E{number:08d}", parent_code=sack)


def _start_report_worker(stack: ExitStack, servers: EmbeddedServers, ours: Pipeline, folder: Path) -> Child:
    env = clean_environment() | {
        "TRACETRACK_DATABASE_URL": ours.database_url,
        "TRACETRACK_REDIS_URL": servers.redis_url(0),
        "TRACETRACK_STATE_DIR": str(folder),
        "TRACETRACK_LOG_LEVEL": "warning",
    }
    celery = ["-m", "celery", "-A", "tracetrack_report_worker.main:app", "worker"]
    worker = python_child("reports", [*celery, "-Q", "reports", "-n", "reports@%h", "-c", "2"], env, folder)
    worker.start()
    stack.callback(stop_all, [worker])
    return worker


def _memory_of(worker: Child) -> int:
    """Give the memory of the worker's largest process."""
    processes = [psutil.Process(worker.pid or 0)]
    processes += processes[0].children(recursive=True)
    return max(process.memory_info().rss for process in processes)


def _client(ours: Pipeline, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{ours.port}", headers=headers, timeout=30, trust_env=False)


def _admin(ours: Pipeline, servers: EmbeddedServers) -> str:
    settings = make_settings(ours.database_url, servers.redis_url(0))
    with (
        closing(Database(settings, application_name="bench-exports")) as database,
        closing(servers.valkey_server.connect()) as redis,
    ):
        admin = Warehouse(database).person("admin")
        with database.snapshot() as connection:
            mirror_all(redis, connection)
    return admin.token


def _print(console: Console, lines: list[dict[str, Any]]) -> None:
    table = Table(title="exports, and a device that scans meanwhile", title_justify="left")
    columns = ("what", "rows", "rows_per_s", "copy_rows_per_s", "file_mb", "peak_mb", "scans", "p50_ms", "p99_ms")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="left" if column == "what" else "right")
    for line in lines:
        table.add_row(
            *(f"{value:,}" if isinstance(value := line.get(column, ""), int | float) else value for column in columns)
        )
    console.print(table)


if __name__ == "__main__":
    main()
