"""``make profile``: the 50-device profile of the old system, against the whole system started for it.

50 users with the pauses of a shift work for 129 seconds on a warehouse of 800,000 bags: most of what they do is
scanning with the outcome waited for, the rest is looking things up. With ``--rush`` nobody pauses.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench.pipelines import REPOSITORY, NotReadyError, clean_environment, enrol, log_in, python_child
from tests.bench.users import Floor, Shift, work_shift
from tests.bench.warehouse import fill
from tests.bench.workload import uuid7
from tests.support.servers import EmbeddedServers
from tracetrack_local import ports
from tracetrack_local.credentials import Credentials
from tracetrack_local.errors import LauncherError
from tracetrack_local.process import Child, stop_all
from tracetrack_local.waiting import wait_until

SHIFT_S = 129.0
THINK_S = 5.2  # with the answer's own time, 50 users make the old system's 9.45 requests per second
BAGS = 800_000
START_TIMEOUT_S = 120.0


class Figures(NamedTuple):
    """What a profile comes down to."""

    success_percent: float
    mean_ms: float
    median_ms: float
    p95_ms: float
    p99_ms: float
    requests_per_s: float


OLD: Final = Figures(100.0, 52.38, 4.96, 32.88, 970.73, 9.45)


def figures_of(shift: Shift) -> Figures:
    """Sum a shift up over all its requests."""
    latencies = sorted(latency for each in shift.latencies_ms.values() for latency in each)
    lost = sum(shift.failures.values())
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return Figures(
        success_percent=round(100 * (1 - lost / max(len(latencies), lost)), 3),
        mean_ms=round(statistics.fmean(latencies), 2),
        median_ms=round(cuts[49], 2),
        p95_ms=round(cuts[94], 2),
        p99_ms=round(cuts[98], 2),
        requests_per_s=round(len(latencies) / shift.seconds, 2),
    )


def print_figures(console: Console, shift: Shift, figures: Figures) -> None:
    """Show the figures beside the old ones, each action by itself, and what failed."""
    table = Table(title=f"50 users, {shift.seconds:.0f} s", title_justify="left")
    for column in ("", "this system", "old system"):
        table.add_column(column, justify="right" if column else "left")
    for name, ours, old in zip(Figures._fields, figures, OLD, strict=True):
        table.add_row(name, f"{ours:,.2f}", f"{old:,.2f}")
    console.print(table)
    table = Table(title="by action", title_justify="left")
    for column in ("action", "requests", "median ms", "p99 ms", "most ms"):
        table.add_column(column, justify="left" if column == "action" else "right")
    for action, latencies in shift.latencies_ms.items():
        if latencies:
            ordered = sorted(latencies)
            shown = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
            table.add_row(action, f"{len(ordered):,}", *(f"{latency:.2f}" for latency in shown))
    console.print(table)
    for failure, times in shift.failures.most_common(5):
        console.print(f"{times} times: {failure}", markup=False, soft_wrap=True)


def start_system(servers: EmbeddedServers, folder: Path) -> tuple[Child, Credentials]:
    """Start the whole system with ``tracetrack up`` on these servers, and wait until a scan goes all the way.

    Raises
    ------
    NotReadyError
        It did not come up.
    """
    gateway_port = ports.choose_free()
    env = clean_environment() | {
        "TRACETRACK_DATABASE_URL": servers.create_database("profile"),
        "TRACETRACK_REDIS_URL": servers.redis_url(),
        "TRACETRACK_GATEWAY_PORT": str(gateway_port),
        "TRACETRACK_FLOWER_PORT": str(ports.choose_free(frozenset({gateway_port}))),
        "TRACETRACK_STATE_DIR": str(folder / "state"),
        "TRACETRACK_LOG_LEVEL": "warning",
    }
    system = python_child("system", ["-c", "from tracetrack_local.cli import main; main()", "up"], env, folder)
    system.start()
    if not wait_until(lambda: not system.is_running() or applies_scans(folder / "state"), timeout_s=START_TIMEOUT_S):
        stop_all([system])
    if not system.is_running():
        raise NotReadyError(f"the system did not come up:\n{system.last_lines()}")
    return system, Credentials.load(folder / "state")


def applies_scans(state_dir: Path) -> bool:
    """Tell whether a scan comes back with its outcome."""
    try:
        credentials = Credentials.load(state_dir)
        answer = httpx.post(
            f"{credentials.gateway_url}/api/v1/scans",
            json={
                "scan_id": uuid7(1_700_000_000_000, 1),
                "kind": "parent",
                "code": "M444-99999",
                "scanned_at": "2026-01-01T00:00:00Z",
            },
            headers={"Authorization": f"Bearer {credentials.device.token}", "Prefer": "wait=2"},
            trust_env=False,
            timeout=5.0,
        )
    except (LauncherError, httpx.HTTPError):
        return False
    return answer.status_code == httpx.codes.OK


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SHIFT_S, help="length of the shift (129)")
    parser.add_argument("--bags", type=int, default=BAGS, help="bags in the warehouse (800000)")
    parser.add_argument("--rush", action="store_true", help="nobody pauses")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "profile.json")
    return parser.parse_args()


def main() -> None:
    """Run the profile."""
    arguments = parse_arguments()
    console = Console(width=110)
    with tempfile.TemporaryDirectory(prefix="tracetrack-profile-") as folder, EmbeddedServers(durable=True) as servers:
        console.print("starting the system")
        system, credentials = start_system(servers, Path(folder))
        try:
            url = httpx.URL(credentials.gateway_url)
            warehouse = fill(servers.database_url("profile"), arguments.bags)
            console.print(f"{warehouse.bags:,} bags, {warehouse.bills:,} bills")
            session_token = log_in(str(url), credentials.admin.username, credentials.admin.password)
            floor = Floor(url.host, url.port or 80, enrol(str(url), session_token), session_token, warehouse)
            shift = uvloop.run(work_shift(floor, seconds=arguments.seconds, think_s=0.0 if arguments.rush else THINK_S))
        finally:
            stop_all([system])
    figures = figures_of(shift)
    print_figures(console, shift, figures)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        {"name": name, "ours": ours, "old": old} for name, ours, old in zip(Figures._fields, figures, OLD, strict=True)
    ]
    arguments.output.write_bytes(orjson.dumps(lines, option=orjson.OPT_INDENT_2) + b"\n")
    sys.exit(0 if not shift.failures else 1)


if __name__ == "__main__":
    main()
