"""How nights stand, as people see it: the route, the command, the metric, the doctor."""

import io
import json
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.support.eod_summaries import make, writing
from tests.support.gateway import Api, problem_of
from tests.support.scans import LUCKNOW
from tests.support.warehouse import PASSWORD
from tracetrack_common.doctor.examination import examine
from tracetrack_common.settings import Settings
from tracetrack_local.credentials import Credentials, DeviceCredential, Login
from tracetrack_local.nights import show_nights
from tracetrack_local.screen import SteadyConsole

URL = "/api/v1/eod/status"


@pytest.fixture
def nights_missed(api: Api) -> int:
    """Let every area be two days older than it is, and give how many summaries that makes late."""
    with api.warehouse.database.transaction() as connection:
        areas = connection.exec_driver_sql("UPDATE area SET created_at = now() - interval '2 days 12 hours'").rowcount
    return 2 * (areas + 1)


def test_the_status_names_every_night_that_was_missed(api: Api, nights_missed: int) -> None:
    with api.person() as biller:
        nights = biller.get(URL).raise_for_status().json()["items"]

    missed = [each for each in nights if each["late"]]
    assert len(missed) >= nights_missed
    assert {(each["made_at"], each["revision"]) for each in missed} == {(None, None)}
    assert [each["date"] for each in nights] == sorted((each["date"] for each in nights), reverse=True)


def test_a_dispatcher_sees_the_own_area_alone(api: Api, nights_missed: int) -> None:
    assert nights_missed
    with api.person("dispatcher", LUCKNOW) as dispatcher:
        nights = dispatcher.get(URL).raise_for_status().json()["items"]

    assert {each["area"] for each in nights} == {"lucknow"}


def test_the_command_prints_them_and_fails_as_long_as_one_is_missing(api: Api, nights_missed: int) -> None:
    credentials = Credentials(
        gateway_url=api.gateway.address,
        flower_url="http://127.0.0.1:1",
        admin=Login(username=api.warehouse.person("admin").username, password=PASSWORD),
        device=DeviceCredential(name="gun", area="lucknow", token="none"),
        flower=Login(username="flower", password="none"),
    )
    table, document = io.StringIO(), io.StringIO()

    code = show_nights(credentials, SteadyConsole(file=table, width=200), days=7, as_json=False)
    show_nights(credentials, SteadyConsole(file=document, width=200), days=7, as_json=True)

    assert code == 1
    assert table.getvalue().count(" late") >= nights_missed
    assert sum(each["late"] for each in json.loads(document.getvalue())) >= nights_missed


def test_every_revision_stays_readable(api: Api, settings: Settings) -> None:
    day, night = date(2026, 3, 2), datetime(2026, 3, 3, 1, tzinfo=UTC)
    database = api.warehouse.database
    with writing(database) as history:
        history.enrol("status-gun", "akola")
    for number in range(2):
        make(database, settings, "akola", day, night + timedelta(hours=number))
        with writing(database) as history:
            history.register(f"SB{99_000 + number}", at=night - timedelta(hours=9), device="status-gun")

    with api.person() as biller:
        totals = [
            biller.get(f"/api/v1/eod/{day}", params={"area": "akola", **wanted})
            .raise_for_status()
            .json()["scans"]["total"]
            for wanted in ({"revision": 1}, {"revision": 2}, {})
        ]
        problem_of(biller.get(f"/api/v1/eod/{day}", params={"area": "akola", "revision": 3}), 404)

    assert totals == [0, 1, 1]


def test_the_metric_counts_them_and_the_doctor_names_them(api: Api, settings: Settings, nights_missed: int) -> None:
    metrics = api.gateway.client().get("/metrics").text
    count = next(float(line.split()[1]) for line in metrics.splitlines() if line.startswith("tracetrack_eod_late"))
    assert count >= nights_missed

    report = examine(settings, only={"nights"}, now=lambda: datetime.now(UTC) + timedelta(days=1))

    (finding,) = [finding for check in report.checks for finding in check.findings]
    assert finding.code == "summary_late"
    assert "akola" in finding.detail
