"""Mail on a whole system: what somebody is told of lies in the outbox within seconds."""

from contextlib import closing
from email import message_from_bytes
from email.policy import default

import httpx

from tests.support.system import RunningSystem
from tests.support.waiting import eventually
from tracetrack_common import failed_work
from tracetrack_common.db.session import Database


def test_an_admin_who_wants_it_is_told_of_failed_work_by_mail(system: RunningSystem, admin: httpx.Client) -> None:
    with closing(Database(system.superuser, application_name="tests")) as database:
        with database.transaction() as connection:
            connection.exec_driver_sql("UPDATE app_user SET email = 'admin@warehouse.example' WHERE username = 'admin'")
        wanted = {"low": False, "normal": False, "high": True}
        assert admin.put("/api/v1/notifications/preferences", json=wanted).json() == wanted
        with database.transaction() as connection:
            payload = {"body": "nothing of importance"}
            failed_work.insert(connection, queue="scans", reason="of_a_test", detail="…", payload=payload, attempts=1)

    outbox = system.state_dir / "outbox"
    (path,) = eventually(lambda: list(outbox.glob("*.eml")) if outbox.exists() else [])
    message = message_from_bytes(path.read_bytes(), policy=default)
    assert message["To"] == "admin@warehouse.example"
    assert message["Subject"] == "TraceTrack: Failed work: of_a_test (scans)"
    listed = admin.get("/api/v1/notifications").json()["items"]
    assert "Failed work: of_a_test (scans)" in [each["title"] for each in listed]

    (piece,) = admin.get("/api/v1/failed-work", params={"reason": "of_a_test"}).json()["items"]
    discarded = admin.post(f"/api/v1/failed-work/{piece['failed_id']}/discard", json={"reason": "the test is over"})
    assert discarded.is_success, discarded.text
