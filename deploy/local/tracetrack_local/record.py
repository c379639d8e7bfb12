"""The supervisor's record of what it runs, for `status` and for the start that follows a killed supervisor."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Literal, Self

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from tracetrack_common.settings import PREFIX
from tracetrack_local.durable import write_private
from tracetrack_local.process import TERM_GRACE_S

RECORD_FILE = "supervisor.json"
CLOCK_TOLERANCE_S = 2.0  # a start time read again may differ when the machine's clock was set

ProcessState = Literal["starting", "ready", "waiting to restart", "stopped"]


class ProcessRecord(BaseModel):
    """
    One process as the supervisor sees it.

    Attributes
    ----------
    name, pid
        What people call it, and its pid; the pid is its process group as well.
    started_at
        When it was started last, in seconds since the epoch.
    restarts
        How often it was started again since the supervisor began.
    state
        What it is doing.
    stop_signal
        What asks it to finish.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int | None
    started_at: float
    restarts: int
    state: ProcessState
    stop_signal: int = signal.SIGTERM


class SupervisorRecord(BaseModel):
    """The supervisor, the addresses it serves, and its processes in the order of their start."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started_at: float
    gateway_url: str
    flower_url: str
    processes: tuple[ProcessRecord, ...]

    @classmethod
    def load(cls, state_dir: Path) -> Self | None:
        """Read the record of a state folder; None when there is none that can be read."""
        try:
            return cls.model_validate_json((state_dir / RECORD_FILE).read_bytes())
        except (OSError, ValidationError):
            return None

    def save(self, state_dir: Path) -> None:
        """
        Write the record.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        write_private(state_dir / RECORD_FILE, self.model_dump_json(indent=2) + "\n")


def end_leftovers(state_dir: Path, *, grace_s: float = TERM_GRACE_S) -> list[str]:
    """
    End what a killed supervisor left running: only processes that are surely its own.

    Returns
    -------
    list of str
        The names of the processes that were still there.
    """
    record = SupervisorRecord.load(state_dir)
    if record is None:
        return []
    found: dict[str, psutil.Process] = {}
    for entry in reversed(record.processes):
        leader = _leader(entry, state_dir)
        if leader is not None:
            found[entry.name] = leader
            with contextlib.suppress(psutil.Error):
                leader.send_signal(entry.stop_signal)
    psutil.wait_procs(list(found.values()), timeout=grace_s)
    groups = frozenset(entry.pid for entry in record.processes if entry.pid is not None)
    members = _members(groups, state_dir) + [leader for leader in found.values() if leader.is_running()]
    for member in members:
        with contextlib.suppress(psutil.Error):
            member.kill()
    psutil.wait_procs(members, timeout=grace_s)
    return list(found)


def _leader(entry: ProcessRecord, state_dir: Path) -> psutil.Process | None:
    """Find the very process that was recorded, and not a stranger who has its pid now."""
    if entry.pid is None:
        return None
    try:
        process = psutil.Process(entry.pid)
        same_start = abs(process.create_time() - entry.started_at) <= CLOCK_TOLERANCE_S
        if process.status() == psutil.STATUS_ZOMBIE or not (same_start or _is_marked(process, state_dir)):
            return None
    except psutil.Error:
        return None
    return process


def _members(groups: frozenset[int], state_dir: Path) -> list[psutil.Process]:
    """Find what is left of process groups, such as a pool whose Celery parent was killed."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) in groups and _is_marked(process, state_dir):
                members.append(process)
    return members


def _is_marked(process: psutil.Process, state_dir: Path) -> bool:
    """Tell whether a process was started for this state folder: its environment says so."""
    with contextlib.suppress(psutil.Error):
        return process.environ().get(PREFIX + "STATE_DIR") == str(state_dir)
    return False
