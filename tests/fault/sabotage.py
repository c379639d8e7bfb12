"""Breaking things: processes that are killed or stand still, at moments that a seed chooses."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.support.system import RunningSystem
from tests.support.waiting import eventually

WORKERS = ("scan-worker", "command-worker", "import-worker", "report-worker")


def let_pass(seconds: float) -> None:
    """Let a fault last; the one pause of this suite that waits for nothing."""
    time.sleep(seconds)


def at_some_moment(rng: random.Random, *, within_s: float) -> None:
    """Let a moment come that the seed chooses."""
    let_pass(rng.uniform(0.0, within_s))


def find_process(system: RunningSystem, name: str) -> psutil.Process:
    """Give a process of the system by its name, when it is there."""

    def look() -> psutil.Process | None:
        record = system.records().get(name)
        if record is None or record.pid is None or record.state == "waiting to restart":
            return None
        with suppress(psutil.Error):
            process = psutil.Process(record.pid)
            return process if process.status() != psutil.STATUS_ZOMBIE else None
        return None

    return eventually(look)


def find_pool(system: RunningSystem, worker: str) -> list[psutil.Process]:
    """Give a worker's pool processes, when it has some."""
    return eventually(lambda: find_process(system, worker).children())


def kill(process: psutil.Process) -> None:
    """End a process at once, if it has not ended by itself."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)


@contextmanager
def standing_still(*processes: psutil.Process) -> Iterator[None]:
    """Stop processes, with all below them, for a while; their connections stay open."""
    family = [each for process in processes for each in (process, *process.children(recursive=True))]
    for each in family:
        os.kill(each.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in family:
            with suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGCONT)


def count_restarts(system: RunningSystem, *names: str) -> dict[str, int]:
    """Give how often the supervisor had to start each of these processes again."""
    records = system.records()
    return {name: records[name].restarts for name in names}
