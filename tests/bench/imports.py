"""``make bench-imports``: tables imported into a running system while people scan, against the same scans alone.

The whole system runs as `tracetrack up` starts it. A few devices scan all the time, each its next bag when the outcome
of the last has come; their waiting times before the imports are the baseline. The peak is that of the process that
imports, from the kernel's own mark (`VmHWM`), everything it had loaded before included.
"""

import argparse
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import xlsxwriter
from rich.console import Console
from rich.table import Table

from tests.bench.pipelines import REPOSITORY
from tests.fault.sabotage import find_pool
from tests.support.system import RunningSystem, scan_of

XLSX_ROWS, CSV_ROWS = 80_000, 1_000_000
CHILDREN = 30
SCANNERS = 4
PAUSE_S = 0.05
IDLE_S = 30.0
_PER_MIB = 1024
_LOOK_S = 0.5
_OK = 200
_FIRST_CSV_SACK, _FIRST_SCANNED_SACK = 10_000, 90_000


def main() -> None:
    """Start a system, scan, import, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.imports", description=__doc__)
    parser.add_argument("--xlsx-rows", type=int, default=XLSX_ROWS, help="rows of the batch sheet (80,000)")
    parser.add_argument("--csv-rows", type=int, default=CSV_ROWS, help="rows of the table of bags (1,000,000)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "bench-imports.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tracetrack-bench-imports-") as name:
        folder = Path(name)
        sheet = _write_sheet(folder / "batches.xlsx", arguments.xlsx_rows)
        table = _write_table(folder / "bags.csv", arguments.csv_rows)
        system = RunningSystem(folder).start()
        try:
            lines = _measure(system, sheet, table)
        finally:
            system.stop()
    _print(Console(width=120), lines)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(orjson.dumps(lines, option=orjson.OPT_INDENT_2) + b"\n")


def _measure(system: RunningSystem, sheet: Path, table: Path) -> list[dict[str, Any]]:
    codes = itertools.count()
    with system.admin() as admin, _scanning(system, codes) as taken:
        taken()
        time.sleep(IDLE_S)
        lines: list[dict[str, Any]] = [{"what": "scans alone", **_times(taken())}]
        for what, path, dry_run in (
            ("XLSX, batches, dry run", sheet, True),
            ("XLSX, batches", sheet, False),
            ("CSV, bags", table, False),
        ):
            taken()
            job = _import(admin, path, dry_run=dry_run)
            lines.append({"what": what, **_figures(job), **_times(taken()), "peak_mib": _peak_mib(system)})
    for line in lines:
        line["p99_ratio"] = round(line["p99_ms"] / lines[0]["p99_ms"], 2)
    return lines


def _import(admin: httpx.Client, path: Path, *, dry_run: bool) -> dict[str, Any]:
    """Import a file, and give the job when it is done."""
    with path.open("rb") as file:
        answer = admin.post(
            "/api/v1/imports", params={"area": "lucknow", "dry_run": dry_run}, content=file, timeout=120
        )
    place = answer.raise_for_status().headers["location"]
    while (job := admin.get(place).raise_for_status().json())["state"] in {"queued", "running"}:
        time.sleep(_LOOK_S)
    if job["state"] != "done" or job["errors"]:
        raise AssertionError(f"{job['state']}, {job['errors']} errors: {job['detail']}")
    return dict(job)


def _figures(job: dict[str, Any]) -> dict[str, Any]:
    return {"rows": job["done"], "seconds": round(job["done"] / job["rows_per_s"], 1), "rows_per_s": job["rows_per_s"]}


def _peak_mib(system: RunningSystem) -> float:
    """Give the most memory that the process which imports has held."""
    peaks = [_high_water_kib(process) for process in find_pool(system, "import-worker")]
    return round(max(peaks) / _PER_MIB, 1)


def _high_water_kib(process: psutil.Process) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@contextmanager
def _scanning(system: RunningSystem, codes: Iterator[int]) -> Iterator[Callable[[], list[float]]]:
    """Have devices scan; give what takes the milliseconds that each scan since the last taking waited for."""
    waited: list[float] = []
    ends = threading.Event()

    def scan() -> None:
        with system.device() as device:
            while not ends.wait(PAUSE_S):
                number = next(codes)
                sack = f"SB{_FIRST_SCANNED_SACK + number // CHILDREN}"
                body = scan_of("child", f"LIVE{number:07d}", parent_code=sack)
                began = time.perf_counter()
                answer = device.post("/api/v1/scans", json=body, headers={"Prefer": "wait=10"})
                waited.append((time.perf_counter() - began) * 1000)
                if answer.status_code != _OK:
                    raise AssertionError(f"{answer.status_code}: {answer.text}")

    def take() -> list[float]:
        found, waited[:] = waited[:], []
        return found

    with ThreadPoolExecutor(SCANNERS) as pool:
        scanners = [pool.submit(scan) for _ in range(SCANNERS)]
        try:
            yield take
        finally:
            ends.set()
    for scanner in scanners:
        scanner.result()


def _times(waited_ms: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(waited_ms)
    return {
        "scans": len(ordered),
        "p50_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[len(ordered) * 99 // 100], 1),
    }


def _write_sheet(path: Path, rows: int) -> Path:
    """Write a batch sheet: thirty children and their sack, again and again."""
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Sr.No.", "QR Code"])
        for number in range(rows - rows % (CHILDREN + 1)):
            batch, place = divmod(number, CHILDREN + 1)
            sheet.write_number(number + 1, 0, place + 1)
            code = f"SB{batch:05d}" if place == CHILDREN else f"XL{batch:05d}{place:02d}"
            sheet.write_string(number + 1, 1, code)
    return path


def _write_table(path: Path, rows: int) -> Path:
    """Write a table of bags: children with their sacks."""
    with path.open("w", encoding="ascii") as file:
        file.write("qr_id,type,parent_qr_id\r\n")
        file.writelines(f"CSV{number:07d},child,SB{_FIRST_CSV_SACK + number // CHILDREN}\r\n" for number in range(rows))
    return path


def _print(console: Console, lines: Sequence[dict[str, Any]]) -> None:
    columns = ("what", "rows", "seconds", "rows_per_s", "peak_mib", "scans", "p50_ms", "p99_ms", "p99_ratio")
    table = Table(title="imports, and the scans beside them", title_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="left" if column == "what" else "right")
    for line in lines:
        table.add_row(
            *(
                "" if (value := line.get(column)) is None else f"{value:,}" if column != "what" else value
                for column in columns
            )
        )
    console.print(table)


if __name__ == "__main__":
    main()
