"""``python -m tests.bench.durability``: what waiting for the disk costs.

One pipeline, ours, on one pair of servers whose settings change between the runs: each round measures every setting
once, so that whatever else the machine does meets all of them alike. Written to `build/bench-durability.json`, with the
settings that hold the promise as ``ours``.
"""

import argparse
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from psycopg2 import sql
from rich.console import Console

from tests.bench.pipelines import REPOSITORY, start_ours
from tests.bench.series import RUN_S, Series, alternate, compare, print_rates, type_of, write_comparisons
from tests.support.servers import EmbeddedServers


class Setting(NamedTuple):
    """When the two servers wait for the disk."""

    appendfsync: str
    synchronous_commit: str

    @property
    def name(self) -> str:
        """How it stands in the table: Valkey's and PostgreSQL's."""
        return f"{self.appendfsync}, {self.synchronous_commit}"


PROMISED = Setting("always", "on")
WEAKER = (Setting("everysec", "on"), Setting("always", "off"), Setting("everysec", "off"))


def put_in_force(servers: EmbeddedServers, setting: Setting) -> None:
    """Change both servers as they run; connections that are open follow with their next statement."""
    with closing(servers.valkey_server.connect()) as client:
        client.config_set("appendfsync", setting.appendfsync)
    with closing(servers.postgres_server.connect()) as connection, connection.cursor() as cursor:
        statement = sql.SQL("ALTER SYSTEM SET synchronous_commit = {}")
        cursor.execute(statement.format(sql.Literal(setting.synchronous_commit)))
        cursor.execute("SELECT pg_reload_conf()")


def main() -> None:
    """Measure every setting, and compare each with the one that holds the promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.durability", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind; the median counts (3)")
    parser.add_argument("--seconds", type=float, default=RUN_S, help="aimed length of a run (7)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "bench-durability.json")
    arguments = parser.parse_args()
    console = Console(width=110)
    with tempfile.TemporaryDirectory(prefix="tracetrack-bench-") as logs, EmbeddedServers(durable=True) as servers:
        ours = start_ours(servers, Path(logs))
        try:
            all_series = [
                Series(setting.name, ours, batch, partial(put_in_force, servers, setting))
                for batch in type_of
                for setting in (PROMISED, *WEAKER)
            ]
            alternate(servers, all_series, console, rounds=arguments.rounds, run_s=arguments.seconds)
        finally:
            ours.stop()
    print_rates(console, all_series)
    comparisons = [
        each._replace(name=f"{each.name}: {PROMISED.name} against {setting.name}")
        for setting in WEAKER
        for each in compare(all_series, PROMISED.name, setting.name)
    ]
    for each in comparisons:
        console.print(f"{each.name}: {each.ratio:.2f}")
    write_comparisons(arguments.output, comparisons)


if __name__ == "__main__":
    main()
