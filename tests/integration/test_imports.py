"""Imports over real HTTP: uploaded, applied in the background by the rules of scanning, answered row by row."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import openpyxl
import pytest

from tests.support.databases import Databases
from tests.support.gateway import Api, GatewayThread, WorkerThread, problem_of
from tests.support.scans import INDORE
from tests.support.servers import EmbeddedServers
from tests.support.settings import fresh_settings
from tests.support.tables import BAG_HEADS, BATCH_HEADS, BILL_HEADS, make_csv, make_workbook, make_xlsx
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database

_ENDED = {"done", "failed", "cancelled"}


@pytest.fixture
def biller(api: Api) -> Iterator[httpx.Client]:
    """Give a client with a session of a biller of the test's own."""
    with api.person("biller") as client:
        yield client


def upload(client: httpx.Client, content: bytes, **query: Any) -> httpx.Response:
    """Upload a table for lucknow, unless `query` says otherwise."""
    params = {name: value for name, value in {"area": "lucknow", **query}.items() if value is not None}
    return client.post("/api/v1/imports", params=params, content=content)


def run(client: httpx.Client, content: bytes, **query: Any) -> dict[str, Any]:
    """Import a table, and give the job when it has ended."""
    answer = upload(client, content, **query)
    assert answer.status_code == 202, answer.text
    return wait_for(client, answer.json()["job_id"])


def wait_for(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """Give an import when it has ended."""
    job: dict[str, Any] = {}

    def has_ended() -> bool:
        answer = client.get(f"/api/v1/imports/{job_id}")
        job.update(answer.json())
        return answer.status_code == 200 and job["state"] in _ENDED

    eventually(has_ended, within_s=60)
    return job


def result_of(client: httpx.Client, job: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Give the rows of an import's result workbook, below the heads."""
    answer = client.get(f"/api/v1/imports/{job['job_id']}/file")
    assert answer.status_code == 200, answer.text
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets[0]
    assert sheet.freeze_panes == "A2"
    return list(sheet.iter_rows(min_row=2, values_only=True))


def _counts(job: dict[str, Any]) -> tuple[int, int, int]:
    assert job["state"] == "done", job
    return job["result"]["ok"], job["result"]["already"], job["result"]["stop"]


@pytest.mark.parametrize("make", [make_csv, make_xlsx])
def test_bags_are_imported_with_a_word_on_every_row(biller: httpx.Client, make: Any) -> None:
    """Sacks and children in their sacks; what was refused is said by row number and stops nothing else."""
    number = 10 if make is make_csv else 11
    sack, child = f"SB700{number}", f"CHA{number}01"
    rows = [
        BAG_HEADS,
        [sack, "parent", ""],
        [child, "child", sack.lower()],
        [child, "child", "SB70099"],
        ["", "", ""],
        [f"LABEL NO.007{number}86 LOT 4", "", sack],
        ["##", "child", sack],
        [f"CHA{number}02", "child", ""],
    ]

    job = run(biller, make(*rows))

    assert _counts(job) == (3, 0, 3)
    assert (job["done"], job["total"], job["errors"], job["result"]["kind"]) == (6, 6, 3, "bags")
    assert [(row[0], row[3], row[4]) for row in result_of(biller, job)] == [
        (2, "applied", "ok"),
        (3, "applied", "ok"),
        (4, "linked_elsewhere", "stop"),
        (6, "applied", "ok"),
        (7, "invalid_code", "stop"),
        (8, "incomplete", "stop"),
    ]
    assert result_of(biller, job)[1] == (3, child, sack, "applied", "ok", f"{child} in {sack} (1/30, 1 kg)")
    assert biller.get(f"/api/v1/bags/{sack}").json()["children"] == [f"007{number}86", child]


def test_the_same_file_again_changes_nothing(api: Api, biller: httpx.Client) -> None:
    """Every row is known already."""
    content = make_csv(BAG_HEADS, ["SB71001", "parent", ""], ["CHB0001", "child", "SB71001"])
    run(biller, content)
    before = api.warehouse.rows("SELECT code, children, parent_id FROM bag ORDER BY code")

    job = run(biller, content)

    assert _counts(job) == (0, 2, 0)
    assert api.warehouse.rows("SELECT code, children, parent_id FROM bag ORDER BY code") == before


def test_an_upload_sent_again_under_its_key_is_one_import(biller: httpx.Client) -> None:
    """A client that got no answer repeats the request, and finds the import that it made."""
    content = make_csv(BAG_HEADS, ["SB71002", "parent", ""])
    requests = [
        biller.post(
            "/api/v1/imports", params={"area": "lucknow"}, content=content, headers={"Idempotency-Key": "upload-1"}
        )
        for _ in range(2)
    ]

    assert len({answer.json()["job_id"] for answer in requests}) == 1


def test_a_dry_run_says_the_same_and_writes_nothing(api: Api, biller: httpx.Client) -> None:
    """Row by row, over more than one batch, as the import then does."""
    children = [[f"CHC{number:04d}", "child", "SB71003"] for number in range(700)]
    content = make_csv(BAG_HEADS, ["SB71003", "", ""], *children, ["CHC0000", "child", "SB71004"])

    def written() -> list[dict[str, Any]]:
        tables = ("scan", "bag", "bag_link")
        return [api.warehouse.row(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608 - the names above

    before = written()
    dry = run(biller, content, dry_run=True)
    assert written() == before
    wet = run(biller, content)

    assert _counts(dry) == (31, 0, 671) == _counts(wet)
    assert result_of(biller, dry) == result_of(biller, wet)


def test_bills_are_imported(biller: httpx.Client) -> None:
    """As a biller makes them; one that is there already is no mistake."""
    content = make_xlsx(
        BILL_HEADS, ["IMP-1", "rice to Agra", 5, 150], ["IMP-1", "again", 5, None], ["IMP-2", "to Agra", 501, None]
    )

    dry = run(biller, content, dry_run=True)
    wet = run(biller, content)

    assert _counts(dry) == (1, 1, 1) == _counts(wet)
    assert result_of(biller, dry) == result_of(biller, wet)
    bill = biller.get("/api/v1/bills/IMP-1").json()
    assert (bill["area"], bill["capacity"], bill["destination"], bill["status"]) == (
        "lucknow",
        5,
        "rice to Agra",
        "new",
    )
    assert _counts(run(biller, content)) == (0, 2, 1)


def test_batch_sheets_put_children_in_sacks_and_sacks_on_bills(api: Api, biller: httpx.Client) -> None:
    """And a bad batch stops no other."""
    api.warehouse.bill("IMP-10")
    batches = make_xlsx(
        BATCH_HEADS,
        [1, "CHD0001"],
        [2, "CHD0002"],
        [None, "SB71010"],
        [None, "SB71011"],
        [1, "CHD0003"],
        [None, "SB71012"],
    )
    loads = make_csv(
        BATCH_HEADS, [1, "SB71010"], [2, "SB79999"], ["Bill No", "imp-10"], [1, "SB71012"], ["Bill No", "IMP-404"]
    )

    first = run(biller, batches, kind="child_to_parent")
    second = run(biller, loads, area=None)

    assert [row[3] for row in result_of(biller, first)] == [
        "applied",
        "applied",
        "known",
        "empty_batch",
        "applied",
        "known",
    ]
    assert [row[3] for row in result_of(biller, second)] == [
        "applied",
        "unknown_bag",
        "closed",
        "unknown_bill",
        "closed",
    ]
    assert second["result"]["kind"] == "parent_to_bill"
    assert biller.get("/api/v1/bills/IMP-10").json()["children"] == 2
    assert _counts(run(biller, loads, area=None, dry_run=True)) == (2, 1, 2)


def test_imported_scans_stand_in_the_file_s_order_with_their_maker(api: Api, biller: httpx.Client) -> None:
    """Their identities sort as their rows do, and fall in the month of the import."""
    run(biller, make_csv(BAG_HEADS, *[[f"SB72{number:03d}"] for number in range(600)]), area="indore")

    rows = api.warehouse.rows(
        "SELECT code, area_id, user_id, device_id FROM scan WHERE code LIKE 'SB72%' ORDER BY scan_id"
    )
    assert [row["code"] for row in rows] == [f"SB72{number:03d}" for number in range(600)]
    assert {(row["area_id"], row["device_id"]) for row in rows} == {(INDORE, None)}
    assert all(row["user_id"] for row in rows)
    assert not api.warehouse.value("SELECT count(*) FROM scan_default")


def test_an_import_leaves_audit_rows(api: Api, biller: httpx.Client) -> None:
    """One for the import, and one for each batch."""
    job = run(biller, make_csv(BAG_HEADS, ["SB71020"], ["SB71021"]), name="march.csv")

    (row,) = api.warehouse.rows(
        "SELECT action, after FROM audit_log WHERE object = :object", object=f"import:{job['job_id']}"
    )
    assert row["action"] == "import.create"
    assert row["after"]["arguments"]["name"] == "march.csv"
    batch = api.warehouse.value("SELECT DISTINCT batch_id FROM scan WHERE code IN ('SB71020', 'SB71021')")
    assert api.warehouse.value("SELECT count(*) FROM audit_log WHERE object = :batch", batch=f"batch:{batch}") == 1


@pytest.mark.parametrize(
    ("content", "status", "word"),
    [
        (b"", 422, "empty"),
        (b"%PDF-1.7\x00", 415, "neither"),
        (make_workbook(bytes(16 * 1024 * 1024)), 413, "inflates"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), 422, "encrypted"),
    ],
)
def test_what_is_no_table_is_refused_at_once(
    api: Api, biller: httpx.Client, nothing_written: None, content: bytes, status: int, word: str
) -> None:
    """And nothing of it is kept."""
    del nothing_written

    problem = problem_of(upload(biller, content), status)

    assert word in problem["detail"]
    assert not list(api.settings.files.glob("uploads/.*"))


def test_a_file_that_says_it_is_too_large_is_not_read(biller: httpx.Client, api: Api) -> None:
    """Nor is one that does not say so read to its end."""

    def endless() -> Iterator[bytes]:
        for _ in range(300):
            yield bytes(1024 * 1024)

    host, port = api.gateway.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as claim:
        head = f"POST /api/v1/imports HTTP/1.1\r\nHost: {host}\r\nContent-Length: {300 * 1024 * 1024}\r\n\r\n"
        claim.sendall(head.encode())
        assert claim.recv(100).startswith(b"HTTP/1.1 413 ")
    answer = biller.post("/api/v1/imports", params={"area": "lucknow"}, content=endless())
    problem_of(answer, 413)
    assert not list(api.settings.files.glob("uploads/.*"))


def test_an_upload_may_take_longer_than_other_bodies(servers: EmbeddedServers, databases: Databases) -> None:
    """A large file comes over a slow line; the route itself sets an end to that."""
    with (
        fresh_settings(servers, databases, request_timeout_s=1.0) as settings,
        closing(Database(settings, application_name="tests-upload")) as database,
        WorkerThread(settings),
        GatewayThread(settings) as gateway,
        gateway.client(Warehouse(database).person("biller", None).token) as client,
    ):
        released = threading.Event()
        threading.Timer(2.5, released.set).start()

        def slowly() -> Iterator[bytes]:
            yield b"qr_id\r\n"
            released.wait()
            yield b"SB71050\r\n"

        answer = client.post("/api/v1/imports", params={"area": "lucknow"}, content=slowly())

        assert answer.status_code == httpx.codes.ACCEPTED, answer.text


def test_an_upload_that_breaks_off_leaves_nothing(api: Api) -> None:
    """Its client is gone, and so is what it had sent."""
    host, port = api.gateway.address.removeprefix("http://").split(":")
    token = api.warehouse.person("biller", None).token
    head = f"POST /api/v1/imports?area=lucknow HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(f"{head}Content-Length: 5000000\r\n\r\nqr_id\r\n".encode() + bytes(2_000_000))
        eventually(lambda: list(api.settings.files.glob("uploads/.*")))

    eventually(lambda: not list(api.settings.files.glob("uploads/.*")))


@pytest.mark.parametrize(
    ("content", "query", "word"),
    [
        (make_csv(["a", "b"], ["1", "2"]), {}, "heads"),
        (make_csv(BAG_HEADS, ["SB71030"]), {"area": None}, "area"),
        (make_csv(BAG_HEADS, ["SB71030"]), {"kind": "bills"}, "heads"),
        (make_workbook(b"<worksheet><row><c><v>1"), {}, "broken"),
    ],
)
def test_a_table_that_cannot_be_imported_at_all_has_failed(
    biller: httpx.Client, content: bytes, query: dict[str, Any], word: str
) -> None:
    """With a sentence; no row of it was applied."""
    job = run(biller, content, **query)

    assert job["state"] == "failed"
    assert word in job["detail"]
    problem_of(biller.get(f"/api/v1/imports/{job['job_id']}/file"), 404)


@pytest.mark.parametrize(
    "query", [{"area": "atlantis"}, {"kind": "bags", "area": None}, {"kind": "cats"}, {"surprise": "1"}]
)
def test_a_wish_that_makes_no_sense_is_refused(biller: httpx.Client, query: dict[str, Any]) -> None:
    """An area that is not there, rows that need one, a kind or a parameter that is not known."""
    problem_of(upload(biller, make_csv(BAG_HEADS, ["SB71031"]), **query), 422)


@pytest.mark.parametrize("role", ["dispatcher", "operator"])
def test_only_billers_and_admins_import(api: Api, role: str) -> None:
    """Before a byte is read."""
    with api.person(role, INDORE if role == "dispatcher" else None) as client:
        problem_of(upload(client, b"qr_id\n"), 403)
    with api.device() as client:
        problem_of(upload(client, b"qr_id\n"), 403)


def test_an_import_is_its_owner_s_and_the_admins(api: Api, biller: httpx.Client, admin: httpx.Client) -> None:
    """For another biller it is not there."""
    job = run(biller, make_csv(BAG_HEADS, ["SB71032"]))

    with api.person("biller") as other:
        for path in ("", "/file"):
            problem_of(other.get(f"/api/v1/imports/{job['job_id']}{path}"), 404)
        problem_of(other.post(f"/api/v1/imports/{job['job_id']}/cancel"), 404)
        assert other.get("/api/v1/imports").json()["items"] == []
    assert admin.get(f"/api/v1/imports/{job['job_id']}").json()["job_id"] == job["job_id"]
    assert [each["job_id"] for each in biller.get("/api/v1/imports").json()["items"]] == [job["job_id"]]
    problem_of(biller.post(f"/api/v1/imports/{job['job_id']}/cancel"), 409)


def test_an_import_can_be_stopped(biller: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was applied before stays."""
    monkeypatch.setattr("tracetrack_scan_worker.imports.run.REST_SHARE", 10.0)
    rows = [[f"CHE{number:07d}", "child", f"SB{73000 + number // 30}"] for number in range(30_000)]
    job_id = upload(biller, make_csv(BAG_HEADS, *rows)).json()["job_id"]
    eventually(lambda: biller.get(f"/api/v1/imports/{job_id}").json()["done"] > 0, within_s=60)

    answer = biller.post(f"/api/v1/imports/{job_id}/cancel")

    assert answer.status_code == 202
    job = wait_for(biller, job_id)
    assert job["state"] == "cancelled"
    assert 0 < job["done"] < job["total"] == 30_000
    assert biller.get(f"/api/v1/bags/{rows[0][0]}").json()["parent"] == "SB73000"
