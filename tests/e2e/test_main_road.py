"""From a scan to the end-of-day document, through every process, over HTTP."""

import io
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import httpx
import openpyxl

from tests.support.system import RunningSystem, scan_of, submit
from tests.support.waiting import eventually

Codes = Callable[[], str]


def test_a_day_from_the_first_scan_to_the_summary(
    device: httpx.Client, admin: httpx.Client, sack: Codes, child: Codes
) -> None:
    parent, bill_no = sack(), "E2E-DAY"
    first = submit(device, scan_of("child", child(), parent_code=parent.lower()))
    assert (first["outcome"], first["feedback"]) == ("applied", "ok")
    assert first["message"].endswith(f"in {parent} (1/30, 1 kg)")
    for count in (2, 3):
        outcome = submit(device, scan_of("child", child(), parent_code=parent))
        assert outcome["parent"] == {"code": parent, "children": count, "capacity": 30, "weight_g": count * 1000}

    created = admin.post(
        "/api/v1/bills", json={"bill_no": bill_no, "area": "lucknow", "capacity": 2, "destination": "Delhi"}
    )
    assert created.status_code == httpx.codes.CREATED, created.text
    assert submit(device, scan_of("bill", parent, bill_no=bill_no))["outcome"] == "applied"
    bill = admin.get(f"/api/v1/bills/{bill_no}").json()
    assert (bill["status"], bill["sacks"], bill["children"], bill["actual_weight_g"]) == ("processing", 1, 3, 3000)
    assert (bill["expected_weight_g"], bill["variance_g"]) == (30_000, -27_000)

    refused = admin.post(f"/api/v1/bills/{bill_no}/complete", json={})
    assert refused.status_code == httpx.codes.CONFLICT
    assert "needs 1 more" in refused.json()["detail"]
    assert admin.post(f"/api/v1/bills/{bill_no}/bags", json={"code": sack()}).json()["outcome"] == "unknown_bag"
    second = sack()
    submit(device, scan_of("parent", second))
    assert admin.post(f"/api/v1/bills/{bill_no}/bags", json={"code": second}).json()["outcome"] == "applied"
    assert admin.post(f"/api/v1/bills/{bill_no}/complete", json={}).json()["status"] == "completed"
    locked = submit(device, scan_of("child", child(), parent_code=parent))
    assert (locked["outcome"], locked["refers_to"]) == ("bill_completed", bill_no)

    bag = device.get(f"/api/v1/bags/{parent}").json()
    assert (bag["kind"], len(bag["children"]), bag["bill_no"]) == ("parent", 3, bill_no)
    events = [event["event"] for event in device.get(f"/api/v1/bags/{parent}/history").json()["items"]]
    assert events == ["registered", "put_in", "put_in", "put_in", "put_on_bill", "scanned"]

    today = datetime.now(UTC).astimezone(ZoneInfo("Asia/Kolkata")).date()
    made = admin.post(f"/api/v1/eod/{today}", headers={"Prefer": "wait=30"})
    assert made.status_code == httpx.codes.OK, made.text
    summary = admin.get(f"/api/v1/eod/{today}?area=lucknow").json()
    listed = {each["bill_no"]: each for each in summary["bills"]["list"]}
    assert (listed[bill_no]["sacks"], listed[bill_no]["children"], listed[bill_no]["status"]) == (2, 3, "completed")
    assert summary["scans"]["total"] == sum(summary["scans"][each] for each in ("applied", "already", "refused"))
    document = admin.get(f"/api/v1/eod/{today}/document.xlsx?area=lucknow")
    workbook = openpyxl.load_workbook(io.BytesIO(document.content), read_only=True)
    assert any(bill_no in row for sheet in workbook for row in sheet.iter_rows(values_only=True))


def test_the_same_scan_again_gives_its_first_outcome_and_other_content_is_refused(
    device: httpx.Client, sack: Codes, child: Codes
) -> None:
    scan = scan_of("child", child(), parent_code=sack())
    first = submit(device, scan)
    assert submit(device, scan) == first
    altered = device.post("/api/v1/scans", json={**scan, "code": child()}, headers={"Prefer": "wait=20"})
    assert altered.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert altered.json()["type"].endswith("id_reused")
    assert device.get(f"/api/v1/scans/{scan['scan_id']}").json()["message"] == first["message"]


def test_a_backlog_survives_the_death_of_every_worker(
    system: RunningSystem, device: httpx.Client, admin: httpx.Client, sack: Codes, child: Codes
) -> None:
    """Promised: what was accepted is applied, once. Broken by SIGKILL of every scan-worker process under a backlog."""
    scans = [scan_of("child", child(), parent_code=parent) for parent in [sack() for _ in range(40)] for _ in range(25)]
    for start in range(0, len(scans), 200):
        answer = device.post("/api/v1/scans/batch", json={"scans": scans[start : start + 200]})
        assert answer.json()["accepted"] == 200
        for worker in system.processes("tracetrack_scan_worker", "-Q scans"):
            os.kill(worker.pid, signal.SIGKILL)
    eventually(lambda: admin.get("/api/stats").json()["ledger"]["scans"]["entries"] == 0, within_s=90)
    outcomes = [device.get(f"/api/v1/scans/{scan['scan_id']}").json() for scan in scans[::20]]
    assert {outcome["outcome"] for outcome in outcomes} == {"applied"}
    for parent in {scan["parent_code"] for scan in scans}:
        assert len(device.get(f"/api/v1/bags/{parent}").json()["children"]) == 25


def test_flower_asks_for_a_login(system: RunningSystem) -> None:
    address = f"http://127.0.0.1:{system.flower_port}/workers"
    flower = system.credentials.flower
    assert httpx.get(address).status_code == httpx.codes.UNAUTHORIZED
    assert httpx.get(address, auth=(flower.username, flower.password)).status_code == httpx.codes.OK


def test_health_readiness_and_metrics_need_no_token(system: RunningSystem) -> None:
    with system.client() as anyone:
        assert anyone.get("/health").json() == {"status": "ok"}
        assert anyone.get("/ready").json()["parts"] == {"redis": "ok", "database": "ok"}
        assert 'tracetrack_ledger_entries{queue="scans"}' in anyone.get("/metrics").text
        assert anyone.get("/api/stats").status_code == httpx.codes.UNAUTHORIZED
