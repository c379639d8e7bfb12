"""The whole system, every process of it, as `tracetrack up` starts it, in a folder of its own on free ports."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
from pydantic import SecretStr
from redis import Redis

from tests.support.settings import make_settings
from tests.support.waiting import eventually
from tracetrack_common.ids import uuid7
from tracetrack_common.settings import Settings
from tracetrack_local import ports
from tracetrack_local.credentials import Credentials
from tracetrack_local.postgres import APP_DATABASE
from tracetrack_local.record import ProcessRecord, SupervisorRecord
from tracetrack_local.state import ServerAccess, StateFolder
from tracetrack_local.system import embedded_postgres, embedded_valkey
from tracetrack_local.valkey import connect

_START_S = 120.0
_STOP_S = 150.0
_COMMAND = str(Path(sys.executable).with_name("tracetrack"))


@dataclass
class RunningSystem:
    """A running system, and what a user has of it.

    Parameters
    ----------
    folder
        Where its state goes.
    gateway_port, flower_port
        Free ports; they stay the same when it is started again.
    environment
        Settings besides those, by their whole names.
    """

    folder: Path
    gateway_port: int = field(default_factory=ports.choose_free)
    flower_port: int = field(default_factory=ports.choose_free)
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> Self:
        """Start it; returns when it says that it is ready."""
        screen = self.folder / "screen"
        with screen.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the project's own command
                [_COMMAND, "up"],
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(lambda: self._has_said_ready(screen), within_s=_START_S)
        return self

    def stop(self) -> None:
        """Ask it to stop, as `tracetrack stop` does; returns when it has."""
        if self._process is not None:
            # Not as Ctrl-C does: a run in the background has that ignored, and so has what it starts.
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_STOP_S)
            self._process = None

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the command `tracetrack` on it, as its owner would in a second terminal."""
        return subprocess.run(  # noqa: S603 - the project's own command
            [_COMMAND, *arguments], env=self._environment, capture_output=True, text=True, check=False, timeout=_START_S
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.environment,
            "TRACETRACK_STATE_DIR": str(self.state_dir),
            "TRACETRACK_GATEWAY_PORT": str(self.gateway_port),
            "TRACETRACK_FLOWER_PORT": str(self.flower_port),
        }

    @property
    def address(self) -> str:
        """Where the gateway is."""
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def state_dir(self) -> Path:
        """Where its state is."""
        return self.folder / "state"

    @property
    def credentials(self) -> Credentials:
        """What it has written for its owner."""
        return Credentials.load(self.state_dir)

    @property
    def servers(self) -> Settings:
        """Settings that name the servers it uses, those that were given or its own."""
        state = StateFolder(self.state_dir)
        access = ServerAccess.load(state)
        return make_settings(
            self.environment.get("TRACETRACK_DATABASE_URL") or embedded_postgres(state, access).url(),
            self.environment.get("TRACETRACK_REDIS_URL") or embedded_valkey(state, access).url(),
        )

    @property
    def superuser(self) -> Settings:
        """The same for PostgreSQL's superuser, for tests that go past the rules and see what every session does."""
        if "TRACETRACK_DATABASE_URL" in self.environment:
            return self.servers
        state = StateFolder(self.state_dir)
        url = embedded_postgres(state, ServerAccess.load(state)).superuser_url(APP_DATABASE)
        return self.servers.model_copy(update={"database_url": SecretStr(url)})

    @contextmanager
    def redis(self) -> Iterator[Redis]:
        """Connect to its Redis as the admin, with a client that fails soon rather than waits."""
        state = StateFolder(self.state_dir)
        url = (
            self.environment.get("TRACETRACK_REDIS_URL") or embedded_valkey(state, ServerAccess.load(state)).admin_url()
        )
        with closing(connect(url)) as client:
            yield client

    def records(self) -> dict[str, ProcessRecord]:
        """Give what its supervisor says of each process, by name."""
        record = SupervisorRecord.load(self.state_dir)
        return {} if record is None else {each.name: each for each in record.processes}

    def client(self, token: str | None = None) -> httpx.Client:
        """Give a client of the gateway, with a bearer token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=30)

    def device(self) -> httpx.Client:
        """Give a client with the first device's token."""
        return self.client(self.credentials.device.token)

    def admin(self) -> httpx.Client:
        """Give a client with a session of the first admin."""
        admin = self.credentials.admin
        answer = self.client().post("/api/v1/sessions", json={"username": admin.username, "password": admin.password})
        answer.raise_for_status()
        return self.client(answer.json()["token"])

    def processes(self, *words: str) -> list[psutil.Process]:
        """Give its processes whose command line holds all these words, parents before their children."""
        if self._process is None:
            return []
        below = psutil.Process(self._process.pid).children(recursive=True)
        return [each for each in below if all(word in " ".join(_command_line(each)) for word in words)]

    def _has_said_ready(self, screen: Path) -> bool:
        text = screen.read_text(errors="replace")
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"it ended instead of getting ready:\n{text}")
        return "TraceTrack is ready" in text


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def scan_of(kind: str, code: str, **fields: Any) -> dict[str, Any]:
    """Make a scan as a device sends it, scanned now."""
    return {
        "scan_id": str(uuid7()),
        "kind": kind,
        "code": code,
        "scanned_at": datetime.now(UTC).isoformat(),
        **fields,
    }


def submit(device: httpx.Client, scan: Mapping[str, Any]) -> dict[str, Any]:
    """Send a scan, wait for its outcome, and give that."""
    answer = device.post("/api/v1/scans", json=scan, headers={"Prefer": "wait=20"})
    assert answer.status_code == httpx.codes.OK, answer.text
    outcome: dict[str, Any] = answer.json()
    return outcome
