"""Exports: the same rows as the lists they are of, whole, from one moment, and nothing in them that runs."""

import csv
import hashlib
import io
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import httpx
import openpyxl
import pytest

from tests.support.databases import Databases
from tests.support.gateway import Api, GatewayThread, WorkerThread, problem_of
from tests.support.reports import ReportWorkerThread, look, make, order, wait_until
from tests.support.scans import INDORE, make_scan
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings
from tests.support.system import scan_of
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.domain.scans import Kind
from tracetrack_common.ids import uuid7
from tracetrack_common.job_runner import JobRunner, Made, RunningJob
from tracetrack_common.jobs import insert_job
from tracetrack_common.settings import Settings
from tracetrack_report_worker.exports import export

_numbers = itertools.count(61_000)
CSV = {"Accept": "text/csv"}


@pytest.fixture(scope="module")
def api(servers: EmbeddedServers, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Serve a gateway with its workers, and a warehouse with something of everything in it."""
    folder = tmp_path_factory.mktemp("files")
    with fresh_settings(servers, databases, reply_timeout_s=20.0, files_dir=folder) as settings:
        database = Database(settings, application_name="tests-api")
        with WorkerThread(settings), ReportWorkerThread(settings), GatewayThread(settings) as gateway:
            api = Api(gateway, Warehouse(database), settings)
            fill(api)
            yield api
        database.close()


def fill(api: Api) -> None:
    """Scan sacks in two areas, some on bills, one back on a return, some refused."""
    with api.device() as lucknow, api.device(INDORE) as indore, api.person("admin") as admin:
        bills = [
            admin.post("/api/v1/bills", json={"area": area, "capacity": 4, "destination": to, "vehicle": "=1+1"})
            for area, to in (("lucknow", "Kanpur"), ("indore", "Bhopal"), ("lucknow", "-Pune"))
        ]
        bill_no = bills[0].json()["bill_no"]
        return_no = admin.post("/api/v1/returns", json={"area": "lucknow", "notes": "@wet"}).json()["return_no"]
        for device in (lucknow, indore):
            sacks = [f"SB{next(_numbers):05d}" for _ in range(3)]
            scans = [scan_of("child", f"CH{sack}{n}", parent_code=sack) for sack in sacks for n in range(3)]
            scans += [scan_of("parent", "=cmd|' /C calc'!A0"), scan_of("child", "CHNONE", parent_code="SB1")]
            answer = device.post("/api/v1/scans/batch", json={"scans": scans}, headers={"Prefer": "wait=20"})
            assert answer.status_code == httpx.codes.OK, answer.text
            for kind, fields in (("bill", {"bill_no": bill_no}), ("return", {"return_no": return_no})):
                device.post("/api/v1/scans", json=scan_of(kind, sacks[0], **fields), headers={"Prefer": "wait=20"})


@pytest.fixture
def admin(api: Api) -> Iterator[httpx.Client]:
    with api.person("admin") as client:
        yield client


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("bags", {}),
        ("bags", {"kind": "parent", "area": "lucknow"}),
        ("bags", {"code": "sb61", "match": "prefix"}),
        ("bags", {"code": "sb6100O", "match": "alike"}),
        ("bags", {"code": "H_B", "match": "part"}),
        ("bags", {"code": "hsb61", "match": "part", "linked": True}),
        ("bags", {"type": "wheat", "state": "partly", "billed": False}),
        ("bags", {"created_from": "2020-01-01T00:00:00Z", "created_until": "2100-01-01T00:00:00+05:30"}),
        ("scans", {}),
        ("scans", {"feedback": "stop"}),
        ("scans", {"outcome": "invalid_code", "area": "indore"}),
        ("scans", {"kind": "return"}),
        ("scans", {"target": "sb61000", "scanned_from": "2020-01-01T00:00:00Z"}),
        ("bills", {}),
        ("bills", {"status": "processing", "area": "lucknow"}),
        ("bills", {"text": "pune", "created_from": "2020-01-01", "created_to": "2100-01-01"}),
        ("returns", {"state": "open"}),
        ("audit", {"action": "bill.create"}),
    ],
)
def test_an_export_holds_what_the_list_holds(admin: httpx.Client, name: str, filters: dict[str, object]) -> None:
    listed = admin.get(f"/api/v1/{name}", params=filters, headers=CSV)  # type: ignore[arg-type]

    exported = make(admin, kind="export", format="csv", list=name, filters=filters)

    assert exported.text == listed.text


def test_no_cell_of_a_csv_is_a_formula(admin: httpx.Client) -> None:
    rows = csv.reader(io.StringIO(make(admin, kind="export", format="csv", list="scans").text))
    starts = {cell[0] for row in rows for cell in row if cell}

    assert starts.isdisjoint("=+@\t\r\n")
    assert "'" in starts


def test_a_workbook_holds_the_same_as_text_that_is_no_formula(admin: httpx.Client) -> None:
    book = openpyxl.load_workbook(
        io.BytesIO(make(admin, kind="export", format="xlsx", list="bills").content), read_only=True
    )
    head, *rows = book["bills"].iter_rows()
    listed = admin.get("/api/v1/bills").json()["items"]

    assert [cell.value for cell in head] == list(listed[0])
    assert [[cell.value for cell in row] for row in rows] == [list(each.values()) for each in listed]
    assert {cell.data_type for row in rows for cell in row} <= {"s", "n"}


def test_an_export_of_nothing_is_a_head(admin: httpx.Client) -> None:
    exported = make(admin, kind="export", format="csv", list="bags", filters={"area": "nowhere"})

    assert exported.text == "code,kind,area,created_at,parent,bill_no,children,capacity,weight_g\r\n"


def test_a_file_says_what_it_is(api: Api, admin: httpx.Client) -> None:
    place = order(admin, kind="export", format="csv", list="bags")
    job = wait_until(admin, place, lambda each: each["state"] == "done")
    answer = admin.get(f"{place}/file")

    assert job["done"] == job["result"]["rows"] == answer.text.count("\r\n") - 1
    assert job["file"]["sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert job["file"]["size"] == len(answer.content)
    assert answer.headers["etag"] == f'"{job["file"]["sha256"]}"'
    assert answer.headers["content-disposition"].startswith("attachment")
    assert admin.get(f"{place}/file", headers={"Range": "bytes=0-3"}).content == answer.content[:4]
    made = api.warehouse.row(
        "SELECT action, object, after FROM audit_log WHERE object = :object", object=f"report:{job['job_id']}"
    )
    assert made["action"] == "report.create"
    assert made["after"]["arguments"]["list"] == "bags"


def test_nobody_else_sees_a_report_but_an_admin(api: Api, admin: httpx.Client) -> None:
    with api.person("biller") as owner, api.person("biller") as other:
        place = order(owner, kind="export", format="csv", list="bags")
        wait_until(owner, place, lambda job: job["state"] == "done")

        assert [each["job_id"] for each in owner.get("/api/v1/reports").json()["items"]] == [place.rsplit("/", 1)[1]]
        assert other.get("/api/v1/reports").json()["items"] == []
        for path in (place, f"{place}/file"):
            problem_of(other.get(path), 404)
            assert admin.get(path).status_code == httpx.codes.OK
        problem_of(other.post(f"{place}/cancel"), 404)
        problem_of(owner.post(f"{place}/cancel"), 409)


def test_the_audit_log_is_for_admins(api: Api) -> None:
    with api.person("biller") as biller:
        answer = biller.post("/api/v1/reports", json={"kind": "export", "format": "csv", "list": "audit"})
    problem_of(answer, 403)


@pytest.mark.parametrize(
    "wrong",
    [
        {"list": "bags", "filters": {"nonsense": 1}},
        {"list": "bags", "filters": {"limit": 5}},
        {"list": "bags", "filters": {"code": "ab", "match": "nearly"}},
        {"list": "cats"},
        {"list": "bags", "format": "pdf"},
        {"list": "bags", "area": "lucknow"},
        {},
    ],
)
def test_an_export_that_cannot_be_is_refused(admin: httpx.Client, wrong: dict[str, object]) -> None:
    problem_of(admin.post("/api/v1/reports", json={"kind": "export", "format": "csv", **wrong}), 422)


def test_the_same_key_makes_one_report(admin: httpx.Client) -> None:
    wanted = {"kind": "export", "format": "csv", "list": "bags"}
    answers = [admin.post("/api/v1/reports", json=wanted, headers={"Idempotency-Key": "monday"}) for _ in range(3)]

    assert len({answer.headers["location"] for answer in answers}) == 1


def test_a_file_that_is_not_kept_any_more_is_gone(api: Api, admin: httpx.Client) -> None:
    place = order(admin, kind="export", format="csv", list="bags")
    job = wait_until(admin, place, lambda each: each["state"] == "done")
    api.warehouse.change("UPDATE job SET expires_at = now() WHERE job_id = :job", job=job["job_id"])

    assert problem_of(admin.get(f"{place}/file"), 410)["type"].endswith("/gone")
    assert look(admin, place)["state"] == "done"


@dataclass
class PausedJob(RunningJob):
    """A job that waits for the test once its first rows are written."""

    first_written: ClassVar[threading.Event] = threading.Event()
    goes_on: ClassVar[threading.Event] = threading.Event()

    def advance(self, done: int = 1, *, errors: int = 0) -> None:
        self.first_written.set()
        self.goes_on.wait(30)
        super().advance(done, errors=errors)


def test_what_is_applied_meanwhile_is_in_an_export_nowhere(
    settings: Settings, warehouse: Warehouse, tmp_path: Path
) -> None:
    """More rows than are read at a time; between two reads a child goes into the sack that comes last."""
    warehouse.change(
        "INSERT INTO bag (code, area_id, capacity, child_weight_g, created_at, created_by)"
        " SELECT 'SB' || n, 1, 30, 1000, to_timestamp(2000000000 - n), uuidv7() FROM generate_series(10001, 14000) AS n"
    )
    with warehouse.database.transaction() as connection:
        arguments = {"list": "bags", "format": "csv"}
        insert_job(connection, job_id=uuid7(), queue="reports", kind="export", arguments=arguments, actor="user:1")

    def paused(job: RunningJob) -> Made:
        return export(PausedJob(**{each.name: getattr(job, each.name) for each in fields(job)}))

    own = settings.model_copy(update={"files_dir": tmp_path})
    runner = JobRunner(warehouse.database, own, queue="reports", works={"export": paused})
    thread = threading.Thread(target=runner.run_next)
    thread.start()
    assert PausedJob.first_written.wait(30)
    (result,) = warehouse.apply([make_scan(Kind.CHILD, "LATE0001", "SB14000")])
    PausedJob.goes_on.set()
    thread.join()

    assert result.outcome == "applied"
    (file,) = tmp_path.iterdir()
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(file.read_text()))}
    assert len(rows) == 4_000
    assert "LATE0001" not in rows
    assert rows["SB14000"]["children"] == "0"
    assert warehouse.value("SELECT children FROM bag WHERE code = 'SB14000'") == 1
