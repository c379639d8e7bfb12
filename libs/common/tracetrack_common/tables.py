"""What an uploaded table is, told by its content and not by its name; what is not fit to be read is refused.

Nothing here reads a file whole: a look at its beginning, and for a workbook at the directory at its end.
"""

import struct
import zipfile
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from tracetrack_common.errors import InvalidInputError, TooLargeError, UnsupportedMediaTypeError

ENTRIES_MOST = 1_000
"""A workbook has a dozen entries, with pictures some hundred; each one costs memory before it is looked at."""
INFLATED_MOST_BYTES = 512 * 1024 * 1024
"""A full sheet of 1,048,576 rows and four columns inflates to some 200 MB."""
RATIO_MOST = 150
"""A sheet shrinks to a tenth, one whose rows are all alike to a fiftieth; a bomb to a thousandth."""
_RATIO_FROM_BYTES = 8 * 1024 * 1024
"""What inflates to less is harmless at any ratio."""

_LOOK_BYTES = 64 * 1024
_ZIP = b"PK\x03\x04"
_ZIP_EMPTY = b"PK\x05\x06"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_END = b"PK\x05\x06"
_END_ZIP64 = b"PK\x06\x07"
_END_FIELDS = struct.Struct("<4s4H2LH")
_END_LOOK_BYTES = _END_FIELDS.size + 2**16
_MARKUP = (b"<html", b"<!doctype", b"<?xml", b"<table")
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x1a")
_FIRST_PRINTABLE = 0x20
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ENCRYPTED_FLAG = 0x1


class TableFormat(StrEnum):
    """A format that tables are read in."""

    CSV = "csv"
    XLSX = "xlsx"


def sniff(path: Path) -> TableFormat:
    """Tell what a file is, and refuse one that cannot be read or that is not what it should be.

    Raises
    ------
    InvalidInputError
        It is empty, or a broken or encrypted workbook.
    UnsupportedMediaTypeError
        It is something else: an old workbook, one with macros, a page, a picture.
    TooLargeError
        It is a workbook that inflates to more than is read here.
    """
    with path.open("rb") as file:
        start = file.read(_LOOK_BYTES)
        if not start:
            raise InvalidInputError("The file is empty.")
        if start.startswith((_ZIP, _ZIP_EMPTY)):
            _check_workbook(file)
            return TableFormat.XLSX
    _check_text(start)
    return TableFormat.CSV


def _check_text(start: bytes) -> None:
    if start.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in start:
            raise InvalidInputError("The workbook is encrypted; save it without a password.")
        raise UnsupportedMediaTypeError("This is an old workbook (.xls); save it as XLSX or CSV.")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP):
        raise UnsupportedMediaTypeError(
            "This is a page or an XML file, whatever its name says; save it as XLSX or CSV."
        )
    if start.startswith(_UTF_16_MARKS):
        return
    if b"\0" in start:
        raise UnsupportedMediaTypeError(
            "This is neither CSV nor XLSX; if it is a text in UTF-16, save it as «CSV UTF-8»."
        )
    if any(byte < _FIRST_PRINTABLE and byte not in _TEXT_CONTROLS for byte in set(start)):
        raise UnsupportedMediaTypeError("This is neither CSV nor XLSX.")


def _check_workbook(file: BinaryIO) -> None:
    """Look at a workbook's directory.

    What an entry declares to inflate to is also the most that `zipfile` gives out of it, so a lie does not help.
    """
    size = file.seek(0, 2)
    _check_directory_size(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise InvalidInputError("The workbook is broken; save it again.") from error
    names = {entry.filename.lower() for entry in entries}
    if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
        raise InvalidInputError("The workbook is encrypted; save it without a password.")
    if any(name.endswith("vbaproject.bin") for name in names):
        raise UnsupportedMediaTypeError("The workbook has macros; save it as XLSX without them.")
    if "xl/workbook.bin" in names:
        raise UnsupportedMediaTypeError("This is a binary workbook (.xlsb); save it as XLSX or CSV.")
    if "xl/workbook.xml" not in names:
        raise UnsupportedMediaTypeError("This archive is not an XLSX workbook.")
    inflated = sum(entry.file_size for entry in entries)
    if inflated > INFLATED_MOST_BYTES:
        raise TooLargeError(
            f"The workbook inflates to {inflated} bytes; at most {INFLATED_MOST_BYTES} are read. Split it, or send CSV."
        )
    if inflated > _RATIO_FROM_BYTES and inflated > RATIO_MOST * size:
        raise TooLargeError(
            f"The workbook inflates to more than {RATIO_MOST} times its size; save it anew, or send CSV."
        )


def _check_directory_size(file: BinaryIO, size: int) -> None:
    """Refuse a directory of very many entries before `zipfile` makes an object of each."""
    file.seek(max(0, size - _END_LOOK_BYTES))
    tail = file.read(_END_LOOK_BYTES)
    start = tail.rfind(_END)
    if start < 0 or len(tail) - start < _END_FIELDS.size:
        raise InvalidInputError("The workbook is broken or was cut off; send it again.")
    fields = _END_FIELDS.unpack_from(tail, start)
    entries, directory_bytes = fields[4], fields[5]
    if _END_ZIP64 in tail[max(0, start - 20) : start] or entries > ENTRIES_MOST or directory_bytes > _LOOK_BYTES * 16:
        raise TooLargeError(f"The workbook has more than {ENTRIES_MOST} entries; save its one sheet as XLSX or CSV.")
