"""Whether a process really does its work yet, asked the way its clients ask."""

import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import httpx
import psycopg2
import redis
from kombu.exceptions import OperationalError

from tracetrack_common.celery_app import build_app
from tracetrack_common.settings import Settings
from tracetrack_local.postgres import EmbeddedPostgres
from tracetrack_local.process import Child
from tracetrack_local.valkey import EmbeddedValkey, connect

HTTP_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 3
PING_TIMEOUT_S = 1.0
BEAT_BEGINS = "beat: Starting"  # Celery's own line, written when the schedule is open and the ticks begin


def postgres_answers(server: EmbeddedPostgres) -> bool:
    """Tell whether the server answers a query; it does not while it recovers."""
    return database_complaint(server.superuser_url()) is None


def database_complaint(url: str) -> str | None:
    """Give what a database says when it is asked for nothing much; None when it simply answers."""
    try:
        connection = psycopg2.connect(url, connect_timeout=CONNECT_TIMEOUT_S, application_name="tracetrack")
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return None
    except psycopg2.OperationalError as error:
        return str(error).strip().splitlines()[0]


def valkey_answers(server: EmbeddedValkey) -> bool:
    """Tell whether the server answers a PING; it does not while it loads its data."""
    return redis_complaint(server.url()) is None


def redis_complaint(url: str) -> str | None:
    """Give what a Redis server says to a PING; None when it simply answers."""
    with closing(connect(url)) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            return str(error)
        return None


def gateway_is_ready(base_url: str) -> bool:
    """Tell whether the gateway says that it and what it needs are there."""
    return _status(f"{base_url}/ready") == httpx.codes.OK


def flower_answers(base_url: str) -> bool:
    """Tell whether Flower speaks HTTP; that it asks for a login is an answer too."""
    status = _status(f"{base_url}/")
    return status is not None and status < httpx.codes.INTERNAL_SERVER_ERROR


def beat_ticks(child: Child, schedule: Path) -> bool:
    """
    Tell whether beat has begun since its last start: it has said so, or, where the log is quieter, opened its schedule.

    Parameters
    ----------
    child
        Beat.
    schedule
        Its file; what keeps it may put something behind the name.
    """
    if not child.is_running():
        return False
    files = schedule.parent.glob(f"{schedule.name}*")
    return BEAT_BEGINS in child.output() or any(file.stat().st_mtime > child.started_at for file in files)


class WorkerRoll:
    """
    Calls the roll of the Celery workers: one question on the broker, answered by all.

    Parameters
    ----------
    settings
        The broker's address.
    expected
        The first parts of the workers' node names.
    """

    def __init__(self, settings: Settings, expected: Collection[str]) -> None:
        self._app = build_app(settings, name="tracetrack-launcher")
        self._expected = frozenset(expected)
        self._present: frozenset[str] = frozenset()
        self._asked_at = float("-inf")

    def is_present(self, name: str, child: Child) -> bool:
        """
        Tell whether a worker answers; one roll call serves for all workers that were there when it was made.

        Parameters
        ----------
        name
            The first part of its node name.
        child
            Its process.
        """
        if time.time() - self._asked_at > PING_TIMEOUT_S or self._asked_at < child.started_at:
            self._asked_at = time.time()
            self._present = self._ask()
        return name in self._present

    def _ask(self) -> frozenset[str]:
        # With the limit it returns as soon as everybody has answered.
        inspect = self._app.control.inspect(timeout=PING_TIMEOUT_S, limit=len(self._expected))
        try:
            answers = inspect.ping() or {}
        except (OperationalError, redis.RedisError, OSError):
            return frozenset()
        return frozenset(node.partition("@")[0] for node in answers)


def _status(url: str) -> int | None:
    try:
        # Never through a proxy that the environment names: these are this machine's own addresses.
        return httpx.get(url, timeout=HTTP_TIMEOUT_S, trust_env=False).status_code
    except httpx.HTTPError:
        return None
