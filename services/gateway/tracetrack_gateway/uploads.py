"""Taking files in: written to the shared folder as they come, looked at, and kept under their digest."""

import hashlib
import os
from asyncio import timeout, to_thread
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from starlette.requests import ClientDisconnect

from tracetrack_common import uploads
from tracetrack_common.errors import InvalidInputError, OverloadedError, TooLargeError, UnavailableError
from tracetrack_common.ids import uuid7
from tracetrack_common.tables import sniff

if TYPE_CHECKING:
    from hashlib import _Hash

_WRITE_BYTES = 1024 * 1024
_AT_ONCE = 4
"""Uploads that a gateway process takes at once: each costs a file, a buffer and a thread's time."""
_MOST_S = 600.0
"""Longest an upload may take: 128 MB at two megabits a second."""
_RETRY_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was taken in."""

    sha256: str
    size: int


class Uploads:
    """Takes files in.

    Parameters
    ----------
    files
        The shared folder.
    most_bytes
        The largest file.
    """

    def __init__(self, files: Path, *, most_bytes: int) -> None:
        self._files = files
        self._most_bytes = most_bytes
        self._under_way = 0

    async def take_table(self, chunks: AsyncIterable[bytes]) -> Upload:
        """Take in a table; of one that is refused or breaks off, nothing is left.

        Raises
        ------
        TooLargeError, InvalidInputError, UnsupportedMediaTypeError
            It is too large, or not a table that is read here.
        UnavailableError
            It cannot be written, or too many are under way.
        """
        if self._under_way >= _AT_ONCE:
            raise OverloadedError("Too many files are being uploaded; send it again in a while.", retry_after_s=10)
        part = uploads.folder_of(self._files) / f".{uuid7().hex}.part"
        self._under_way += 1
        try:
            part.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            async with timeout(_MOST_S):
                upload = await self._write(chunks, part)
            await to_thread(sniff, part)
            part.replace(uploads.path_of(self._files, upload.sha256))
        except ClientDisconnect as error:
            raise InvalidInputError("The upload broke off.") from error
        except TimeoutError as error:
            raise InvalidInputError(f"The upload took more than {_MOST_S:.0f} s.") from error
        except OSError as error:
            raise UnavailableError(
                f"The file cannot be kept: {error.strerror}.", retry_after_s=_RETRY_AFTER_S
            ) from error
        finally:
            self._under_way -= 1
            part.unlink(missing_ok=True)
        return upload

    async def _write(self, chunks: AsyncIterable[bytes], part: Path) -> Upload:
        """Write a file piece by piece, beside the event loop."""
        digest, size, buffer = hashlib.sha256(), 0, bytearray()
        with part.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > self._most_bytes:
                    raise TooLargeError(f"The file may have at most {self._most_bytes} bytes.")
                buffer += chunk
                if len(buffer) >= _WRITE_BYTES:
                    await to_thread(_write, file, digest, bytes(buffer))
                    buffer.clear()
            await to_thread(_write, file, digest, bytes(buffer))
            await to_thread(_settle, file)
        return Upload(digest.hexdigest(), size)


def _write(file: BinaryIO, digest: "_Hash", content: bytes) -> None:
    digest.update(content)
    file.write(content)


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
