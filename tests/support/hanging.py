"""Servers that hang: their processes stand still, so that connections stay open and nothing is answered."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tracetrack_local.process import Child


@contextmanager
def hanging(*servers: Child) -> Iterator[None]:
    """Have servers hang while the block runs.

    Parameters
    ----------
    *servers
        Each is stopped with all that it has started.
    """
    processes = [process for server in servers for process in _processes_of(server)]
    try:
        for process in processes:
            _send(process, signal.SIGSTOP)
        yield
    finally:
        for process in reversed(processes):
            _send(process, signal.SIGCONT)


def _processes_of(server: Child) -> list[psutil.Process]:
    parent = psutil.Process(server.pid)
    return [parent, *parent.children(recursive=True)]


def _send(process: psutil.Process, sent: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(sent)
