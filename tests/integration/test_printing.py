"""Printing: every summary gets its documents, each made once, and every download is the same bytes."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.eod_summaries import make
from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE, LUCKNOW
from tests.support.warehouse import Warehouse
from tracetrack_common.settings import Settings
from tracetrack_report_worker import printing, sending
from tracetrack_report_worker.documents.pdf import UnprintableError

DAY = date(2026, 3, 2)
NIGHT = datetime(2026, 3, 2, 18, 45, tzinfo=UTC)
FORMATS = {"pdf": b"%PDF-", "xlsx": b"PK", "csv": b"\xef\xbb\xbfSummary", "json": b"{\n"}


def formats(warehouse: Warehouse) -> list[str]:
    return [row["format"] for row in warehouse.rows("SELECT format FROM eod_document ORDER BY format")]


def test_documents_are_made_once(warehouse: Warehouse, settings: Settings) -> None:
    make(warehouse.database, settings, "akola", DAY, NIGHT)
    assert formats(warehouse) == ["xlsx"]

    assert [printing.print_missing(warehouse.database) for _ in range(2)] == [3, 0]

    assert formats(warehouse) == ["csv", "json", "pdf", "xlsx"]


def test_documents_that_were_lost_are_made_again_the_same(warehouse: Warehouse, settings: Settings) -> None:
    make(warehouse.database, settings, None, DAY, NIGHT)
    printing.print_missing(warehouse.database)
    before = warehouse.rows("SELECT format, sha256 FROM eod_document ORDER BY format")

    warehouse.change("DELETE FROM eod_document WHERE format <> 'xlsx'")
    printing.print_missing(warehouse.database)

    assert warehouse.rows("SELECT format, sha256 FROM eod_document ORDER BY format") == before


def test_what_cannot_be_typeset_keeps_nothing_else_back(
    warehouse: Warehouse, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(warehouse.database, settings, "akola", DAY, NIGHT)

    def fail(*_: Any) -> None:
        raise UnprintableError("no")

    with monkeypatch.context() as patch:
        patch.setattr("tracetrack_report_worker.documents.pdf.write", fail)
        with pytest.raises(ExceptionGroup):
            printing.print_missing(warehouse.database)
    assert formats(warehouse) == ["csv", "json", "xlsx"]

    assert printing.print_missing(warehouse.database) == 1


def test_every_download_is_the_same_bytes_and_need_not_be_repeated(api: Api) -> None:
    make(api.warehouse.database, api.settings, "lucknow", DAY, NIGHT)
    url = f"/api/v1/eod/{DAY}/document"
    with api.person("dispatcher", LUCKNOW) as client, api.person("dispatcher", INDORE) as foreign:
        problem = problem_of(client.get(f"{url}.pdf?area=lucknow"), 404)
        assert "being made" in problem["detail"]
        printing.print_missing(api.warehouse.database)
        for format_, start in FORMATS.items():
            first, second = (client.get(f"{url}.{format_}?area=lucknow&revision=1") for _ in range(2))
            assert first.status_code == httpx.codes.OK
            assert first.content == second.content
            assert first.content.startswith(start)
            tag = first.headers["ETag"]
            assert tag == f'"{hashlib.sha256(first.content).hexdigest()}"'
            name = f'attachment; filename="eod-2026-03-02-lucknow-r1.{format_}"'
            assert first.headers["Content-Disposition"] == name
            again = client.get(f"{url}.{format_}?area=lucknow", headers={"If-None-Match": tag})
            assert (again.status_code, again.content) == (httpx.codes.NOT_MODIFIED, b"")
            problem_of(foreign.get(f"{url}.{format_}?area=lucknow"), 404)
        problem_of(client.get(f"{url}.docx?area=lucknow"), 422)
        problem_of(client.get(f"{url}.pdf?area=lucknow&revision=2"), 404)
        summary = client.get(f"/api/v1/eod/{DAY}?area=lucknow").json()
        assert client.get(f"{url}.json?area=lucknow").json() == summary


def test_admins_see_what_became_of_every_mail(api: Api, admin: httpx.Client) -> None:
    problem_of(admin.get("/api/v1/eod/2026-03-05/sendings"), 404)
    worked = api.warehouse
    make(worked.database, api.settings, None, date(2026, 3, 4), NIGHT + timedelta(days=2))
    assert admin.get("/api/v1/eod/2026-03-04/sendings").json() == {"items": []}
    worked.change("UPDATE app_user SET email = 'a@x.example' WHERE role = 'admin'")
    sending.send_out(worked.database, now=NIGHT)
    (sent,) = admin.get("/api/v1/eod/2026-03-04/sendings").json()["items"]
    assert (sent["revision"], sent["address"], sent["state"], sent["is_copy"]) == (1, "a@x.example", "queued", False)
    with api.person() as biller:
        problem_of(biller.get("/api/v1/eod/2026-03-02/sendings"), 403)
        problem_of(biller.post("/api/v1/eod/2026-03-02/sendings", json={}), 403)
        problem_of(biller.post("/api/v1/eod/2026-03-02/preview", json={"recipient": "asha"}), 403)
    problem_of(admin.post("/api/v1/eod/2026-03-02/sendings", json={"to": "x"}), 422)
    problem_of(admin.post("/api/v1/eod/2026-03-02/preview", json={}), 422)
