"""What `tracetrack doctor` asks the processes: each answer that is not right is one finding."""

import base64
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from tracetrack_common.doctor.finding import Finding
from tracetrack_local.cli import cli
from tracetrack_local.doctor import LEDGER_METRIC, ask_flower, ask_gateway, judge_processes
from tracetrack_local.ports import choose_free
from tracetrack_local.process import start_time
from tracetrack_local.record import ProcessRecord, ProcessState, SupervisorRecord
from tracetrack_local.state import FlowerAccess

LOGIN = FlowerAccess(username="flower", password="let me in please")
HEALTHY = {"/health": (200, "{}"), "/ready": (200, "{}"), "/metrics": (200, LEDGER_METRIC)}


@contextmanager
def answering(answers: Mapping[str, tuple[int, str]], *, login: FlowerAccess | None = None) -> Iterator[str]:
    """Serve these answers by path, to those who log in where a login is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, ""))
            if login is not None:
                expected = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
                if self.headers.get("Authorization") != f"Basic {expected}":
                    status, body = 401, ""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({}, []),
        ({"/health": (500, "")}, ["gateway_silent"]),
        ({"/ready": (503, '{"parts":{"database":"away"}}')}, ["gateway_not_ready"]),
        ({"/metrics": (200, "")}, ["metrics_missing"]),
    ],
)
def test_the_gateway_is_asked_what_its_clients_ask(answers: dict[str, tuple[int, str]], found: list[str]) -> None:
    with answering(HEALTHY | answers) as url:
        assert codes(ask_gateway(url).findings) == found


def test_what_the_gateway_says_of_its_parts_is_told() -> None:
    with answering(HEALTHY | {"/ready": (503, '{"database": "away"}')}) as url:
        (finding,) = ask_gateway(url).findings

    assert finding.detail == 'it answers 503 {"database": "away"}'


def test_a_gateway_and_a_flower_that_are_away_are_told() -> None:
    url = f"http://127.0.0.1:{choose_free()}"

    assert codes(ask_gateway(url).findings) == ["gateway_silent"]
    assert codes(ask_flower(url, LOGIN).findings) == ["flower_silent"]


def test_flower_must_let_in_those_who_log_in_and_nobody_else() -> None:
    pages = {"/workers": (200, "")}
    with answering(pages, login=LOGIN) as url:
        assert codes(ask_flower(url, LOGIN).findings) == []
        assert codes(ask_flower(url, FlowerAccess(password="of another day")).findings) == ["flower_login_wrong"]
    with answering(pages) as url:
        assert codes(ask_flower(url, LOGIN).findings) == ["flower_open"]


@pytest.mark.parametrize(
    ("state", "alive", "said"),
    [
        ("ready", True, []),
        ("ready", False, ["it just died; 2 restarts so far"]),
        ("waiting to restart", False, ["it is waiting to restart; 2 restarts so far"]),
    ],
)
def test_a_process_that_is_down_is_told(state: ProcessState, said: list[str], *, alive: bool) -> None:
    pid = os.getpid() if alive else None
    entry = ProcessRecord(name="beat", pid=pid, started_at=start_time(os.getpid()) or 0.0, restarts=2, state=state)
    record = SupervisorRecord(pid=1, started_at=0.0, gateway_url="", flower_url="", processes=(entry,))

    assert [finding.detail for finding in judge_processes(record).findings] == said


@pytest.mark.parametrize("command", [["doctor"], ["audit", "verify"]])
def test_a_system_that_does_not_run_is_told_in_one_sentence(
    command: list[str], tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACETRACK_STATE_DIR", str(tmp_path))

    result = CliRunner().invoke(cli, command)

    assert result.exit_code == 1
    assert "not running" in result.stderr
    assert result.stderr.count("\n") == 1
