"""``make soak``: an hour of a warehouse above its peak, with a fault every other minute, and every process' memory.

The peak is fifty devices that scan once a second. Every scan is in the books at the end.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.fault.case import Case, Figures
from tests.fault.fleet import Fleet
from tests.fault.sabotage import find_pool, find_process, kill, let_pass, standing_still
from tests.fault.waves import plan_wave
from tests.support.system import RunningSystem

REPORT = Path("build/soak.json")
DEVICES = 50
PEAK_PER_S = 50
OVER_PEAK = 1.2
WAVE_S = 6.0
FAULT_EVERY_S = 120.0
SETTLED_AFTER = 0.25
"""The first quarter is for caches and pools to fill; memory is compared from there on."""
MOST_GROWTH = 0.10
MEGABYTE = 1024 * 1024

FAULTS: dict[str, Callable[[RunningSystem, random.Random], None]] = {
    "pool process killed": lambda system, rng: kill(rng.choice(find_pool(system, "scan-worker"))),
    "scan-worker killed": lambda system, _: kill(find_process(system, "scan-worker")),
    "command-worker killed": lambda system, _: kill(find_process(system, "command-worker")),
    "gateway killed": lambda system, _: kill(find_process(system, "gateway")),
    "beat killed": lambda system, _: kill(find_process(system, "beat")),
    "Redis killed": lambda system, _: kill(find_process(system, "valkey")),
    "Postgres stopped at once": lambda system, _: find_process(system, "postgres").kill(),
    "Redis hung 10 s": lambda system, _: _hang(system, "valkey"),
    "Postgres hung 10 s": lambda system, _: _hang(system, "postgres"),
}
LASTING = (
    "postgres",
    "valkey",
    "gateway",
    "scan-worker",
    "command-worker",
    "import-worker",
    "report-worker",
    "beat",
    "flower",
)


def _hang(system: RunningSystem, name: str) -> None:
    with standing_still(find_process(system, name)):
        let_pass(10.0)


@dataclass
class Soak:
    """What an hour gave."""

    minutes: float
    seed: int
    scans: int = 0
    faults: list[tuple[float, str]] = field(default_factory=list)
    backlog_most: int = 0
    memory_mb: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    figures: Figures = field(default_factory=lambda: Figures("soak", "an hour above the peak"))

    def growth(self) -> dict[str, float]:
        """Give by how much each process family grew, from the end of the first quarter to the end, as a share."""
        grown = {}
        for name, samples in self.memory_mb.items():
            settled = [mb for at_s, mb in samples if at_s >= self.minutes * 60 * SETTLED_AFTER]
            if len(settled) >= 4:
                half = len(settled) // 2
                grown[name] = statistics.median(settled[half:]) / statistics.median(settled[:half]) - 1
        return grown


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak; 0 when the books are right, the backlog came back to nought and no process grew by more than a tenth."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=20261124)
    options = parser.parse_args(arguments)
    console = Console()
    soak = Soak(options.minutes, options.seed)
    with tempfile.TemporaryDirectory(prefix="tracetrack-soak-") as folder:
        Path(folder).chmod(0o711)
        system = RunningSystem(Path(folder)).start()
        try:
            run(system, soak, Path(folder), console)
        finally:
            REPORT.parent.mkdir(exist_ok=True)
            REPORT.write_text(json.dumps({**asdict(soak), "growth": soak.growth()}, indent=2) + "\n", encoding="utf-8")
            show(soak, console)
            system.stop()
    return 0 if soak.figures.holds and max(soak.growth().values(), default=0.0) <= MOST_GROWTH else 1


def run(system: RunningSystem, soak: Soak, folder: Path, console: Console) -> None:
    """Have devices scan at an even rate, and break something every so often, until the time is up."""
    rng = random.Random(soak.seed)  # noqa: S311 - repeatable
    journals = folder / "journals"
    journals.mkdir()
    fleet = Fleet(system, journals, size=DEVICES, resends=False)
    with system.admin() as admin, fleet.at_work(admin):
        case = Case(soak.figures, system, fleet, rng, is_full=True)
        began = time.monotonic()
        fault_at = began + FAULT_EVERY_S
        per_wave = round(PEAK_PER_S * OVER_PEAK * WAVE_S)
        while (now := time.monotonic()) - began < soak.minutes * 60:
            fleet.record(plan_wave(rng, scans=per_wave, devices=DEVICES))
            soak.backlog_most = max(soak.backlog_most, fleet.waiting)
            if now >= fault_at:
                fault_at += FAULT_EVERY_S
                name = rng.choice(sorted(FAULTS))
                soak.faults.append((round(now - began, 1), name))
                console.print(f"{(now - began) / 60:5.1f} min: {len(fleet.wanted):,} scans, {name}")
                FAULTS[name](system, rng)
                soak.figures.runs += 1
            sample(system, soak, now - began)
            let_pass(max(0.0, now + WAVE_S - time.monotonic()))
        soak.scans = len(fleet.wanted)
        fleet.await_accepted()
        case.await_recovery()
        case.close_books()


def sample(system: RunningSystem, soak: Soak, at_s: float) -> None:
    """Note the memory that is each process' alone, with all below it; Postgres' buffers may fill as they like."""
    records = system.records()
    for name in LASTING:
        record = records.get(name)
        if record is None or record.pid is None:
            continue
        try:
            family = [psutil.Process(record.pid), *psutil.Process(record.pid).children(recursive=True)]
            memory = sum(each.memory_full_info().uss for each in family) / MEGABYTE
        except psutil.Error:
            continue
        soak.memory_mb.setdefault(name, []).append((round(at_s, 1), round(memory, 1)))


def show(soak: Soak, console: Console) -> None:
    """Print what it gave."""
    figures = soak.figures
    console.print(
        f"{soak.minutes:g} min, {soak.scans:,} scans, {len(soak.faults)} faults: {figures.lost} lost,"
        f" {figures.doubled} doubled, {figures.unexplained} unexplained; {soak.backlog_most:,} waited at the most"
    )
    table = Table("process", "memory, MB: after a quarter", "at the end", "growth of the medians")
    for name, grown in soak.growth().items():
        samples = soak.memory_mb[name]
        settled = next(mb for at_s, mb in samples if at_s >= soak.minutes * 60 * SETTLED_AFTER)
        table.add_row(name, f"{settled:.0f}", f"{samples[-1][1]:.0f}", f"{grown:+.1%}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
