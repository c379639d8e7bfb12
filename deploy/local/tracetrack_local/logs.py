"""The processes' logs: their last lines, and what comes after them."""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from tracetrack_local.errors import LauncherError

PAUSE_S = 0.25
SUFFIX = ".log"


class LogReader:
    """
    Reads a log that is being written, also across its renaming at a start.

    Parameters
    ----------
    path
        The log.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name.removesuffix(SUFFIX)
        self._path = path
        self._offset = 0
        self._inode = 0
        self._begun = b""

    def last_lines(self, count: int) -> list[str]:
        """Give the last lines, and go on from there."""
        try:
            with self._path.open("rb") as log:
                lines = deque(log, maxlen=count)
                self._offset = log.tell()
                self._inode = os.fstat(log.fileno()).st_ino
        except FileNotFoundError:
            return []
        return [_text(line) for line in lines]

    def next_lines(self) -> list[str]:
        """Give the whole lines that were written since the last call."""
        try:
            with self._path.open("rb") as log:
                inode = os.fstat(log.fileno()).st_ino
                if inode != self._inode:
                    self._offset, self._inode = 0, inode
                log.seek(self._offset)
                data = self._begun + log.read()
                self._offset = log.tell()
        except FileNotFoundError:
            return []
        *lines, self._begun = data.split(b"\n")
        return [_text(line) for line in lines]


def find_logs(log_dir: Path, process: str | None) -> list[LogReader]:
    """
    Find the log of a process, or all logs.

    Raises
    ------
    LauncherError
        When there is none; the sentence names those that are there.
    """
    names = sorted(path.name.removesuffix(SUFFIX) for path in log_dir.glob(f"*{SUFFIX}"))
    if not names:
        raise LauncherError(f"There are no logs in {log_dir} yet.")
    if process is not None and process not in names:
        raise LauncherError(f"There is no log of {process!r}; there are: {', '.join(names)}.")
    return [LogReader(log_dir / f"{name}{SUFFIX}") for name in names if process in {None, name}]


def show(readers: Sequence[LogReader], write: Callable[[str], None], *, count: int) -> None:
    """Write the last lines of logs; each line says whose it is when there are several."""
    for reader in readers:
        for line in reader.last_lines(count):
            write(_labelled(reader, line, readers))


def follow(readers: Sequence[LogReader], write: Callable[[str], None], *, is_over: Callable[[], bool]) -> None:
    """Write the lines that come, until nobody reads them any more or Ctrl-C ends it."""
    while not is_over():
        for reader in readers:
            for line in reader.next_lines():
                write(_labelled(reader, line, readers))
        time.sleep(PAUSE_S)


def _labelled(reader: LogReader, line: str, readers: Sequence[LogReader]) -> str:
    return line if len(readers) == 1 else f"{reader.name} | {line}"


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\n")
