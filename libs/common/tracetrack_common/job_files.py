"""The files that jobs make and take: in one folder that the gateways and workers share (`TRACETRACK_FILES_DIR`).

On disk a file has the name of its job and attempt, so that two workers never write the same one; whose file counts is
decided in Postgres.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file that a job made.

    Parameters
    ----------
    name
        As it is offered.
    size
        Bytes.
    sha256
        Of its content.
    """

    name: str
    size: int
    sha256: bytes


def path_of(folder: Path, job_id: object, attempt: int) -> Path:
    """Give where a job's file of an attempt is."""
    return folder / f"{job_id}-{attempt}"


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give where to write; when the block ends, what was written is at `path`, whole and on disk, or not at all."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def describe(path: Path, name: str) -> ResultFile:
    """Give the size and digest of a file, read piece by piece."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return ResultFile(name, size, digest.digest())


def remove_old(folder: Path, *, keep_s: float) -> int:
    """Remove the files that are older than they are kept, those of dead workers with them; give how many."""
    removed = 0
    if not folder.is_dir():
        return removed
    for path in folder.iterdir():
        try:
            if path.is_file() and path.stat().st_mtime < time.time() - keep_s:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue  # another worker was faster
    return removed
