"""Scheduled reports: made once at each due time, read by those they are for, changed by those who may."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import Api, GatewayThread, problem_of
from tests.support.reports import ReportWorkerThread, wait_until
from tests.support.together import at_once
from tests.support.warehouse import Warehouse
from tracetrack_common.settings import Settings
from tracetrack_report_worker.report_schedules import make_due

_REPORT = {"kind": "daily_scans", "format": "csv", "area": "jaipur", "period": "yesterday"}
_SCHEDULE = {"name": "Scans of yesterday", "report": _REPORT, "rhythm": "daily", "at": "06:30"}
PLACE = "/api/v1/report-schedules"


@pytest.fixture
def api(settings: Settings, warehouse: Warehouse, tmp_path: Path) -> Iterator[Api]:
    settings = settings.model_copy(update={"files_dir": tmp_path, "reply_timeout_s": 20.0})
    with ReportWorkerThread(settings), GatewayThread(settings) as gateway:
        yield Api(gateway, warehouse, settings)


@pytest.fixture
def biller(api: Api) -> Iterator[httpx.Client]:
    with api.person() as client:
        yield client


def schedule(client: httpx.Client, **changes: Any) -> str:
    answer = client.post(PLACE, json={**_SCHEDULE, **changes})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return f"{PLACE}/{answer.json()['schedule_id']}"


def test_a_schedule_is_listed_with_its_next_due_time(api: Api, biller: httpx.Client) -> None:
    place = schedule(biller)

    (listed,) = biller.get(PLACE).json()["items"]
    assert place.endswith(listed["schedule_id"])
    assert {name: listed[name] for name in ("at", "rhythm", "zone", "report")} == {
        "at": "06:30",
        "rhythm": "daily",
        "zone": "Asia/Kolkata",
        "report": _REPORT,
    }
    due = datetime.fromisoformat(listed["next_at"])
    assert timedelta(0) < due - datetime.now(UTC) <= timedelta(days=1)
    assert due.strftime("%H:%M") == "01:00"  # 06:30 in India
    assert api.warehouse.value("SELECT count(*) FROM audit_log WHERE action = 'report_schedule.create'") == 1


def test_each_due_run_is_made_once_also_those_of_missed_nights(api: Api, biller: httpx.Client) -> None:
    schedule(biller)
    first = datetime.fromisoformat(biller.get(PLACE).json()["items"][0]["next_at"])
    later = first + timedelta(days=2, hours=1)

    made = at_once([lambda: make_due(api.warehouse.database, now=later)] * 8)

    assert sum(made) == 3
    assert make_due(api.warehouse.database, now=later) == 0
    assert [row["due_at"] for row in api.warehouse.rows("SELECT due_at FROM job ORDER BY due_at")] == [
        first + timedelta(days=days) for days in range(3)
    ]


def test_a_report_is_of_the_day_before_its_due_time_and_its_recipients_are_told(api: Api, biller: httpx.Client) -> None:
    told, other = api.warehouse.person(), api.warehouse.person()
    api.warehouse.change("UPDATE app_user SET email = 'asha@example.com' WHERE user_id = :id", id=told.user_id)
    schedule(biller, recipients=[told.username.upper()])
    due = datetime.fromisoformat(biller.get(PLACE).json()["items"][0]["next_at"])
    make_due(api.warehouse.database, now=due)
    # Another order's summons has the worker look, as beat has every ten seconds.
    biller.post("/api/v1/reports", json=_REPORT)
    job_id = api.warehouse.value("SELECT job_id FROM job WHERE schedule_id IS NOT NULL")
    place = f"/api/v1/reports/{job_id}"

    job = wait_until(biller, place, lambda each: each["state"] == "done")

    yesterday = due.astimezone().date() - timedelta(days=1)
    assert job["file"]["name"] == f"daily_scans-jaipur-{yesterday}.csv"
    mail = api.warehouse.row("SELECT kind, recipient, fields FROM mail")
    assert (mail["kind"], mail["recipient"]) == ("report", "asha@example.com")
    assert mail["fields"]["link"].endswith(f"{place}/file")
    with api.gateway.client(told.token) as reader, api.gateway.client(other.token) as stranger:
        assert reader.get(f"{place}/file").status_code == httpx.codes.OK
        problem_of(stranger.get(f"{place}/file"), 404)


def test_a_schedule_is_changed_rests_and_goes(api: Api, biller: httpx.Client) -> None:
    place = schedule(biller)
    change = {"rhythm": "monthly", "on_day": 31, "at": "00:00", "enabled": False}
    assert biller.patch(place, json=change).status_code == httpx.codes.OK

    (listed,) = biller.get(PLACE).json()["items"]
    assert {name: listed[name] for name in change} == change
    assert make_due(api.warehouse.database, now=datetime.now(UTC) + timedelta(days=400)) == 0
    assert biller.delete(place).status_code == httpx.codes.OK
    assert biller.get(PLACE).json()["items"] == []
    problem_of(biller.delete(place), 404)
    assert [row["action"] for row in api.warehouse.rows("SELECT action FROM audit_log ORDER BY at")] == [
        f"report_schedule.{what}" for what in ("create", "change", "delete")
    ]


def test_nobody_else_sees_or_changes_a_schedule_but_an_admin(api: Api, biller: httpx.Client) -> None:
    place = schedule(biller)
    with api.person() as other, api.person("admin") as admin:
        assert other.get(PLACE).json()["items"] == []
        problem_of(other.patch(place, json={"enabled": False}), 404)
        problem_of(other.delete(place), 404)
        assert len(admin.get(PLACE).json()["items"]) == 1
        assert admin.patch(place, json={"enabled": False}).status_code == httpx.codes.OK


def test_only_who_may_read_a_report_can_be_sent_one(api: Api, biller: httpx.Client) -> None:
    dispatcher, colleague = api.warehouse.person("dispatcher", 1), api.warehouse.person()
    wanted = {**_SCHEDULE, "recipients": [dispatcher.username, "nobody_here"]}
    problem = problem_of(biller.post(PLACE, json=wanted), 422)
    assert {error["detail"].split()[0] for error in problem["errors"]} == {dispatcher.username, "nobody_here"}
    audit = {"kind": "export", "format": "csv", "list": "audit"}
    problem_of(biller.post(PLACE, json={**_SCHEDULE, "report": audit}), 403)
    with api.person("admin") as admin:
        problem_of(admin.post(PLACE, json={**_SCHEDULE, "report": audit, "recipients": [colleague.username]}), 422)


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "24:00"},
        {"rhythm": "weekly"},
        {"rhythm": "weekly", "on_day": 8},
        {"on_day": 1},
        {"report": {**_REPORT, "period": None, "date_from": "2026-01-01", "date_to": "2026-01-02"}},
        {"more": 1},
    ],
)
def test_a_schedule_that_cannot_be_is_refused(biller: httpx.Client, wrong: dict[str, Any]) -> None:
    problem_of(biller.post(PLACE, json={**_SCHEDULE, **wrong}), 422)
