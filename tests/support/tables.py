"""Tables as people upload them, and archives that are not what they say."""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import xlsxwriter

BAG_HEADS = ("qr_id", "type", "parent_qr_id")
BATCH_HEADS = ("Sr.No.", "QR Code")
BILL_HEADS = ("bill_id", "description", "parent_bag_count", "expected_weight_kg")


def make_csv(*rows: Sequence[object], separator: str = ",") -> bytes:
    """Write rows as CSV."""
    return "".join(separator.join(str(cell) for cell in row) + "\r\n" for row in rows).encode()


def make_xlsx(*rows: Sequence[Any], in_place: bool = False) -> bytes:
    """Write rows as a workbook: texts as text, numbers as numbers, dates as dates.

    Parameters
    ----------
    *rows
        The first is that of the heads.
    in_place
        Whether texts stand in their cells and not in a part of their own.
    """
    output = io.BytesIO()
    options = {"strings_to_formulas": False, "constant_memory": in_place, "default_date_format": "dd/mm/yyyy"}
    with xlsxwriter.Workbook(output, options) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(number, column, cell)
                elif isinstance(cell, str):
                    sheet.write_string(number, column, cell)
                elif cell is not None:
                    sheet.write_number(number, column, cell)
    return output.getvalue()


def make_archive(parts: Mapping[str, bytes]) -> bytes:
    """Write a ZIP archive."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return output.getvalue()


def make_workbook(sheet: bytes, **others: bytes) -> bytes:
    """Write the least that is a workbook around a sheet's XML; `others` are parts below ``xl/``, without ``.xml``."""
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    links = {"s": ("worksheet", "worksheets/sheet1.xml"), **{name: (name, f"{name}.xml") for name in others}}
    return make_archive(
        {
            "xl/workbook.xml": (
                f'<workbook xmlns:r="{kinds}"><sheets><sheet name="A" r:id="s"/></sheets></workbook>'.encode()
            ),
            "xl/_rels/workbook.xml.rels": "".join(
                [
                    "<Relationships>",
                    *[
                        f'<Relationship Id="{id_}" Type="{kinds}/{kind}" Target="{to}"/>'
                        for id_, (kind, to) in links.items()
                    ],
                    "</Relationships>",
                ]
            ).encode(),
            "xl/worksheets/sheet1.xml": sheet,
            **{f"xl/{name}.xml": content for name, content in others.items()},
        }
    )


def sheet_of(rows: Iterable[str]) -> bytes:
    """Write a sheet's XML around its rows."""
    return f"<worksheet><sheetData>{''.join(rows)}</sheetData></worksheet>".encode()


def write(path: Path, content: bytes) -> Path:
    """Write a file and give its path."""
    path.write_bytes(content)
    return path
