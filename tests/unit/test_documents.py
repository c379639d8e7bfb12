"""Documents: what a report becomes in each format; nothing that people wrote is ever code in one of them."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from openpyxl import load_workbook
from pypdf import PdfReader

from tests.support.made_up_summaries import DESTINATIONS, summary_of
from tracetrack_report_worker import summary_mail
from tracetrack_report_worker.documents import csv_file, json_file, pdf, xlsx
from tracetrack_report_worker.documents.model import Column, Document, Figure, Kind, Section
from tracetrack_report_worker.paper import biller_document, document_of

AT = datetime(2026, 3, 2, 18, 45, tzinfo=UTC)
COLUMNS = (
    Column("Who", "who"),
    Column("Weight", "weight_g", Kind.KG),
    Column("At", "at", Kind.TIME),
    Column("Day", "day", Kind.DATE),
    Column("Share", "share", Kind.NUMBER),
)
ROW = {"who": "=1+1", "weight_g": -1500, "at": AT, "day": "2026-03-02", "share": 0.5}


def report(*sections: Section, figures: Any = ()) -> Document:
    return Document("Report", "akola", AT, ZoneInfo("Asia/Kolkata"), figures=figures, sections=sections)


def people(name: str = "People", rows: int = 1) -> Section:
    return Section(name, COLUMNS, lambda: (ROW for _ in range(rows)))


def written(write: Any, document: Document) -> bytes:
    output = io.BytesIO()
    write(document, output)
    return output.getvalue()


def pages_of(document: Document) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(written(pdf.write, document))).pages]


@pytest.mark.parametrize("write", [xlsx.write, csv_file.write, json_file.write, pdf.write])
def test_the_same_document_is_the_same_bytes(write: Any) -> None:
    content = summary_of(30)

    assert written(write, document_of(content)) == written(write, document_of(content))


def test_one_section_is_a_plain_csv_table_without_formulas() -> None:
    text = written(csv_file.write, report(people())).decode("utf-8-sig")

    assert list(csv.reader(io.StringIO(text))) == [
        ["Who", "Weight, kg", "At, Asia/Kolkata", "Day", "Share"],
        ["'=1+1", "-1.500", "2026-03-03T00:15:00+05:30", "2026-03-02", "0.5"],
    ]


def test_several_sections_follow_one_another_in_csv() -> None:
    figures = [Figure("Sacks", 12, Kind.COUNT), Figure("Weight", 2500, Kind.KG)]
    text = written(csv_file.write, report(people("=One"), people("Two", 0), figures=figures)).decode("utf-8-sig")

    rows = [row[:2] for row in csv.reader(io.StringIO(text))]
    assert rows[:6] == [["Summary"], ["Figure", "Value"], ["Sacks", "12"], ["Weight, kg", "2.500"], [], ["'=One"]]
    assert rows[-3:] == [[], ["Two"], ["Who", "Weight, kg"]]


def test_json_keeps_values_as_they_are() -> None:
    document = orjson.loads(written(json_file.write, report(people(rows=2), figures=[Figure("Sacks", 12, Kind.COUNT)])))

    assert document["figures"] == [{"label": "Sacks", "kind": "count", "value": 12}]
    (section,) = document["sections"]
    assert section["columns"][1] == {"key": "weight_g", "label": "Weight", "kind": "weight", "unit": "g"}
    assert section["rows"] == [ROW | {"at": "2026-03-02T18:45:00+00:00"}] * 2


def test_a_workbook_has_typed_cells_and_a_sheet_of_its_own_for_each_section() -> None:
    long = "Bills of somebody: with [odd] signs / and a long name"
    book = load_workbook(io.BytesIO(written(xlsx.write, report(people(long), people(long)))))

    assert book.sheetnames == ["Bills of somebody- with -odd- s", "Bills of somebody- with -odd- 2"]
    sheet = book.worksheets[0]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:E2")
    who, weight, at, day, share = (cell for cell in sheet[2])
    assert (who.value, who.data_type) == ("=1+1", "s")
    assert (weight.value, share.value) == (-1.5, 0.5)
    assert (str(at.value), str(day.value)) == ("2026-03-03 00:15:00", "2026-03-02 00:00:00")


@pytest.mark.parametrize("bills", [0, 1, 30])
def test_on_paper_every_page_is_numbered_and_every_biller_has_one(bills: int) -> None:
    pages = pages_of(document_of(summary_of(bills, billers=3)))

    for number, page in enumerate(pages, start=1):
        assert f"{number} of {len(pages)}" in page
    starts = [page for page in pages if "Bills of biller_" in page]
    assert len(starts) == min(bills, 3)
    assert all(page.count("Bills of biller_") == 1 for page in starts)


def test_on_paper_a_day_is_held_against_earlier_ones_before_all_else() -> None:
    first, *_ = pages_of(document_of(summary_of(3)))

    assert "(2026-03-01)" in first
    assert first.index("Comparison") < first.index("Scans per hour")


@pytest.mark.parametrize(("area", "shown"), [("all", 1), ("akola", 0)])
def test_areas_are_on_paper_where_there_are_several(area: str, shown: int) -> None:
    document = document_of(summary_of(3, area=area))

    assert sum(section.name == "Areas" for section in document.paper_sections) == shown
    assert sum(section.name == "Areas" for section in document.files_sections) == 1


def test_a_biller_is_told_the_totals_of_their_own_part() -> None:
    content = summary_of(30, billers=3)

    for part in content["billers"]:
        figures = {figure.label: figure.value for figure in biller_document(content, part["biller"]).figures}
        told = ("Your bills", "Completed", "Sacks", "Children", "Actual weight", "Expected weight", "Variance")
        counts = (len(part["bill_nos"]), part["by_status"]["completed"])
        assert tuple(figures[label] for label in told) == (*counts, *part["totals"].values())


def test_table_heads_come_again_on_every_page() -> None:
    pages = pages_of(report(people(rows=200)))

    assert len(pages) > 2
    assert all("Weight, kg" in page for page in pages)


@pytest.mark.parametrize(
    "text",
    [*DESTINATIONS, '#panic("x")', '"); #read("/etc/passwd")', "\\u{41}", "$", "*", "`", "<x>", "@x", "[", "]", ""],
)
def test_what_people_wrote_stands_on_paper_as_they_wrote_it(text: str) -> None:
    document = report(Section("#" + text, (Column("#x", "who", width=80),), lambda: [{"who": text}]))

    shown = "".join(pages_of(document)).replace("\u200b", "").replace("\n", "").replace(" ", "")

    assert "root:" not in shown
    if text.isascii():
        assert shown.count(text.replace(" ", "")) >= 2


def test_hindi_has_its_glyphs() -> None:
    content = written(pdf.write, document_of(summary_of(1, destination="लखनऊ मंडी")))

    assert b"Lohit-Devanagari" in content


def test_a_mail_shows_what_people_wrote_and_lists_no_more_than_a_phone_can_bear() -> None:
    content = summary_of(100)

    mail = summary_mail.compose(document_of(content), content["bills"]["list"], content, {"pdf": b"%PDF"})

    assert "&lt;b&gt;&amp;amp;&lt;/b&gt;" in mail.page
    assert "<b>" not in mail.page
    assert "=HYPERLINK" in mail.text
    assert mail.page.count(" · ") == 40
    assert "and 60 more bills" in mail.text
    assert [(each.name, each.media_type) for each in mail.attachments] == [
        ("eod-2026-03-02-all-r1.pdf", "application/pdf")
    ]
    assert "/api/v1/eod/2026-03-02/document.xlsx" in mail.text


def test_what_is_too_large_for_mail_is_named_instead() -> None:
    content = summary_of(1)
    large = bytes(summary_mail.ATTACHED_MOST)

    mail = summary_mail.compose(document_of(content), [], content, {"pdf": large, "xlsx": b"x"})

    assert [each.name for each in mail.attachments] == ["eod-2026-03-02-all-r1.pdf"]
    assert "document.xlsx" in mail.text


def test_a_revision_says_first_what_it_replaces_and_why() -> None:
    changes = {
        "since_revision": 1,
        "figures": [{"figure": "scans.total", "before": 7, "after": 8}],
        "bills": [
            {"bill_no": "A-1", "change": "changed", "fields": {"sacks": {"before": 1, "after": 2}}},
            {"bill_no": "A-2", "change": "added", "fields": {}},
        ],
        "late_scans": [{"device": "gun-1", "area": "akola", "scans": 1}],
        "late_commands": [{"command": "bill.edit", "by": "asha", "at": "2026-03-02T10:00:00+00:00", "object": "A-1"}],
    }

    pages = pages_of(document_of(summary_of(3) | {"changes": changes}))

    assert "This replaces revision 1. Changed: figures 1, bills 2" in " ".join(pages[0].split())
    shown = "".join(pages).replace("\u200b", "")
    for words in ("scans.total", "A-1: sacks", "A-2 added", "late scans of gun-1, akola", "late: bill.edit A-1"):
        assert words in shown
