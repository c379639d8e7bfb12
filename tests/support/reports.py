"""The report-worker's work on a thread, and reports as a person asks for them."""

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from types import TracebackType
from typing import Any, Self, cast

import httpx

from tests.support.waiting import eventually
from tracetrack_common.celery_app import build_app
from tracetrack_common.redis_client import connect_worker
from tracetrack_common.settings import Settings
from tracetrack_report_worker.tasks import ReportWorkerProcess

_STOP = "stop-of-a-report-test"
ENDED = {"done", "failed", "cancelled"}


class ReportWorkerThread:
    """Drains the reports' ledger and runs jobs, called by the same messages as Celery's; a context manager.

    Parameters
    ----------
    settings
        The servers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process = ReportWorkerProcess(settings, name="tests-report-worker")
        self._app = build_app(settings, name="tests-report-worker")
        self._thread = threading.Thread(target=self._run, name="report-worker")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(connect_worker(self._settings)) as redis:
            redis.lpush(_STOP, "now")
        self._thread.join()
        self._app.close()
        self._process.database.close()
        self._process.redis.close()

    def _run(self) -> None:
        with closing(connect_worker(self._settings)) as redis:
            while True:
                found = cast("tuple[bytes, Any] | None", redis.brpop([_STOP, "reports"], timeout=1))
                if found is not None and found[0].decode() == _STOP:
                    return
                self._process.drain(self._app, "reports", self._process.handle_reports)
                while self._process.job_runner.run_next():
                    pass


def order(client: httpx.Client, **report: Any) -> str:
    """Ask for a report, and give its address."""
    answer = client.post("/api/v1/reports", json=report)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    return str(answer.headers["location"])


def look(client: httpx.Client, place: str) -> dict[str, Any]:
    """Give a report as it stands."""
    answer = client.get(place)
    assert answer.status_code == httpx.codes.OK, answer.text
    return cast("dict[str, Any]", answer.json())


def wait_until(client: httpx.Client, place: str, holds: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    """Wait until something holds of a report, and give it."""
    eventually(lambda: holds(look(client, place)), within_s=30)
    return look(client, place)


def make(client: httpx.Client, **report: Any) -> httpx.Response:
    """Have a report made, and give its file."""
    place = order(client, **report)
    ended = wait_until(client, place, lambda job: job["state"] in ENDED)
    assert ended["state"] == "done", ended
    answer = client.get(f"{place}/file")
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer
