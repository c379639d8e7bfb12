"""One supervisor per state folder: the lock that says so, and who holds it."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tracetrack_local.errors import LauncherError

LOCK_FILE = "lock"
PATIENCE_S = 1.0  # `status` holds the lock for an instant when it looks
PAUSE_S = 0.05


class Holder(BaseModel):
    """Who holds the lock: its pid, the gateway's address it serves, and what it does (`up` or `migrate`)."""

    model_config = ConfigDict(frozen=True)

    pid: int
    gateway_url: str
    purpose: str


class StateLock:
    """
    The lock on a state folder; the kernel lets go of it when its holder ends, however it ends.

    Parameters
    ----------
    state_dir
        The folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / LOCK_FILE
        self._descriptor: int | None = None

    def acquire(self, *, gateway_url: str, purpose: str) -> Self:
        """
        Take the lock.

        Raises
        ------
        LauncherError
            When another one has it; the sentence names its pid and address.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + PATIENCE_S
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise LauncherError(_in_use(self._path))
            time.sleep(PAUSE_S)
        self._descriptor = descriptor
        text = json.dumps({"pid": os.getpid(), "gateway_url": gateway_url, "purpose": purpose})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
        return self

    def release(self) -> None:
        """Let go of the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def find_holder(state_dir: Path) -> Holder | None:
    """
    Find who holds the lock of a state folder, or None when nobody does.

    Raises
    ------
    LauncherError
        When somebody does and the file does not say who.
    """
    path = state_dir / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise LauncherError(f"{path} cannot be read: the system here belongs to another user.") from None
    try:
        if _try_lock(descriptor):
            return None
    finally:
        os.close(descriptor)
    holder = _read_holder(path)
    if holder is None:
        raise LauncherError(f"{path} is locked by a program that is just starting; try again.")
    return holder


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(path: Path) -> Holder | None:
    try:
        return Holder.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _in_use(path: Path) -> str:
    holder = _read_holder(path)
    if holder is None:
        return f"Another program is just starting on {path.parent}; try again."
    if holder.purpose != "up":
        return f"`tracetrack {holder.purpose}` (pid {holder.pid}) is at work in {path.parent}; wait until it is done."
    return (
        f"TraceTrack is already running on {path.parent}: pid {holder.pid}, {holder.gateway_url}. "
        "Stop it with `tracetrack stop`; for a second copy set TRACETRACK_STATE_DIR, TRACETRACK_GATEWAY_PORT and "
        "TRACETRACK_FLOWER_PORT."
    )
