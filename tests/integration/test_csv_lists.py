"""Every list comes as CSV to who accepts it: whole, with a header, and with nothing in it that a spreadsheet runs."""

import csv
import io
import itertools

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE
from tests.support.system import scan_of
from tracetrack_common.csv_lines import csv_lines
from tracetrack_gateway.bags import BagRow
from tracetrack_gateway.scan_search import ScanRow

_numbers = itertools.count(51_000)
CSV = {"Accept": "text/csv"}


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def test_a_list_comes_whole_as_csv_whatever_its_pages_hold(device: httpx.Client, admin: httpx.Client) -> None:
    codes = [f"SB{next(_numbers):05d}" for _ in range(450)]
    scans = [scan_of("parent", code) for code in codes]
    device.post("/api/v1/scans/batch", json={"scans": scans}, headers={"Prefer": "wait=20"})

    answer = admin.get("/api/v1/bags?kind=parent&code=SB5&limit=1", headers=CSV)

    rows = rows_of(answer)
    assert [row["code"] for row in rows] == sorted(codes)
    assert list(rows[0]) == list(BagRow.model_fields)
    assert (rows[0]["kind"], rows[0]["area"], rows[0]["bill_no"], rows[0]["weight_g"]) == ("parent", "lucknow", "", "0")
    assert answer.headers["content-disposition"] == 'attachment; filename="bags.csv"'
    assert answer.content.count(b"\r\n") == len(codes) + 1


@pytest.mark.parametrize("path", ["bags", "scans", "bills", "devices", "failed-work"])
def test_every_list_has_a_header_also_when_it_is_empty(admin: httpx.Client, path: str) -> None:
    query = {"bags": "?area=nowhere", "scans": "?area=nowhere", "bills": "?area=nowhere"}.get(path, "")
    answer = admin.get(f"/api/v1/{path}{query}", headers=CSV)

    header = answer.text.split("\r\n")[0].split(",")
    assert answer.status_code == httpx.codes.OK
    assert len(header) >= 5
    if path == "scans":
        assert answer.text == ",".join(ScanRow.model_fields) + "\r\n"


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(admin: httpx.Client, device: httpx.Client, evil: str) -> None:
    device.post("/api/v1/scans", json=scan_of("parent", evil), headers={"Prefer": "wait=20"})
    (row,) = rows_of(device.get("/api/v1/scans", headers=CSV))
    assert row["code"] == f"'{evil}"

    wanted = {"area": "lucknow", "capacity": 1, "destination": evil, "description": 'two\nlines, "quoted" and अ'}
    bill_no = admin.post("/api/v1/bills", json=wanted).json()["bill_no"]
    bills = {row["bill_no"]: row for row in rows_of(admin.get("/api/v1/bills", headers=CSV))}
    assert bills[bill_no]["destination"] == f"'{evil}"
    assert bills[bill_no]["description"] == wanted["description"]
    assert bills[bill_no]["variance_g"] == "0"


def test_numbers_stay_numbers() -> None:
    assert csv_lines([["=1", -22, True, None, ["a", "b"], {"x": 1}]]) == b'\'=1,-22,true,,a b,"{""x"":1}"\r\n'


def test_csv_shows_nothing_of_another_area_and_nothing_to_who_may_not_look(api: Api, device: httpx.Client) -> None:
    code = f"SB{next(_numbers):05d}"
    device.post("/api/v1/scans", json=scan_of("parent", code), headers={"Prefer": "wait=20"})
    with api.person("dispatcher", INDORE) as foreign:
        assert code not in foreign.get("/api/v1/bags", headers=CSV).text
        problem_of(foreign.get("/api/v1/devices", headers=CSV), 403)
        problem_of(foreign.get("/api/v1/bags?limit=0&nonsense=1", headers=CSV), 422)
        problem_of(foreign.get(f"/api/v1/bags/{code}/history", headers=CSV), 404)
    with api.gateway.client() as stranger:
        problem_of(stranger.get("/api/v1/bags", headers=CSV), 401)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("text/csv, application/json", "application/json"),
        ("text/csv, application/json;q=0.9", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
    ],
)
def test_the_type_that_is_accepted_most_is_given(admin: httpx.Client, accept: str, content_type: str) -> None:
    answer = admin.get("/api/v1/devices", headers={"Accept": accept})

    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"].split(";")[0] == content_type


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "text/csv;q=0", "text/csv;q=x"])
def test_a_list_in_another_type_is_refused(admin: httpx.Client, accept: str) -> None:
    problem = problem_of(admin.get("/api/v1/devices", headers={"Accept": accept}), 406)

    assert "text/csv" in problem["detail"]


def test_what_is_no_list_is_not_asked_for_its_type(device: httpx.Client) -> None:
    assert device.get("/health", headers=CSV).json() == {"status": "ok"}
    problem_of(device.get("/api/v1/bags/SB99998", headers=CSV), 404)
