"""The supervising process: starts children, starts them again when they die, and stops them in reverse order."""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

import psutil

from tracetrack_local.backoff import Backoff
from tracetrack_local.errors import LauncherError
from tracetrack_local.process import TERM_GRACE_S, Child, describe_exit, stop_all
from tracetrack_local.record import ProcessRecord, ProcessState

DEATHS_TO_GIVE_UP = 3  # of one child, before it was ready even once
TICK_S = 0.25  # how often readiness is asked for; a death is noticed at once
IDLE_S = 30.0
RETRY_S = 5.0  # after a start that the machine itself refused
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class StopRequestedError(Exception):
    """Somebody asked the system to stop while it was starting."""


class Supervised:
    """
    A child with its history.

    Parameters
    ----------
    child
        The process.
    is_ready
        Asks it whether it does its work.
    """

    def __init__(self, child: Child, is_ready: Callable[[], bool]) -> None:
        self.child = child
        self.is_ready = is_ready
        self.backoff = Backoff()
        self.restarts = 0
        self.state: ProcessState = "starting"
        self.restart_at: float | None = None
        self.was_ready = False
        self.deaths_before_ready = 0
        self.started = 0.0

    def start(self) -> None:
        """Start the process."""
        self.child.start()
        self.started = time.monotonic()
        self.restart_at = None
        self.state = "starting"

    def record(self) -> ProcessRecord:
        """Give what `status` shows."""
        return ProcessRecord(
            name=self.child.name,
            pid=self.child.pid,
            started_at=self.child.started_at,
            restarts=self.restarts,
            state=self.state,
            stop_signal=self.child.spec.stop_signal,
        )


class Supervisor:
    """
    Runs children in stages, which are stopped in reverse order.

    Parameters
    ----------
    announce
        Told in one sentence what happened.
    on_change
        Given the state of all children whenever it changed.
    """

    def __init__(
        self, *, announce: Callable[[str], None], on_change: Callable[[Sequence[ProcessRecord]], None]
    ) -> None:
        self._announce = announce
        self._on_change = on_change
        self._stages: list[list[Supervised]] = []
        self._errand: Child | None = None
        self._adopts = False
        self._stop_requests = 0
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def install_signals(self) -> None:
        """Listen for the signals that ask to stop, and for children that end; from the main thread."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP, and so do we then
                signal.signal(number, self._request_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        adopt_orphans()
        self._adopts = True

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop_requests > 0

    def start(self, stages: Sequence[Mapping[Child, Callable[[], bool]]], *, timeout_s: float) -> None:
        """
        Start children together and wait until each is ready; stop() takes the stages one after the other, backwards.

        Parameters
        ----------
        stages
            The children, each with the question whether it is ready.
        timeout_s
            How long they may take.

        Raises
        ------
        LauncherError
            When one keeps dying or does not get ready; the sentence names its log and shows its end.
        StopRequestedError
            When somebody asked to stop meanwhile.
        """
        started = [[Supervised(child, is_ready) for child, is_ready in stage.items()] for stage in stages]
        self._stages += started
        members = [member for stage in started for member in stage]
        for member in members:
            member.start()
        self._changed()
        deadline = time.monotonic() + timeout_s
        while not all(member.was_ready for member in members):
            self._sleep(TICK_S)
            if self.stop_requested:
                raise StopRequestedError
            self.look()
            for member in members:
                if member.deaths_before_ready >= DEATHS_TO_GIVE_UP:
                    raise LauncherError(_did_not_work(member.child, "keeps dying"))
                if time.monotonic() > deadline and not member.was_ready:
                    raise LauncherError(_did_not_work(member.child, f"was not ready after {timeout_s:.0f} s"))

    def run_once(self, child: Child, *, timeout_s: float) -> None:
        """
        Run a program to its end, which must be a good one.

        Raises
        ------
        LauncherError
            When it fails or takes too long; the sentence names its log and shows its end.
        StopRequestedError
            When somebody asked to stop meanwhile.
        """
        self._errand = child
        child.start()
        deadline = time.monotonic() + timeout_s
        try:
            while (code := child.exit_code()) is None:
                self._sleep(TICK_S)
                self._look_after_children()
                if self.stop_requested:
                    raise StopRequestedError
                if time.monotonic() > deadline:
                    raise LauncherError(_did_not_work(child, f"was not done after {timeout_s:.0f} s"))
        finally:
            child.kill_group()
            self._errand = None
        if code != 0:
            raise LauncherError(_did_not_work(child, describe_exit(code)))

    def run(self) -> None:
        """Look after the children until somebody asks to stop."""
        while not self.stop_requested:
            pending = any(member.state != "ready" for member in self._members())
            self._sleep(TICK_S if pending else IDLE_S)
            self.look()

    def look(self) -> None:
        """Look once: note who died, start again who is due, ask the others whether they are ready."""
        self._look_after_children()
        self._ask_whether_ready()

    def stop(self, *, grace_s: float = TERM_GRACE_S) -> None:
        """Stop the stages in reverse order; a second request to stop kills what is left at once."""
        patience = max(1, self._stop_requests)
        for stage in reversed(self._stages):
            killed = stop_all(
                [member.child for member in reversed(stage)],
                grace_s=grace_s,
                is_impatient=lambda: self._stop_requests > patience,
            )
            for name in killed:
                self._announce(f"{name} did not stop in time and was killed")
            for member in stage:
                member.state = "stopped"
            self._changed()
        self._end_orphans()

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_requests += 1

    def _members(self) -> list[Supervised]:
        return [member for stage in self._stages for member in stage]

    def _sleep(self, timeout_s: float) -> None:
        """Wait until a signal arrives or the time is up."""
        due = [member.restart_at - time.monotonic() for member in self._members() if member.restart_at is not None]
        select.select([self._wake_read], [], [], max(0.0, min([timeout_s, *due])))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass

    def _look_after_children(self) -> None:
        before = [member.record() for member in self._members()]
        for member in self._members():
            code = member.child.exit_code()
            if code is not None and member.restart_at is None:
                self._bury(member, code)
            if member.restart_at is not None and time.monotonic() >= member.restart_at and not self.stop_requested:
                self._start_again(member)
        self._end_orphans()
        if before != [member.record() for member in self._members()]:
            self._changed()

    def _bury(self, member: Supervised, code: int) -> None:
        """Note a death, end what the dead one left behind, and set the time of the next start."""
        member.child.kill_group()
        self._end_orphans()
        if not member.was_ready:
            member.deaths_before_ready += 1
        delay_s = member.backoff.after_run_of(time.monotonic() - member.started)
        member.restart_at = time.monotonic() + delay_s
        member.state = "waiting to restart"
        self._announce(
            f"{member.child.name} {describe_exit(code)}; starting it again in {delay_s:g} s "
            f"(restart {member.restarts + 1}, log {member.child.log_path})"
        )

    def _start_again(self, member: Supervised) -> None:
        try:
            member.start()
        except (LauncherError, OSError) as error:  # a full disk, no memory: the other children must go on
            member.restart_at = time.monotonic() + RETRY_S
            self._announce(f"{member.child.name} cannot be started now, trying again in {RETRY_S:g} s: {error}")
        else:
            member.restarts += 1

    def _is_ready(self, member: Supervised) -> bool:
        try:
            return member.is_ready()
        except Exception as error:
            if not member.was_ready:
                raise
            # A question that fails in a way nobody thought of must not end a system that is at work.
            self._announce(f"whether {member.child.name} is ready cannot be told: {error}")
            return False

    def _ask_whether_ready(self) -> None:
        for member in self._members():
            if member.state == "starting" and self._is_ready(member):
                if member.restarts and member.was_ready:
                    self._announce(f"{member.child.name} is ready again")
                member.was_ready = True
                member.state = "ready"
                self._changed()

    def _end_orphans(self) -> None:
        """End processes that were handed to this one because the child that had started them died."""
        if not self._adopts:
            return
        children = [member.child for member in self._members()] + ([self._errand] if self._errand else [])
        leaders = {child.pid for child in children if child.is_running()}
        for process in psutil.Process().children():
            with contextlib.suppress(psutil.Error, ProcessLookupError, ChildProcessError):
                if process.pid in leaders or os.getpgid(process.pid) in leaders:
                    continue
                process.kill()
                os.waitpid(process.pid, 0)

    def _changed(self) -> None:
        self._on_change([member.record() for member in self._members()])


def adopt_orphans() -> None:
    """Have the kernel hand this process the orphans of its children, so that none of them gets lost."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _did_not_work(child: Child, what: str) -> str:
    lines = child.last_lines() or "(it wrote nothing)"
    return f"{child.name} {what}; its log is {child.log_path} and ends so:\n{lines}"
