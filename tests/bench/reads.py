"""``make bench-reads``: the hot read routes at a million bags, against a bare FastAPI route in the same run.

Both are served as TraceTrack's gateway is, by a process of their own on the same machine; connections ask one request
after another. The bare route (`peers/bare.py`) reads nothing and gives a small JSON document: the ratio tells what
authentication, PostgreSQL and the models cost.
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from tests.bench.http1 import Connection, request_bytes
from tests.bench.pipelines import REPOSITORY, Pipeline, clean_environment, python_child, start_ours
from tests.bench.warehouse import fill, fill_scans
from tests.bench.workload import sack_code
from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tests.support.warehouse import Warehouse
from tracetrack_common.credentials import mirror_all
from tracetrack_common.db.session import Database
from tracetrack_local import ports
from tracetrack_local.process import stop_all
from tracetrack_local.waiting import wait_until

BAGS = 1_000_000
SCANS = 200_000
CONNECTIONS = 8
ROUND_S = 3.0
PAGES = 1_000
_OK = 200
_READY_S = 60.0


class Route(NamedTuple):
    """A route that is measured: its name, and the paths that are asked in turn."""

    name: str
    port: int
    token: str
    paths: Iterator[str]


class Measured(NamedTuple):
    """What came of a route, in one round."""

    per_s: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Fill a database, measure every route in turn, print and write what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reads", description=__doc__)
    parser.add_argument("--bags", type=int, default=BAGS, help="how many there are (1,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="of every route; the median counts (3)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "bench-reads.json")
    arguments = parser.parse_args()
    console = Console(width=110)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracetrack-bench-reads-")))
        servers = stack.enter_context(EmbeddedServers(durable=True))
        ours = start_ours(servers, folder)
        stack.callback(ours.stop)
        console.print(f"filling {arguments.bags:,} bags")
        warehouse = fill(ours.database_url, arguments.bags)
        fill_scans(ours.database_url, SCANS)
        bare_port = _start_bare(stack, folder)
        token = _biller(ours, servers)
        routes = _routes(ours.port, token, bare_port, sacks=warehouse.sacks, bills=warehouse.bills)
        rounds: dict[str, list[Measured]] = {route.name: [] for route in routes}
        for _ in range(arguments.rounds):
            for route in routes:
                rounds[route.name].append(asyncio.run(measure(route)))
    lines = summed_up(rounds)
    _print(console, lines)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(orjson.dumps(lines, option=orjson.OPT_INDENT_2) + b"\n")


async def measure(route: Route) -> Measured:
    """Ask a route for a while on some connections at once."""
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(Connection, "127.0.0.1", route.port))[1] for _ in range(CONNECTIONS)]
    times_ms: list[float] = []
    ends = time.monotonic() + ROUND_S
    began = time.monotonic()
    await asyncio.gather(*(_ask_on(connection, route, ends, times_ms) for connection in connections))
    seconds = time.monotonic() - began
    for connection in connections:
        connection.close()
    times_ms.sort()
    return Measured(len(times_ms) / seconds, statistics.median(times_ms), times_ms[len(times_ms) * 99 // 100])


async def _ask_on(connection: Connection, route: Route, ends: float, times_ms: list[float]) -> None:
    while (began := time.monotonic()) < ends:
        answer = await connection.ask(_request(route, next(route.paths)))
        if answer.status != _OK:
            raise AssertionError(f"{route.name}: {answer.status} {answer.body[:300]!r}")
        times_ms.append((time.monotonic() - began) * 1000)


def _request(route: Route, path: str) -> bytes:
    return request_bytes("GET", path, host=f"127.0.0.1:{route.port}", token=route.token)


def _biller(ours: Pipeline, servers: EmbeddedServers) -> str:
    """Give the token of somebody who sees every area."""
    settings = make_settings(ours.database_url, servers.redis_url(0))
    with (
        closing(Database(settings, application_name="bench-reads")) as database,
        closing(servers.valkey_server.connect()) as redis,
    ):
        biller = Warehouse(database).person()
        with database.snapshot() as connection:
            mirror_all(redis, connection)
    return biller.token


def _routes(port: int, token: str, bare_port: int, *, sacks: int, bills: int) -> list[Route]:
    """Give the bare route and ours, with paths that ask for something else every time."""
    # A prime step visits every sack and bill, and never two neighbours in turn.
    turns = itertools.count(0, 7919)

    def each(path: Callable[[int], str]) -> Iterator[str]:
        return (path(turn) for turn in turns)

    def late(route: str) -> Iterator[str]:
        return itertools.cycle([asyncio.run(_thousandth_page(port, token, f"/api/v1/{route}"))])

    def our(name: str, paths: Iterator[str]) -> Route:
        return Route(name, port, token, paths)

    return [
        Route("a bare route", bare_port, "none", itertools.cycle(["/bare"])),
        our("bag by code", each(lambda turn: f"/api/v1/bags/{sack_code(turn % sacks)}")),
        our("bill", each(lambda turn: f"/api/v1/bills/OLD-{turn % bills:05d}")),
        our("bags by prefix", each(lambda turn: f"/api/v1/bags?code={sack_code(turn % sacks)[:5]}")),
        our("bags by part", each(lambda turn: f"/api/v1/bags?match=part&code={sack_code(turn % sacks)[2:]}")),
        our("look-alikes", each(lambda turn: f"/api/v1/bags?match=alike&code={sack_code(turn % sacks)[:-1]}")),
        our("bags, page 1", itertools.cycle(["/api/v1/bags"])),
        our("bags, page 1,000", late("bags")),
        our("sacks not billed, page 1", itertools.cycle(["/api/v1/bags?billed=false"])),
        our("a bag's history", each(lambda turn: f"/api/v1/bags/{sack_code(turn % sacks)}/history")),
    ]


async def _thousandth_page(port: int, token: str, path: str) -> str:
    """Give the path of a list's thousandth page."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    query = ""
    for _ in range(PAGES - 1):
        route = Route("pages", port, token, iter(()))
        answer = await connection.ask(_request(route, path + query))
        query = f"?cursor={orjson.loads(answer.body)['next_cursor']}"
    connection.close()
    return path + query


def _start_bare(stack: ExitStack, folder: Path) -> int:
    """Start the bare route as the gateway is started, and give its port."""
    port = ports.choose_free()
    words = ["-m", "uvicorn", "tests.bench.peers.bare:app", "--port", str(port), "--loop", "uvloop"]
    options = ["--http", "httptools", "--no-access-log", "--log-level", "warning"]
    child = python_child("bare", [*words, *options], clean_environment(), folder)
    child.start()
    stack.callback(stop_all, [child])
    if not wait_until(lambda: not ports.is_free(port), timeout_s=_READY_S):
        raise AssertionError(child.last_lines())
    return port


def summed_up(rounds: dict[str, list[Measured]]) -> list[dict[str, Any]]:
    """Give the median round of each route, with its ratio to the first, the bare one."""
    middles = {name: sorted(measured)[len(measured) // 2] for name, measured in rounds.items()}
    bare = next(iter(middles.values())).per_s
    return [
        {
            "name": name,
            "per_s": round(middle.per_s, 1),
            "p50_ms": round(middle.p50_ms, 2),
            "p99_ms": round(middle.p99_ms, 2),
            "ratio": round(middle.per_s / bare, 3),
        }
        for name, middle in middles.items()
    ]


def _print(console: Console, lines: list[dict[str, Any]]) -> None:
    table = Table(title=f"reads, {CONNECTIONS} connections", title_justify="left")
    for column in ("route", "requests/s", "p50 ms", "p99 ms", "of the bare route"):
        table.add_column(column, justify="left" if column == "route" else "right")
    for line in lines:
        table.add_row(
            line["name"], f"{line['per_s']:,.0f}", f"{line['p50_ms']}", f"{line['p99_ms']}", f"{line['ratio']:.0%}"
        )
    console.print(table)


if __name__ == "__main__":
    main()
