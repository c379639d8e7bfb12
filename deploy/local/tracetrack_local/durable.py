"""Files that only their owner may read and that survive a power cut, whole or not at all."""

import os
import secrets
from pathlib import Path

PRIVATE_FILE_MODE = 0o600


def write_private(path: Path, text: str) -> None:
    """
    Replace a file so that a reader, or a power cut, meets the old content or the new one and nothing between.

    The file is 0600 from its first byte on: it is created with that mode under another name, synced, and renamed.

    Parameters
    ----------
    path
        The file to write; its folder must exist.
    text
        The whole new content.

    Raises
    ------
    OSError
        When the folder cannot be written or the disk is full; the old file is untouched then.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a folder durable: a rename is on disk only once its folder is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
