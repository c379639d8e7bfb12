"""``make bench``: this pipeline and another in alternation, committed scans per second.

The rate of a run is the scans divided by the time from the first request until the last scan is committed in
PostgreSQL. The other pipeline's processes stand idle meanwhile. Each run is checked: every scan committed once, every
effect there once, or the bench ends with an error.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.bench.pipelines import REPOSITORY, Pipeline, start_direct, start_ours, start_plain
from tests.bench.series import BATCH, RUN_S, Series, alternate, compare, print_rates, type_of, write_comparisons
from tests.support.servers import EmbeddedServers

STARTS: dict[str, Callable[[EmbeddedServers, Path], Pipeline]] = {
    "ours": start_ours,
    "plain": start_plain,
    "direct": start_direct,
}
OUTPUTS = {"plain": "bench.json", "direct": "bench-direct.json"}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--peer", choices=list(OUTPUTS), default="plain", help="what ours is measured against (plain)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind; the median counts (3)")
    parser.add_argument("--seconds", type=float, default=RUN_S, help="aimed length of a run (7)")
    parser.add_argument("--only", choices=list(STARTS), help="measure one pipeline alone")
    parser.add_argument("--batch", type=int, choices=[1, BATCH], help="measure one size of request alone")
    parser.add_argument("--output", type=Path, help="where the comparison goes (build/bench.json, or by the peer)")
    return parser.parse_args()


def main() -> None:
    """Run the bench."""
    arguments = parse_arguments()
    console = Console(width=110)
    pipelines: list[Pipeline] = []
    with tempfile.TemporaryDirectory(prefix="tracetrack-bench-") as logs, EmbeddedServers(durable=True) as servers:
        try:
            for name in [arguments.only] if arguments.only else ["ours", arguments.peer]:
                console.print(f"starting {name}")
                pipelines.append(STARTS[name](servers, Path(logs)))
            batches = [arguments.batch] if arguments.batch else list(type_of)
            all_series = [Series(pipeline.name, pipeline, batch) for batch in batches for pipeline in pipelines]
            alternate(servers, all_series, console, rounds=arguments.rounds, run_s=arguments.seconds)
        finally:
            for pipeline in pipelines:
                pipeline.stop()
    print_rates(console, all_series)
    comparisons = compare(all_series, "ours", arguments.peer)
    for comparison in comparisons:
        console.print(f"{comparison.name}: {comparison.ratio:.2f} times {arguments.peer}")
    write_comparisons(arguments.output or REPOSITORY / "build" / OUTPUTS[arguments.peer], comparisons)


if __name__ == "__main__":
    main()
