"""One child of the supervisor: how it is started, what became of it, how it is ended with all it started."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tracetrack_local import exec_child
from tracetrack_local.errors import LauncherError
from tracetrack_local.identity import Identity

LOG_LIMIT_BYTES = 20 * 1024 * 1024  # a log larger than this is put aside at the next start; one old one is kept
STOP_PAUSE_S = 0.02
TERM_GRACE_S = 30.0  # workers finish what they hold within 30 s of a TERM (reliability.md, Settings and why)


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """
    What to run.

    Attributes
    ----------
    name
        What people call it; also the name of its log.
    command
        The program with its full path, and its arguments. Never a secret: every user of the machine can read these.
    env
        Its whole environment.
    cwd
        The folder it starts in.
    stop_signal
        What asks it to finish; also what it gets when the supervisor is killed.
    identity
        Whom it runs as.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    identity: Identity | None = None

    def wrapped_command(self) -> list[str]:
        """Give the command line that ties the program to this process and then becomes it."""
        user, capability = "-", "-"
        if self.identity is not None:
            user = f"{self.identity.uid}:{self.identity.gid}"
            if self.identity.capability is not None:
                capability = str(self.identity.capability)
        wrapper = [sys.executable, "-I", "-S", exec_child.__file__]
        return [*wrapper, str(os.getpid()), str(int(self.stop_signal)), user, capability, *self.command]


class Child:
    """
    A started program, in a session and process group of its own so that Ctrl-C in the terminal does not reach it.

    Start it from the main thread: the kernel takes the end of the thread that started it for its parent's end.

    Parameters
    ----------
    spec
        What to run.
    log_dir
        Where its log goes, named after it.
    """

    def __init__(self, spec: ChildSpec, log_dir: Path) -> None:
        self.spec = spec
        self.log_path = log_dir / f"{spec.name}.log"
        self.log_offset = 0
        self.started_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._group_ended = True

    @property
    def name(self) -> str:
        """What people call it."""
        return self.spec.name

    @property
    def pid(self) -> int | None:
        """Its pid, also its process group; None before the first start."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """
        Start the program; its output is appended to its log.

        Raises
        ------
        LauncherError
            When the log cannot be written.
        """
        try:
            set_aside_large(self.log_path)
            log = self.log_path.open("ab")
        except OSError as error:
            raise LauncherError(f"The log {self.log_path} cannot be written ({error.strerror}).") from None
        with log:
            self.log_offset = log.tell()
            self._process = subprocess.Popen(
                self.spec.wrapped_command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.spec.cwd,
                env=dict(self.spec.env),
                start_new_session=True,
            )
        self._group_ended = False
        self.started_at = time.time()

    def exit_code(self) -> int | None:
        """Give the exit code (a signal as its negative number), or None while it runs or was never started."""
        return None if self._process is None else self._process.poll()

    def is_running(self) -> bool:
        """Tell whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def ask_to_stop(self) -> None:
        """Send the stop signal to the program alone: a Celery parent ends its pool in good order by itself."""
        if self._process is not None:
            self._process.send_signal(self.spec.stop_signal)

    def kill_group(self) -> None:
        """Kill the program and all that it started and that stayed in its process group; nothing left is fine too."""
        if self._process is None or self._group_ended:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._group_ended = True  # from here on the number may be given to strangers

    def output(self) -> str:
        """Give what it wrote to its log since its last start."""
        with self.log_path.open("rb") as log:
            log.seek(self.log_offset)
            return log.read().decode(errors="replace")

    def last_lines(self, count: int = 12) -> str:
        """Give the last lines of its log that are not blank."""
        with contextlib.suppress(OSError):
            return "\n".join([line for line in self.output().splitlines() if line.strip()][-count:])
        return ""


def stop_all(
    children: Sequence[Child], *, grace_s: float = TERM_GRACE_S, is_impatient: Callable[[], bool] = lambda: False
) -> list[str]:
    """
    Ask children to stop, all at once, and kill the groups of those that have not when the time is up.

    Parameters
    ----------
    children
        The first is asked first.
    grace_s
        The time they have together.
    is_impatient
        Asked meanwhile; ends the time at once.

    Returns
    -------
    list of str
        The names of those that had to be killed.
    """
    deadline = time.monotonic() + grace_s
    for child in children:
        child.ask_to_stop()
    while any(child.is_running() for child in children) and time.monotonic() < deadline and not is_impatient():
        time.sleep(STOP_PAUSE_S)
    killed = [child.name for child in children if child.is_running()]
    for child in children:
        child.kill_group()
    return killed


def describe_exit(code: int) -> str:
    """Say in words how a process ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def set_aside_large(path: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
    """
    Rename a log that has grown past the limit to ``….1``, over an older one of that name.

    Raises
    ------
    OSError
        When it cannot be renamed.
    """
    if path.exists() and path.stat().st_size > limit_bytes:
        path.replace(path.with_name(path.name + ".1"))


def start_time(pid: int) -> float | None:
    """Give when a process started, in seconds since the epoch, or None when there is none alive of that pid."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None
