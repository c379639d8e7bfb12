"""The pipelines as the bench sees them: what to start, where to send, and how to read their books."""

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from pydantic import SecretStr

from tests.bench.peers.plain.database import make_tables
from tests.support.servers import EmbeddedServers
from tracetrack_common.bootstrap import first_start
from tracetrack_common.settings import PREFIX, Settings
from tracetrack_local import ports
from tracetrack_local.process import Child, ChildSpec, stop_all
from tracetrack_local.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
DEVICES = 50
READY_TIMEOUT_S = 60.0
WORKER_PROCESSES = "2"  # as the launcher starts them
# Plain code waits for the disk once per scan, so it gains a little (5 to 10 % on two cores) from twice as many.
PLAIN_WORKER_PROCESSES = "4"

OUR_BOOKS: Final = """
    WITH these AS (SELECT scan_id, outcome FROM scan WHERE scan_id >= %(floor)s),
    links AS (SELECT parent_id FROM bag_link WHERE link_id >= %(floor)s)
    SELECT (SELECT count(*) FROM these), (SELECT count(DISTINCT scan_id) FROM these),
    (SELECT count(*) FROM these WHERE outcome = 'applied'), (SELECT count(*) FROM these WHERE outcome = 'duplicate'),
    (SELECT count(*) FROM links),
    (SELECT coalesce(sum(children), 0) FROM bag WHERE bag_id IN (SELECT parent_id FROM links))
"""
PLAIN_BOOKS: Final = """
    WITH these AS (SELECT scan_id, outcome FROM scan WHERE scan_id >= %(floor)s),
    links AS (SELECT parent_code FROM link WHERE scan_id >= %(floor)s)
    SELECT (SELECT count(*) FROM these), (SELECT count(DISTINCT scan_id) FROM these),
    (SELECT count(*) FROM these WHERE outcome = 'applied'), (SELECT count(*) FROM these WHERE outcome = 'duplicate'),
    (SELECT count(*) FROM links),
    (SELECT coalesce(sum(child_count), 0) FROM bag WHERE code IN (SELECT parent_code FROM links))
"""


class NotReadyError(Exception):
    """A process did not come up."""


@dataclass(kw_only=True)
class Pipeline:
    """A running pipeline.

    Parameters
    ----------
    name
        What people call it.
    parts
        Its processes by the part they play, in the order they were started.
    port
        The gateway's, on 127.0.0.1.
    tokens
        One per device.
    database_url
        Where its scans end up.
    books
        A query that sums up a run, from the lowest id on: scans, different scans, applied, duplicates, links, and the
        children that the sacks concerned count.
    next_sack
        Sacks up to here were used by earlier runs.
    """

    name: str
    parts: Mapping[str, Child]
    port: int
    tokens: Sequence[str]
    database_url: str = field(repr=False)
    books: str
    next_sack: int = 0

    def stop(self) -> None:
        """End its processes, the gateway first."""
        stop_all(list(self.parts.values()))


def start_plain(servers: EmbeddedServers, folder: Path) -> Pipeline:
    """Start the plain pipeline on a database and a Redis database of its own."""
    database_url = servers.create_database("plain")
    tokens = [secrets.token_hex(16) for _ in range(DEVICES)]
    make_tables(database_url, tokens)
    port = ports.choose_free()
    env = clean_environment() | {"PLAIN_DATABASE_URL": database_url, "PLAIN_REDIS_URL": servers.redis_url(1)}
    gateway = ["-m", "uvicorn", "tests.bench.peers.plain.app:app", "--port", str(port), "--loop", "uvloop"]
    worker = ["-m", "celery", "-A", "tests.bench.peers.plain.tasks:app", "worker", "-Q", "plain", "-n", "plain@%h"]
    parts = {
        "gateway": python_child(
            "plain-gateway", [*gateway, "--http", "httptools", "--no-access-log", "--log-level", "warning"], env, folder
        ),
        "worker": python_child("plain-worker", [*worker, "-c", PLAIN_WORKER_PROCESSES, "-l", "warning"], env, folder),
    }
    pipeline = Pipeline(
        name="plain", parts=parts, port=port, tokens=tokens, database_url=database_url, books=PLAIN_BOOKS
    )
    _start(pipeline, "/health")
    return pipeline


def start_ours(servers: EmbeddedServers, folder: Path, **settings: str) -> Pipeline:
    """Start TraceTrack's gateway and workers on a database and a Redis database of their own.

    Parameters
    ----------
    servers, folder
        Where they are; where logs go.
    **settings
        Settings that differ from the defaults.
    """
    scans = "tracetrack_scan_worker.main:app"
    return _start_services(servers, folder, "ours", 0, gateway="tracetrack_gateway", scans=scans, settings=settings)


def start_direct(servers: EmbeddedServers, folder: Path) -> Pipeline:
    """Start the same with another way from the gateway to the worker: scans in Celery messages, no ledger."""
    peer = "tests.bench.peers.direct"
    modules = f"{peer}.gateway", f"{peer}.tasks:app"
    return _start_services(servers, folder, "direct", 2, gateway=modules[0], scans=modules[1], settings={})


def _start_services(
    servers: EmbeddedServers,
    folder: Path,
    name: str,
    redis_database: int,
    *,
    gateway: str,
    scans: str,
    settings: Mapping[str, str],
) -> Pipeline:
    """Start a gateway, the module that serves it, and workers, the scans' from this Celery application."""
    database_url, redis_url = servers.create_database(name), servers.redis_url(redis_database)
    port = ports.choose_free()
    env = clean_environment() | {
        "TRACETRACK_DATABASE_URL": database_url,
        "TRACETRACK_REDIS_URL": redis_url,
        "TRACETRACK_GATEWAY_PORT": str(port),
        "TRACETRACK_STATE_DIR": str(folder),
        "TRACETRACK_LOG_LEVEL": "warning",
        # What is measured is how much can be done, and a few clients here do the work of thousands.
        **{
            f"{PREFIX}{who}_REQUESTS_{limit}": "1000000000"
            for who in ("CALLER", "ADDRESS")
            for limit in ("PER_S", "BURST")
        },
        **{PREFIX + setting.upper(): value for setting, value in settings.items()},
    }
    migrate = python_child("migrate", ["-m", "tracetrack_common.migrate"], env, folder)
    migrate.start()
    if not wait_until(lambda: not migrate.is_running(), timeout_s=READY_TIMEOUT_S) or migrate.exit_code():
        raise NotReadyError(f"the migration failed:\n{migrate.last_lines()}")
    first = first_start(
        Settings(database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), state_dir=folder)
    )
    if first is None:
        raise NotReadyError("the database was not new")
    commands = "tracetrack_scan_worker.main:app"
    options = ["worker", "-c", WORKER_PROCESSES]
    arguments = {
        "gateway": ["-m", gateway],
        "worker": ["-m", "celery", "-A", scans, *options, "-Q", "scans", "-n", f"{name}-scans@%h"],
        "commands": ["-m", "celery", "-A", commands, *options, "-Q", "commands", "-n", f"{name}-commands@%h"],
    }
    parts = {part: python_child(f"{name}-{part}", words, env, folder) for part, words in arguments.items()}
    pipeline = Pipeline(name=name, parts=parts, port=port, tokens=[], database_url=database_url, books=OUR_BOOKS)
    _start(pipeline, "/ready")
    try:
        url = f"http://127.0.0.1:{port}"
        pipeline.tokens = enrol(url, log_in(url, first.admin_username, first.admin_password))
    except BaseException:
        pipeline.stop()
        raise
    return pipeline


def log_in(gateway_url: str, username: str, password: str) -> str:
    """Log in and give the session's token."""
    with _client(gateway_url) as client:
        answer = client.post("/sessions", json={"username": username, "password": password})
    token: str = answer.raise_for_status().json()["token"]
    return token


def enrol(gateway_url: str, session_token: str) -> list[str]:
    """Enrol the devices, as an admin does, and give their tokens."""
    headers = {"Authorization": f"Bearer {session_token}"}
    with _client(gateway_url) as client:
        answers = [
            client.post("/devices", json={"name": f"gun-{number}", "area": "jaipur"}, headers=headers)
            for number in range(DEVICES)
        ]
    return [answer.raise_for_status().json()["token"] for answer in answers]


def _client(gateway_url: str) -> httpx.Client:
    return httpx.Client(base_url=f"{gateway_url}/api/v1", trust_env=False, timeout=30.0)


def clean_environment() -> dict[str, str]:
    """Give this process's environment without settings of TraceTrack that somebody has made for another system."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def python_child(name: str, arguments: Sequence[str], env: Mapping[str, str], folder: Path) -> Child:
    """Give a Python program of this environment as a child, run from the repository."""
    return Child(ChildSpec(name=name, command=[sys.executable, *arguments], env=env, cwd=REPOSITORY), folder)


def _start(pipeline: Pipeline, health: str) -> None:
    """Start every part and wait until the gateway answers; the warm-up waits for the workers."""
    for child in pipeline.parts.values():
        child.start()
    url = f"http://127.0.0.1:{pipeline.port}{health}"
    if not wait_until(lambda: _is_ok(url), timeout_s=READY_TIMEOUT_S):
        pipeline.stop()
        lines = "\n".join(child.last_lines() for child in pipeline.parts.values())
        raise NotReadyError(f"{pipeline.name} did not come up:\n{lines}")


def _is_ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False
