"""Series of runs: measured one run at a time, so that several can alternate, and shown together."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from tests.bench import measure
from tests.bench.measure import Run
from tests.bench.pipelines import Pipeline
from tests.support.servers import EmbeddedServers

BATCH = 200
WARM_UP_S = 1.5
RUN_S = 7.0
LEAST_RUN_S = 5.0
FIRST_SCANS = {1: 400, BATCH: 800}
MOST_SCANS = 500_000

type_of = {1: "single scans", BATCH: f"batches of {BATCH}"}


@dataclass
class Series:
    """The runs of one kind.

    Parameters
    ----------
    name
        Of the pipeline, or of what is special about it.
    pipeline
        What is measured.
    batch
        Scans in a request.
    prepare
        What is to be set before each of its runs.
    """

    name: str
    pipeline: Pipeline
    batch: int
    prepare: Callable[[], None] = lambda: None
    runs: list[Run] = field(default_factory=list)
    expected_rate: float = 0.0

    @property
    def rate(self) -> float:
        """The median rate, in committed scans per second."""
        return statistics.median(run.rate for run in self.runs)

    @property
    def middle(self) -> Run:
        """The run with the median rate."""
        return sorted(self.runs, key=lambda run: run.rate)[len(self.runs) // 2]


class Comparison(NamedTuple):
    """One line of `build/bench.json`."""

    name: str
    ours: float
    peer: float
    ratio: float


def alternate(
    servers: EmbeddedServers, all_series: Sequence[Series], console: Console, *, rounds: int, run_s: float
) -> None:
    """Measure every series once a round."""
    for number in range(rounds):
        for series in all_series:
            series.prepare()
            measure_once(servers, series, run_s)
            rate = series.runs[-1].rate
            console.print(f"round {number + 1}: {series.name}, {type_of[series.batch]}: {rate:,.0f} scans/s")


def measure_once(servers: EmbeddedServers, series: Series, run_s: float) -> None:
    """Warm up, then measure with as many scans as fill the time."""

    def go(scans: float) -> Run:
        return measure.run(servers, series.pipeline, scans=min(round(scans), MOST_SCANS), batch=series.batch)

    if not series.expected_rate:
        go(FIRST_SCANS[series.batch])
        series.expected_rate = go(FIRST_SCANS[series.batch]).rate
    series.expected_rate = go(series.expected_rate * WARM_UP_S).rate
    run = go(series.expected_rate * run_s)
    if run.seconds < min(LEAST_RUN_S, run_s * 0.7) and run.scans < MOST_SCANS:
        run = go(run.rate * run_s)
    series.runs.append(run)
    series.expected_rate = run.rate


def print_rates(console: Console, all_series: Sequence[Series]) -> None:
    """Show every series: its rates and where the processor time went."""
    table = Table(title="committed scans per second", title_justify="left")
    columns = ("pipeline", "requests", "median", "runs", "scans", "s", "p50 ms", "p99 ms")
    for column in columns:
        table.add_column(column, justify="right" if column not in columns[:2] else "left")
    for series in all_series:
        run = series.middle
        table.add_row(
            series.name,
            type_of[series.batch],
            f"{series.rate:,.0f}",
            " ".join(f"{run.rate:,.0f}" for run in series.runs),
            f"{run.scans:,}",
            f"{run.seconds:.1f}",
            f"{run.latencies_ms[len(run.latencies_ms) // 2]:.1f}",
            f"{run.latencies_ms[len(run.latencies_ms) * 99 // 100]:.1f}",
        )
    console.print(table)
    parts = list(dict.fromkeys(part for series in all_series for part in series.middle.cpu_us))
    table = Table(title="processor time per scan, µs", title_justify="left")
    for column in ("pipeline", "requests", *parts, "all"):
        table.add_column(column, justify="right" if column not in {"pipeline", "requests"} else "left")
    for series in all_series:
        used = series.middle.cpu_us
        cells = [f"{used[part]:,.0f}" if part in used else "" for part in parts]
        table.add_row(series.name, type_of[series.batch], *cells, f"{sum(used.values()):,.0f}")
    console.print(table)


def compare(all_series: Sequence[Series], ours: str, peer: str) -> list[Comparison]:
    """Set the series of one name against those of another, by size of request."""
    rates = {(series.name, series.batch): series.rate for series in all_series}
    return [
        Comparison(
            name=f"committed scans/s, {type_of[batch]}",
            ours=round(rates[ours, batch], 1),
            peer=round(rates[peer, batch], 1),
            ratio=round(rates[ours, batch] / rates[peer, batch], 2),
        )
        for batch in type_of
        if {(ours, batch), (peer, batch)} <= rates.keys()
    ]


def write_comparisons(output: Path, comparisons: Sequence[Comparison]) -> None:
    """Write the lines as JSON."""
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = [comparison._asdict() for comparison in comparisons]
    output.write_bytes(orjson.dumps(lines, option=orjson.OPT_INDENT_2) + b"\n")
