"""The workbook: what was written is what is read, as what it is, in the same bytes every time."""

import copy
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from tracetrack_report_worker.workbook import render

SHEETS = [
    "Summary",
    "Comparison",
    "Bills",
    "Billers",
    "Areas",
    "Devices",
    "Hours",
    "Kinds",
    "Outcomes",
    "Refused",
    "Sacks",
    "Open bills",
    "Gaps",
]
BILL: dict[str, Any] = {
    "bill_no": "A-1",
    "area": "akola",
    "created_by": "asha",
    "created_at": "2026-03-02T02:30:00+00:00",
    "status": "completed",
    "destination": "Delhi",
    "capacity": 5,
    "sacks": 5,
    "expected_sacks": 5,
    "children": 128,
    "actual_g": 128_000,
    "expected_g": 150_000,
    "variance_g": -22_000,
}
TOTALS = {name: BILL[name] for name in ("sacks", "children", "actual_g", "expected_g", "variance_g")}
NOTHING = {"total": 0, "applied": 0, "already": 0, "refused": 0, "sacks_scanned": 0, "children_linked": 0}
CONTENT: dict[str, Any] = {
    "date": "2026-03-02",
    "area": "akola",
    "revision": 2,
    "generated_at": "2026-03-02T18:45:00.250000+00:00",
    "window": {
        "start": "2026-03-01T18:30:00+00:00",
        "end": "2026-03-02T18:30:00+00:00",
        "zone": "Asia/Kolkata",
    },
    "scans": {
        "total": 12_345,
        "applied": 12_000,
        "already": 300,
        "refused": 45,
        "by_kind": {"child": 12_000, "parent": 345},
        "by_outcome": {"applied": 12_000, "known": 300, "parent_full": 45},
        "sacks_scanned": 345,
        "children_linked": 11_655,
        "sacks_registered": 345,
        "by_device": [
            {"device": "gun-1", "area": "akola", "scans": 12_300, "applied": 12_000, "sacks": 345, "children": 11_655},
            {"device": None, "area": "akola", "scans": 45, "applied": 0, "sacks": 0, "children": 0},
        ],
        "by_hour": [{"hour": hour, "scans": 0, "applied": 0, "sacks": 0, "children": 0} for hour in range(24)],
    },
    "bills": {
        "created": 1,
        "by_status": {"new": 0, "processing": 0, "completed": 1},
        "by_biller": [{"biller": "asha", "created": 1}],
        "list": [BILL],
        "totals": TOTALS,
    },
    "billers": [
        {
            "biller": "asha",
            "created": 1,
            "by_status": {"new": 0, "processing": 0, "completed": 1},
            "bill_nos": ["A-1"],
            "totals": TOTALS,
        }
    ],
    "by_area": [
        {
            "area": "akola",
            "scans": 12_300,
            "applied": 12_000,
            "sacks": 345,
            "children": 11_655,
            "bills": 1,
            "totals": TOTALS,
        },
        {
            "area": None,
            "scans": 45,
            "applied": 0,
            "sacks": 0,
            "children": 0,
            "bills": 0,
            "totals": dict.fromkeys(TOTALS, 0),
        },
    ],
    "comparison": {
        "day_before": {"date": "2026-03-01", **NOTHING, "bills_created": 3},
        "same_weekday": {"date": "2026-02-23", **NOTHING, "total": 12_345, "bills_created": 0},
    },
    "exceptions": {
        "refused_by_reason": {"parent_full": 45},
        "sacks_underfilled": [{"code": "SB00001", "children": 3, "capacity": 30}],
        "sacks_overfilled": [],
        "sacks_full_unbilled": [{"code": "SB00002", "children": 30}],
        "bills_open": [],
        "late_scans": 7,
        "gaps": [{"device": "gun-1", "epoch": 1, "from_seq": 4, "to_seq": 9, "missing": 6}],
    },
}


def with_bills(*bills: dict[str, Any]) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    content["bills"]["list"] = [BILL | bill for bill in bills]
    return content


def read(content: dict[str, Any]) -> Workbook:
    return load_workbook(BytesIO(render(content)))


def rows(sheet: Worksheet) -> list[dict[str, Any]]:
    heads, *lines = sheet.iter_rows(values_only=True)
    return [dict(zip(map(str, heads), line, strict=True)) for line in lines]


def overview(book: Workbook) -> dict[str, Any]:
    return {row["Figure"]: row["Value"] for row in rows(book["Summary"])}


def test_there_is_a_sheet_for_each_part() -> None:
    assert read(CONTENT).sheetnames == SHEETS


def test_cells_are_what_they_show() -> None:
    (bill,) = rows(read(CONTENT)["Bills"])

    assert bill == {
        "Bill": "A-1",
        "Area": "akola",
        "Created by": "asha",
        "Created, Asia/Kolkata": datetime(2026, 3, 2, 8, 0),  # noqa: DTZ001 - a workbook's clock has no zone
        "Status": "completed",
        "Destination": "Delhi",
        "Sacks": 5,
        "Expected sacks": 5,
        "Children": 128,
        "Actual, kg": 128,
        "Expected, kg": 150,
        "Variance, kg": -22,
    }


def test_the_overview_says_which_summary_it_is_and_its_totals() -> None:
    shown = overview(read(CONTENT))

    assert (shown["Area"], shown["Date"], shown["Revision"]) == ("akola", "2026-03-02", 2)
    assert shown["Day ends, Asia/Kolkata"] == datetime(2026, 3, 3)  # noqa: DTZ001 - a workbook's clock has no zone
    assert (shown["Scans"], shown["Scans refused"], shown["Variance, kg"]) == (12_345, 45, -22)
    assert (shown["Sacks not full"], shown["Counters that never arrived"]) == (1, 6)


def test_every_exception_has_its_row() -> None:
    book = read(CONTENT)

    assert [tuple(row.values()) for row in rows(book["Sacks"])] == [
        ("SB00001", "not full", 3, 30),
        ("SB00002", "full, on no bill", 30, None),
    ]
    assert [tuple(row.values()) for row in rows(book["Gaps"])] == [("gun-1", 1, 4, 9, 6)]
    assert [tuple(row.values()) for row in rows(book["Refused"])] == [("parent_full", 45)]


def test_a_biller_and_an_area_have_their_own_totals() -> None:
    book = read(CONTENT)

    assert [tuple(row.values()) for row in rows(book["Billers"])] == [("asha", 1, 1, 0, 0, 1, 5, 128, 128, 150, -22)]
    assert [tuple(row.values()) for row in rows(book["Areas"])] == [
        ("akola", 12_300, 12_000, 345, 11_655, 1, 5, 128, 128, 150, -22),
        ("(no area)", 45, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ]


def test_devices_tell_sacks_from_children() -> None:
    assert [tuple(row.values()) for row in rows(read(CONTENT)["Devices"])] == [
        ("gun-1", "akola", 12_300, 12_000, 345, 11_655),
        ("(people)", "akola", 45, 0, 0, 0),
    ]


def test_a_day_stands_beside_the_one_before_and_last_week_s() -> None:
    scans, *_, bills = rows(read(CONTENT)["Comparison"])

    assert list(scans) == [
        *("Figure", "This day", "Day before (2026-03-01)", "Change in a day"),
        *("A week before (2026-02-23)", "Change in a week"),
    ]
    assert list(scans.values()) == ["Scans", 12_345, 0, 12_345, 12_345, 0]
    assert list(bills.values()) == ["Bills created", 1, 3, -2, 0, 1]


def test_a_summary_from_before_there_were_such_parts_is_written_without_them() -> None:
    content = {name: part for name, part in CONTENT.items() if name not in {"billers", "by_area", "comparison"}}
    content["scans"] = {
        **CONTENT["scans"],
        "by_device": [{"device": "gun-1", "area": "akola", "scans": 7, "applied": 7}],
    }
    del content["scans"]["sacks_scanned"]

    book = read(content)

    assert book.sheetnames == [name for name in SHEETS if name != "Comparison"]
    assert [tuple(row.values()) for row in rows(book["Devices"])] == [("gun-1", "akola", 7, 7, None, None)]


def test_scans_that_people_entered_are_named_so() -> None:
    assert [row["Device"] for row in rows(read(CONTENT)["Devices"])] == ["gun-1", "(people)"]


@pytest.mark.parametrize("name", SHEETS)
def test_heads_stay_in_sight(name: str) -> None:
    assert read(CONTENT)[name].freeze_panes == "A2"


@pytest.mark.parametrize("name", SHEETS[1:])
def test_every_list_has_a_filter_over_all_its_rows(name: str) -> None:
    sheet = read(CONTENT)[name]

    assert sheet.auto_filter.ref == sheet.dimensions


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "{=1}", "12", "0016586", "1e5", "http://example.org", "=HYPERLINK(0)", "'x"],
)
def test_text_stays_text(text: str) -> None:
    sheet = read(with_bills({"destination": text, "bill_no": text}))["Bills"]

    for column in ("A", "F"):
        cell = sheet[f"{column}2"]
        assert (cell.value, cell.data_type, cell.hyperlink) == (text, "s", None)


# XML has no way to write these; Excel shows others that openpyxl writes back as they came.
printable = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=60
)


@given(printable.filter(lambda text: "_x" not in text))
@settings(max_examples=25)
def test_any_text_reads_back_as_it_was(text: str) -> None:
    assert read(with_bills({"destination": text}))["Bills"]["F2"].value == text


def test_control_characters_do_not_break_the_file() -> None:
    assert read(with_bills({"destination": "a\x00b\x1fc"}))["Bills"]["A2"].value == "A-1"


def test_the_same_content_gives_the_same_bytes() -> None:
    assert render(CONTENT) == render(copy.deepcopy(CONTENT))


def test_other_content_gives_other_bytes() -> None:
    assert render(CONTENT) != render(with_bills({"children": 127}))


def test_it_is_dated_when_the_summary_was_generated() -> None:
    created = read(CONTENT).properties.created

    assert created is not None
    assert created.replace(tzinfo=UTC) == datetime(2026, 3, 2, 18, 45, tzinfo=UTC)


def test_two_thousand_bills_are_two_thousand_rows() -> None:
    content = with_bills(*({"bill_no": f"A-{number}"} for number in range(2_000)))

    assert [row["Bill"] for row in rows(read(content)["Bills"])] == [f"A-{number}" for number in range(2_000)]
