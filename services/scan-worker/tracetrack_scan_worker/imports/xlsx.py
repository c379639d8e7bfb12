"""Reading an XLSX sheet row by row in constant memory, whatever is in the file.

The libraries that read workbooks build a tree of each row, or hold a sheet or its texts whole, so that a file made for
it takes all memory there is (docs/imports.md has the figures). An import needs little of the format: the first visible
sheet, the values of its first columns, its shared texts, and which number formats are dates.
"""

import posixpath
import re
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.parsers import expat

from tracetrack_common.errors import InvalidInputError, TooLargeError
from tracetrack_scan_worker.imports.rows import CELLS_MOST, TEXT_MOST_CHARS, Row

SHARED_TEXTS_MOST_BYTES = 64 * 1024 * 1024
_STYLES_MOST = 65_536
_DEPTH_MOST = 64
_TOKEN_MOST_BYTES = 1024 * 1024
"""How far the parser may be behind what it was fed: an attribute or comment that goes on for ever is kept whole."""
_LINKS_MOST = 1_000
_CHUNK_BYTES = 64 * 1024
_DIGITS_MOST = 9
_EXACT_BELOW = 1e15
"""A larger number has lost digits on its way through the sheet."""
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_DAYS_MOST = 2_958_465
"""31 December 9999, the last day that a sheet knows."""
_DATE_FORMATS = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
"""Number formats every program knows by number, for dates and times (ECMA-376, 18.8.30)."""
_NOT_FORMAT = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_DATE_LETTERS = re.compile(r"[ymdhs]", re.IGNORECASE)
_COLUMN = re.compile(r"([A-Z]{1,3})\d+")
_BROKEN = "The workbook is broken: {}. Save it again, or send CSV."


def read_rows(path: Path) -> Iterator[Row]:
    """Give the rows of a workbook's first visible sheet.

    Parameters
    ----------
    path
        A file that `tables.sniff` called a workbook.

    Raises
    ------
    InvalidInputError
        It is broken, or has no sheet.
    TooLargeError
        It has more shared texts than are read here.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sheet, texts_path, styles_path = _find_parts(archive)
            texts = _SharedTexts()
            if texts_path is not None:
                for _ in _parse(archive, texts_path, texts):
                    pass
            styles = _Styles()
            if styles_path is not None:
                for _ in _parse(archive, styles_path, styles):
                    pass
            reader = _SheetReader(texts, styles.dates)
            yield from _parse(archive, sheet, reader)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError) as error:
        raise InvalidInputError(_BROKEN.format("an entry cannot be read")) from error
    except expat.ExpatError as error:
        raise InvalidInputError(_BROKEN.format("it is not well-formed XML")) from error


class _Part:
    """Reads one part of a workbook: told of its elements by local name, it gives rows when it has some."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""

    def text(self, text: str) -> None:
        """Take a piece of text."""

    def end(self, name: str) -> None:
        """End an element."""

    def take(self) -> list[Row]:
        """Give the rows that are complete."""
        return []


def _parse(archive: zipfile.ZipFile, path: str, part: _Part) -> Iterator[Row]:
    """Feed a part of a workbook to its reader, piece by piece; what would have the parser hoard is refused."""
    depth = 0

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH_MOST:
            raise InvalidInputError(_BROKEN.format("its elements are nested too deep"))
        part.start(name.rpartition(":")[2], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        part.end(name.rpartition(":")[2])

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.CharacterDataHandler = part.text
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    fed = 0
    with archive.open(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            parser.Parse(chunk)
            fed += len(chunk)
            if fed - parser.CurrentByteIndex > _TOKEN_MOST_BYTES:
                raise InvalidInputError(_BROKEN.format("a piece of it has no end"))
            yield from part.take()
        parser.Parse(b"", True)  # noqa: FBT003 - the parser names no arguments
    yield from part.take()


def _refuse_doctype(*_: Any) -> None:
    """Refuse what no workbook has: definitions that make much of little."""
    raise InvalidInputError(_BROKEN.format("it defines entities"))


class _Collector(_Part):
    """Collects the attributes of some elements of a small part."""

    def __init__(self, *names: str) -> None:
        self.found: list[Mapping[str, str]] = []
        self._names = names

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in self._names:
            if len(self.found) == _LINKS_MOST:
                raise TooLargeError(f"The workbook has more than {_LINKS_MOST} sheets or parts.")
            self.found.append({key.rpartition(":")[2]: value for key, value in attributes.items()})


def _collect(archive: zipfile.ZipFile, path: str, name: str) -> list[Mapping[str, str]]:
    collector = _Collector(name)
    for _ in _parse(archive, path, collector):
        pass
    return collector.found


def _find_parts(archive: zipfile.ZipFile) -> tuple[str, str | None, str | None]:
    """Find the first visible sheet, the shared texts and the styles."""
    links = _collect(archive, "xl/_rels/workbook.xml.rels", "Relationship")
    paths = {link["Id"]: posixpath.normpath(posixpath.join("/xl", link["Target"]))[1:] for link in links}
    by_type = {link["Type"].rpartition("/")[2]: paths[link["Id"]] for link in links}
    sheets = _collect(archive, "xl/workbook.xml", "sheet")
    shown = [sheet for sheet in sheets if sheet.get("state", "visible") == "visible"]
    if not shown:
        raise InvalidInputError("The workbook has no sheet that shows.")
    return paths[shown[0]["id"]], by_type.get("sharedStrings"), by_type.get("styles")


class _SharedTexts(_Part):
    """The texts that cells name by number: one run of bytes and where each begins, not an object for each."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._starts = array("I", [0])
        self._pieces: list[str] = []
        self._length = 0
        self._in_text = False
        self._in_reading = False

    def __getitem__(self, number: int) -> str:
        """Give a text."""
        if not 0 <= number < len(self._starts) - 1:
            raise InvalidInputError(_BROKEN.format(f"it has no text {number}"))
        return self._bytes[self._starts[number] : self._starts[number + 1]].decode()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        del attributes
        if name == "rPh":
            self._in_reading = True
        elif name == "t":
            self._in_text = not self._in_reading

    def text(self, text: str) -> None:
        if self._in_text and self._length < TEXT_MOST_CHARS:
            self._pieces.append(text)
            self._length += len(text)

    def end(self, name: str) -> None:
        if name == "t":
            self._in_text = False
        elif name == "rPh":
            self._in_reading = False
        elif name == "si":
            self._bytes += "".join(self._pieces)[:TEXT_MOST_CHARS].encode()
            self._pieces.clear()
            self._length = 0
            self._starts.append(len(self._bytes))
            if len(self._bytes) + 4 * len(self._starts) > SHARED_TEXTS_MOST_BYTES:
                raise TooLargeError("The workbook has more text than is read here. Split it, or send CSV.")


class _Styles(_Part):
    """Which cell styles show a number as a date."""

    def __init__(self) -> None:
        self.dates: set[int] = set()
        self._date_formats = set(_DATE_FORMATS)
        self._in_cells = False
        self._style = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "numFmt" and len(self._date_formats) < _STYLES_MOST:
            plain = _NOT_FORMAT.sub("", attributes.get("formatCode", ""))
            if _DATE_LETTERS.search(plain):
                self._date_formats.add(_to_int(attributes.get("numFmtId")))
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells and self._style < _STYLES_MOST:
            if _to_int(attributes.get("numFmtId")) in self._date_formats:
                self.dates.add(self._style)
            self._style += 1

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False


class _SheetReader(_Part):
    """Reads the rows of a sheet."""

    def __init__(self, texts: _SharedTexts, dates: set[int]) -> None:
        self._texts = texts
        self._dates = dates
        self._rows: list[Row] = []
        self._number = 0
        self._cells: list[str] = []
        self._notes: dict[int, str] = {}
        self._column = -1
        self._type = "n"
        self._style = 0
        self._pieces: list[str] = []
        self._length = 0
        self._in_value = False
        self._in_reading = False

    def take(self) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            self._column = _column_of(attributes.get("r"), self._column + 1)
            self._type = attributes.get("t", "n")
            self._style = _to_int(attributes.get("s", "0"))
            self._pieces.clear()
            self._length = 0
        elif name in {"v", "t"}:
            self._in_value = self._column < CELLS_MOST and not self._in_reading
        elif name == "rPh":
            self._in_reading = True
        elif name == "row":
            self._number = max(_to_int(attributes.get("r", "0")), self._number + 1)
            self._cells, self._notes, self._column = [], {}, -1

    def text(self, text: str) -> None:
        if self._in_value and self._length < TEXT_MOST_CHARS:
            self._pieces.append(text)
            self._length += len(text)

    def end(self, name: str) -> None:
        if name in {"v", "t"}:
            self._in_value = False
        elif name == "c":
            if self._pieces and self._column < CELLS_MOST:
                self._keep_cell("".join(self._pieces)[:TEXT_MOST_CHARS])
        elif name == "rPh":
            self._in_reading = False
        elif name == "row":
            self._rows.append(Row(self._number, tuple(self._cells), self._notes))

    def _keep_cell(self, value: str) -> None:
        self._cells += [""] * (self._column + 1 - len(self._cells))
        read = _READERS.get(self._type)
        if read is not None:
            value = read(self, value)
        self._cells[self._column] = value

    def _read_shared(self, value: str) -> str:
        return self._texts[_to_int(value)]

    def _read_number(self, value: str) -> str:
        if self._style in self._dates:
            self._notes[self._column] = "a date, not a code"
            return _date_of(value)
        self._notes[self._column] = "a number"
        return _plain_number(value)

    def _read_date(self, value: str) -> str:
        self._notes[self._column] = "a date, not a code"
        return value

    def _read_error(self, value: str) -> str:
        self._notes[self._column] = "an error of a formula"
        return value

    def _read_boolean(self, value: str) -> str:
        return "TRUE" if value == "1" else "FALSE"


_READERS: Mapping[str, Callable[[_SheetReader, str], str]] = {
    "s": _SheetReader._read_shared,  # noqa: SLF001 - the table belongs to the class
    "n": _SheetReader._read_number,  # noqa: SLF001
    "d": _SheetReader._read_date,  # noqa: SLF001
    "e": _SheetReader._read_error,  # noqa: SLF001
    "b": _SheetReader._read_boolean,  # noqa: SLF001
}


def _column_of(reference: str | None, next_column: int) -> int:
    """Give a cell's column from 0, by its reference or, where it has none, as the one after the last."""
    found = _COLUMN.fullmatch(reference or "")
    if found is None:
        return next_column
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _to_int(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MOST:
        raise InvalidInputError(_BROKEN.format("a number in it is none"))
    return int(text)


def _plain_number(value: str) -> str:
    """Write a number as a person would have typed it: 16586, not 16586.0 or 1.6586E4."""
    try:
        number = float(value)
    except ValueError:
        return value
    return str(int(number)) if number.is_integer() and abs(number) < _EXACT_BELOW else value


def _date_of(value: str) -> str:
    try:
        days = float(value)
    except ValueError:
        return value
    return (_EPOCH + timedelta(days=days)).date().isoformat() if 0 <= days <= _DAYS_MOST else value
