"""A gateway on a port of its own and a worker beside it, each on a thread, on a test's own servers."""

import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Self, cast

import httpx
import uvicorn
from redis import Redis

from tests.support.scans import LUCKNOW
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse
from tracetrack_common.celery_app import build_app
from tracetrack_common.redis_client import connect_worker
from tracetrack_common.settings import Settings
from tracetrack_common.worker import summoner
from tracetrack_gateway.main import create_asgi
from tracetrack_gateway.serving import serve_config
from tracetrack_scan_worker.tasks import IMPORTS_TASK, ScanWorkerProcess

_QUEUES = ("scans", "commands")
_STOP = "stop-of-a-test"
_CLIENT_TIMEOUT_S = 30.0


@cache
def _tls() -> ssl.SSLContext:
    """Give what every client wants to have and none here uses; making it takes longer than most requests."""
    return ssl.create_default_context()


class GatewayThread:
    """The gateway as it is served, over real HTTP; use it as a context manager.

    Parameters
    ----------
    settings
        Its servers need not be there.
    """

    def __init__(self, settings: Settings) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = "http://127.0.0.1:{1}".format(*self._socket.getsockname())
        self._server = uvicorn.Server(serve_config(settings, create_asgi(settings)))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, name="gateway")

    def __enter__(self) -> Self:
        self._thread.start()
        eventually(lambda: self._server.started)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def client(self, token: str | None = None) -> httpx.Client:
        """Give a client, with a bearer token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(
            base_url=self.address, headers=headers, timeout=_CLIENT_TIMEOUT_S, verify=_tls(), trust_env=False
        )


class WorkerThread:
    """The scan-worker's work, called by the same messages as Celery's; use it as a context manager.

    Parameters
    ----------
    settings
        The servers.
    queues
        Whose work it does.
    """

    def __init__(self, settings: Settings, *, queues: Sequence[str] = _QUEUES) -> None:
        self._settings = settings
        self._queues = queues
        self._stop = "-".join([_STOP, *queues])
        self._app = build_app(settings, name="tests-worker")
        self._process = ScanWorkerProcess(settings, name="tests-worker")
        self._process.summon_imports = summoner(self._app, "imports", task=IMPORTS_TASK)
        self._thread = threading.Thread(target=self._run, name="worker")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(connect_worker(self._settings)) as redis:
            redis.lpush(self._stop, "now")
        self._thread.join()
        self._app.close()
        self._process.database.close()
        self._process.redis.close()

    def _run(self) -> None:
        handlers = {"scans": self._process.handle_scans, "commands": self._process.handle_commands}
        with closing(connect_worker(self._settings)) as redis:
            while (queue := _next_summons(redis, [self._stop, *self._queues])) != self._stop:
                if queue == "imports":
                    self._process.imports.run_next()
                else:
                    self._process.drain(self._app, queue, handlers[queue])


@dataclass(frozen=True)
class Api:
    """A running gateway with its worker, and what is behind it.

    Parameters
    ----------
    gateway
        Where requests go.
    warehouse
        Its database.
    settings
        Its servers.
    """

    gateway: GatewayThread
    warehouse: Warehouse
    settings: Settings

    def device(self, area_id: int = LUCKNOW) -> httpx.Client:
        """Enrol a device and give a client with its token."""
        return self.gateway.client(self.warehouse.device(area_id).token)

    def person(self, role: str = "biller", area_id: int | None = None) -> httpx.Client:
        """Add a user and give a client with a session of theirs."""
        return self.gateway.client(self.warehouse.person(role, area_id).token)


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Give the problem an answer must be: of this status, well formed, with the request's id (RFC 9457)."""
    assert answer.status_code == status, f"{answer.status_code} instead of {status}: {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("https://")
    assert problem["title"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert all({"field", "detail"} <= set(error) for error in problem["errors"])
    return problem


def _next_summons(redis: Redis, queues: Sequence[str]) -> str:
    """Wait for the next message in these of Celery's queues, and name its queue."""
    while True:
        found = cast("tuple[bytes, Any] | None", redis.brpop(list(queues), timeout=1))
        if found is not None:
            return found[0].decode()
