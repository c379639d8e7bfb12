"""Reports, from a history written by hand: their figures, that these add up, and every format of them."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import openpyxl
import pytest

from tests.integration.test_eod_figures import at, write_day
from tests.support.databases import Databases
from tests.support.eod_summaries import writing
from tests.support.gateway import Api, GatewayThread, problem_of
from tests.support.reports import ReportWorkerThread, make
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database

DAY = "2026-03-02"
KINDS = ("daily_scans", "bill_summary", "area_report", "sack_ageing", "device_delivery", "return_report")


@pytest.fixture(scope="module")
def api(servers: EmbeddedServers, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Serve a gateway and a report-worker over a day written by hand, and one sack that was full before it."""
    folder = tmp_path_factory.mktemp("files")
    with fresh_settings(servers, databases, reply_timeout_s=20.0, files_dir=folder) as settings:
        database = Database(settings, application_name="tests-api")
        with writing(database) as history:
            write_day(history)
            history.fill("SB00009", 30, at=at(9) - timedelta(days=5), device="ako-1", prefix="OLD")
            history.scan("parent", "SB00001", at=at(18), outcome="known", device="ako-2", epoch=1, seq=1)
            history.scan("parent", "SB00001", at=at(18, 1), outcome="known", device="ako-2", epoch=1, seq=5)
        with ReportWorkerThread(settings), GatewayThread(settings) as gateway:
            yield Api(gateway, Warehouse(database), settings)
        database.close()


@pytest.fixture
def biller(api: Api) -> Iterator[httpx.Client]:
    with api.person() as client:
        yield client


def parts_of(client: httpx.Client, kind: str, **more: Any) -> dict[str, dict[str, Any]]:
    """Have a report of the day made as JSON, and give its parts by name."""
    wanted = {"date_from": DAY, "date_to": DAY, "format": "json", **more}
    return {part["name"]: part for part in make(client, kind=kind, **wanted).json()["sections"]}


def figures_of(client: httpx.Client, kind: str, **more: Any) -> dict[str, int]:
    """Have a report of the day made as JSON, and give its figures."""
    wanted = {"date_from": DAY, "date_to": DAY, "format": "json", **more}
    return {each["label"]: each["value"] for each in make(client, kind=kind, **wanted).json()["figures"]}


def column(part: dict[str, Any], key: str, *values: str) -> dict[Any, Any]:
    """Give some values of a part's rows by another."""
    return {row[key]: tuple(row[value] for value in values) for row in part["rows"]}


def test_scans_by_day_hour_device_and_person(biller: httpx.Client) -> None:
    parts = parts_of(biller, "daily_scans", area="akola")

    assert column(parts["By day"], "day", "scans", "applied", "already", "refused", "children") == {
        DAY: (71, 66, 3, 2, 63)
    }
    assert column(parts["By device"], "device", "scans", "applied") == {"ako-1": (32, 32), "ako-2": (38, 33)}
    assert column(parts["By person"], "person", "scans", "applied") == {"asha": (1, 1)}
    assert column(parts["By hour"], "hour_of_day", "scans", "applied") == {
        "09:00": (31, 31),
        "10:00": (3, 3),
        "11:00": (2, 2),
        "14:00": (33, 30),
        "18:00": (2, 0),
    }


def test_bills_of_the_days(biller: httpx.Client) -> None:
    parts = parts_of(biller, "bill_summary")

    assert column(parts["Bills"], "bill_no", "status", "sacks", "children", "actual_g", "expected_g", "variance_g") == {
        "A-1": ("completed", 2, 33, 33_000, 60_000, -27_000),
        "A-2": ("new", 0, 0, 0, 0, 0),
        "J-1": ("processing", 1, 30, 30_000, 30_000, 0),
    }
    assert column(parts["By biller"], "created_by", "bills", "sacks") == {"asha": (2, 3), "ravi": (1, 0)}
    assert figures_of(biller, "bill_summary") == {
        "Bills": 3,
        "Sacks": 3,
        "Children": 63,
        "Actual": 63_000,
        "Expected": 90_000,
        "Variance": -27_000,
    }


def test_areas_beside_one_another(biller: httpx.Client) -> None:
    parts = parts_of(biller, "area_report")

    assert column(parts["Bills"], "area", "bills", "created", "completed", "sacks") == {
        "akola": (2, 2, 1, 2),
        "jaipur": (1, 1, 0, 1),
    }
    assert column(parts["Scans"], "area", "scans", "children")["jaipur"] == (43, 40)


def test_full_sacks_that_wait_for_a_bill(biller: httpx.Client) -> None:
    parts = parts_of(biller, "sack_ageing", area="akola")

    assert column(parts["Sacks"], "code", "days", "children") == {"SB00009": (5, 30), "SB00003": (0, 30)}
    assert column(parts["By age"], "age", "sacks", "weight_g") == {
        "less than 2 days": (1, 30_000),
        "4 to 7 days": (1, 30_000),
    }


def test_what_devices_have_delivered(biller: httpx.Client) -> None:
    parts = parts_of(biller, "device_delivery", area="akola")

    assert column(parts["Devices"], "device", "scans", "missing") == {"ako-1": (32, 0), "ako-2": (38, 3)}
    assert [(row["device"], row["first"], row["last"], row["missing"]) for row in parts["Gaps"]["rows"]] == [
        ("ako-2", 2, 4, 3)
    ]


def test_what_came_back(biller: httpx.Client) -> None:
    parts = parts_of(biller, "return_report")

    assert column(parts["Returns"], "return_no", "area", "state", "sacks", "children", "weight_g") == {
        "RTN-20260302-0001": ("jaipur", "open", 1, 10, 10_000)
    }
    assert column(parts["Sacks"], "code", "bill_no", "children") == {"M444-00002": ("J-1", 10)}


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_the_sums_of_every_part_that_has_them(biller: httpx.Client, kind: str) -> None:
    figures, parts = figures_of(biller, kind), parts_of(biller, kind)

    # What stands in none of these belongs to a device or to a person.
    by_device, by_person = parts.pop("By device", None), parts.pop("By person", None)
    for name, part in parts.items():
        for each in part["columns"]:
            if each["label"] in figures:
                assert figures[each["label"]] == sum(row[each["key"]] for row in part["rows"]), (name, each)
    if by_device and by_person:
        rows = by_device["rows"] + by_person["rows"]
        assert figures["Scans"] == sum(row["scans"] for row in rows)
        assert figures["Applied"] + figures["Already known"] + figures["Refused"] == figures["Scans"]


@pytest.mark.parametrize("kind", KINDS)
def test_areas_add_up_to_all_of_them(biller: httpx.Client, kind: str) -> None:
    areas = [figures_of(biller, kind, area=area) for area in ("akola", "jaipur")]
    # One scan of a person with no area, onto a bill that is not there, is in no area.
    nowhere = {"Scans": 1, "Refused": 1} if kind in {"daily_scans", "area_report"} else {}

    for label, value in figures_of(biller, kind).items():
        assert value == sum(each[label] for each in areas) + nowhere.get(label, 0), label


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_says_the_same(biller: httpx.Client, kind: str) -> None:
    wanted = {"kind": kind, "date_from": DAY, "date_to": DAY}
    told = make(biller, format="json", **wanted).json()
    book = openpyxl.load_workbook(io.BytesIO(make(biller, format="xlsx", **wanted).content))
    text = make(biller, format="csv", **wanted)
    sections = list(csv.reader(io.StringIO(text.content.decode("utf-8-sig"))))

    assert text.headers["content-disposition"] == f'attachment; filename="{kind}-all-{DAY}.csv"'
    assert book.sheetnames == ["Summary", *(part["name"] for part in told["sections"])]
    for part in told["sections"]:
        rows = list(book[part["name"]].iter_rows(values_only=True))
        start = sections.index([part["name"]])
        assert len(rows) == len(part["rows"]) + 1
        assert sections[start + 1] == list(rows[0])
        for line, row in enumerate(part["rows"], start=1):
            for place, each in enumerate(part["columns"]):
                if each["kind"] in {"count", "weight"}:
                    shown = row[each["key"]] / (1000 if each["kind"] == "weight" else 1)
                    assert rows[line][place] == shown
                    assert float(sections[start + 1 + line][place]) == shown


@pytest.mark.parametrize("kind", KINDS)
def test_days_without_anything_make_an_empty_report(biller: httpx.Client, kind: str) -> None:
    days = {"date_from": "2020-01-01", "date_to": "2020-01-31"}
    assert set(figures_of(biller, kind, **days).values()) == {0}
    assert all(part["rows"] == [] for part in parts_of(biller, kind, **days).values())
    assert make(biller, kind=kind, format="xlsx", **days).content.startswith(b"PK")


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_is_printed(biller: httpx.Client, kind: str) -> None:
    printed = make(biller, kind=kind, format="pdf", date_from=DAY, date_to=DAY)

    assert printed.content.startswith(b"%PDF-")
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.content.endswith(b"%%EOF")


def test_a_period_is_of_days_that_are_over(biller: httpx.Client) -> None:
    made = make(biller, kind="daily_scans", format="json", period="last_7_days").json()
    today = datetime.now(UTC).astimezone().date()

    first, last = (date.fromisoformat(day) for day in made["subtitle"].removeprefix("all, ").split(" to "))
    assert (last - first).days == 6
    assert abs((today - last).days - 1) <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"period": "yesterday", "date_from": DAY, "date_to": DAY},
        {"date_from": DAY},
        {"date_from": DAY, "date_to": "2026-03-01"},
        {"date_from": "2020-01-01", "date_to": DAY},
        {"period": "yesterday", "list": "bags"},
        {"period": "yesterday", "more": 1},
    ],
)
def test_a_report_that_cannot_be_is_refused(biller: httpx.Client, wrong: dict[str, Any]) -> None:
    problem_of(biller.post("/api/v1/reports", json={"kind": "daily_scans", "format": "csv", **wrong}), 422)


def test_a_report_on_an_area_that_is_not_there_is_refused(biller: httpx.Client) -> None:
    wanted = {"kind": "daily_scans", "format": "csv", "period": "yesterday", "area": "nowhere"}
    problem_of(biller.post("/api/v1/reports", json=wanted), 404)


def test_a_dispatcher_makes_no_reports(api: Api) -> None:
    with api.person("dispatcher", 1) as dispatcher:
        answer = dispatcher.post(
            "/api/v1/reports", json={"kind": "daily_scans", "format": "csv", "period": "yesterday"}
        )
    problem_of(answer, 403)
