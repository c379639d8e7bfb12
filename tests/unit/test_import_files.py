"""An uploaded file is known by its content, read row by row in little memory, or refused with a word on why."""

import io
import struct
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.tables import (
    BATCH_HEADS,
    make_archive,
    make_csv,
    make_workbook,
    make_xlsx,
    sheet_of,
    write,
)
from tracetrack_common.errors import InvalidInputError, TooLargeError, TraceTrackError, UnsupportedMediaTypeError
from tracetrack_common.tables import RATIO_MOST, TableFormat, sniff
from tracetrack_scan_worker.imports.reading import read_rows

_A_DAY = datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None)
_LITTLE_BYTES = 8 * 1024 * 1024


def _cells(path: Path) -> list[tuple[str, ...]]:
    return [row.cells for row in read_rows(path)]


@pytest.mark.parametrize("in_place", [False, True])
def test_a_workbook_gives_its_texts_numbers_and_dates(tmp_path: Path, *, in_place: bool) -> None:
    """Wherever its texts stand; a number is given as typed and noted, so is a date."""
    content = make_xlsx(BATCH_HEADS, [1, "0016586"], [2, 16586], [None, _A_DAY], ["=1+1", "é <&>"], in_place=in_place)

    rows = list(read_rows(write(tmp_path / "a", content)))

    assert [row.cells for row in rows] == [
        ("Sr.No.", "QR Code"),
        ("1", "0016586"),
        ("2", "16586"),
        ("", "2026-03-01"),
        ("=1+1", "é <&>"),
    ]
    assert [dict(row.notes) for row in rows] == [
        {},
        {0: "a number"},
        {0: "a number", 1: "a number"},
        {1: "a date, not a code"},
        {},
    ]


def test_a_formula_counts_by_the_value_it_last_had(tmp_path: Path) -> None:
    """And one that was never calculated is empty; an error is noted."""
    rows = [
        '<row r="2"><c r="A2" t="str"><f>B1</f><v>CH1234</v></c><c r="B2"><f>1+1</f></c>',
        '<c r="C2" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>',
    ]

    (row,) = read_rows(write(tmp_path / "a", make_workbook(sheet_of(rows))))

    assert (row.number, row.cells) == (2, ("CH1234", "", "#DIV/0!"))
    assert row.notes == {2: "an error of a formula"}


def test_rows_keep_the_numbers_that_the_sheet_shows(tmp_path: Path) -> None:
    """Where rows or references are left out, what follows stands where a spreadsheet would show it."""
    rows = ['<row r="5"><c><v>1</v></c><c r="D5"><v>4</v></c></row>', "<row><c><v>2</v></c></row>", '<row r="9"/>']

    found = list(read_rows(write(tmp_path / "a", make_workbook(sheet_of(rows)))))

    assert [(row.number, row.cells) for row in found] == [(5, ("1", "", "", "4")), (6, ("2",)), (9, ())]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_is_read_whatever_program_saved_it(tmp_path: Path, encoding: str, separator: str) -> None:
    """With a byte order mark or without, with commas, semicolons or tabs, quoted where need be."""
    text = f'qr_id{separator}type\n"SB{separator}1"{separator}parent\n\nCH1234{separator}"two\nlines"\n'

    cells = _cells(write(tmp_path / "a", text.encode(encoding)))

    assert cells == [("qr_id", "type"), (f"SB{separator}1", "parent"), (), ("CH1234", "two\nlines")]


def test_bytes_that_are_no_text_spoil_their_own_cell_only(tmp_path: Path) -> None:
    """An old encoding's letter is noted where it stands."""
    first, second = list(read_rows(write(tmp_path / "a", b"qr_id\nM\xfcller\n")))

    assert not first.notes
    assert second.notes == {0: "not UTF-8 text"}


@pytest.mark.parametrize(
    ("content", "error", "word"),
    [
        (b"", InvalidInputError, "empty"),
        (b"%PDF-1.7\n\x00\x01", UnsupportedMediaTypeError, "neither"),
        (b"\x1f\x8b\x08\x00aaaa", UnsupportedMediaTypeError, "neither"),
        ("qr_id\n".encode("utf-16-le"), UnsupportedMediaTypeError, "UTF-16"),
        (b"<html><table>", UnsupportedMediaTypeError, "page"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), UnsupportedMediaTypeError, ".xls"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            InvalidInputError,
            "encrypted",
        ),
        (make_archive({"a.txt": b"hello"}), UnsupportedMediaTypeError, "not an XLSX"),
        (make_archive({"xl/workbook.xml": b"", "xl/vbaProject.bin": b""}), UnsupportedMediaTypeError, "macros"),
        (make_archive({"xl/workbook.bin": b""}), UnsupportedMediaTypeError, ".xlsb"),
        (make_xlsx(BATCH_HEADS)[:-30], InvalidInputError, "broken"),
        (make_archive({f"{number}": b"" for number in range(1_001)}), TooLargeError, "entries"),
    ],
)
def test_what_is_no_table_is_refused_with_a_word_on_why(
    tmp_path: Path, content: bytes, error: type[TraceTrackError], word: str
) -> None:
    """Whatever its name was."""
    with pytest.raises(error, match=word):
        sniff(write(tmp_path / "bags.csv", content))


def test_a_bomb_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    """A sheet that inflates to more than a hundredfold is not opened."""
    content = make_workbook(bytes(32 * 1024 * 1024))

    with pytest.raises(TooLargeError, match=str(RATIO_MOST)):
        sniff(write(tmp_path / "a", content))


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_said(tmp_path: Path) -> None:
    """It is broken then, and says so, in little memory."""
    true_size = 32 * 1024 * 1024
    content = make_workbook(b"<worksheet>" + b" " * true_size)
    told = struct.pack("<L", 11 + true_size)
    lying = content.replace(told, struct.pack("<L", 2_000))
    path = write(tmp_path / "a", lying)

    assert sniff(path) is TableFormat.XLSX
    tracemalloc.start()
    with pytest.raises(InvalidInputError, match="broken"):
        list(read_rows(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < _LITTLE_BYTES


@pytest.mark.parametrize(
    "sheet",
    [
        b"<worksheet><!--" + b"x" * 3_000_000,
        b"<a>" * 100,
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<worksheet><row>",
        sheet_of(['<row><c t="s"><v>7</v></c></row>']),
    ],
)
def test_a_sheet_made_to_take_memory_is_broken(tmp_path: Path, sheet: bytes) -> None:
    """A piece without an end, elements without a floor, definitions, texts that are not there."""
    with pytest.raises(InvalidInputError, match="broken"):
        list(read_rows(write(tmp_path / "a", make_workbook(sheet))))


def test_a_row_as_wide_as_the_sheet_takes_no_memory(tmp_path: Path) -> None:
    """Cells further right than any head are passed over as they come."""
    path = write(tmp_path / "a", make_workbook(sheet_of(["<row>", "<c><v>1</v></c>" * 500_000, "</row>"])))

    tracemalloc.start()
    (row,) = read_rows(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(row.cells) <= 32
    assert peak < _LITTLE_BYTES


def test_shared_texts_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workbook of nothing but texts is refused before they fill the memory."""
    monkeypatch.setattr("tracetrack_scan_worker.imports.xlsx.SHARED_TEXTS_MOST_BYTES", 10_000)
    texts = b"<sst>" + b"<si><t>text</t></si>" * 5_000 + b"</sst>"

    with pytest.raises(TooLargeError, match="text"):
        list(read_rows(write(tmp_path / "a", make_workbook(sheet_of([]), sharedStrings=texts))))


def test_a_quote_without_an_end_stops_the_reading(tmp_path: Path) -> None:
    """And says after which row."""
    content = make_csv(["qr_id"], ["SB12345"]) + b'"' + b"CH1234\n" * 40_000

    with pytest.raises(InvalidInputError, match="After row 2"):
        list(read_rows(write(tmp_path / "a", content)))


def test_a_line_without_an_end_is_not_read_whole(tmp_path: Path) -> None:
    """It is refused after as much as no row has."""
    path = write(tmp_path / "a", b"qr_id\n" + b"x" * 1_000_000)

    with pytest.raises(InvalidInputError, match="65536"):
        list(read_rows(path))


def test_hidden_sheets_are_passed_over(tmp_path: Path) -> None:
    """The first sheet that shows counts."""
    content = make_workbook(sheet_of([]))
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(output, "w") as new:
        for entry in old.infolist():
            part = old.read(entry)
            new.writestr(entry, part.replace(b'name="A"', b'name="A" state="veryHidden"'))

    with pytest.raises(InvalidInputError, match="no sheet"):
        list(read_rows(write(tmp_path / "a", output.getvalue())))
