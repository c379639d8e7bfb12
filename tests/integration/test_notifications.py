"""Notifications over HTTP: each person's own, unread first, by mail where they want that."""

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE, LUCKNOW
from tests.support.warehouse import Person, Warehouse
from tracetrack_common import failed_work
from tracetrack_common.notification import Priority, notify

URL = "/api/v1/notifications"


def tell(warehouse: Warehouse, event_key: str, *people: Person, priority: Priority = "normal") -> None:
    with warehouse.database.transaction() as connection:
        notify(
            connection,
            event_key=event_key,
            recipients=[person.user_id for person in people],
            priority=priority,
            title=f"About {event_key}",
            body="…",
        )


def listed(client: httpx.Client, **query: str | int) -> list[str]:
    """Give the titles of every page."""
    titles: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get(URL, params={"limit": 2, **query, **cursor}).raise_for_status().json()
        titles += [each["title"].removeprefix("About ") for each in page["items"]]
        if page["next_cursor"] is None:
            return titles
        cursor = {"cursor": page["next_cursor"]}


def test_a_person_sees_their_own_unread_first_and_each_event_once(api: Api) -> None:
    asha, ravi = api.warehouse.person(), api.warehouse.person("dispatcher", LUCKNOW)
    for event in ("a", "b", "c", "d", "e", "a"):
        tell(api.warehouse, event, asha)
    tell(api.warehouse, "c", ravi)
    with api.gateway.client(asha.token) as hers, api.gateway.client(ravi.token) as his:
        assert listed(hers) == ["e", "d", "c", "b", "a"]
        newest = hers.get(URL).json()["items"][0]["notification_id"]

        assert problem_of(his.post(f"{URL}/{newest}/read"), 404)
        assert hers.post(f"{URL}/{newest}/read").json() == {"read": 1}
        assert hers.post(f"{URL}/{newest}/read").json() == {"read": 0}

        assert listed(hers) == ["d", "c", "b", "a", "e"]
        assert listed(his) == ["c"]
        assert hers.post(f"{URL}/read-all").json() == {"read": 4}
        assert listed(hers) == ["e", "d", "c", "b", "a"]
        assert all(each["read_at"] for each in hers.get(URL).json()["items"])


def test_notifications_can_be_looked_for_by_priority(api: Api) -> None:
    asha = api.warehouse.person()
    for priority in ("low", "normal", "high"):
        tell(api.warehouse, priority, asha, priority=priority)
    with api.gateway.client(asha.token) as client:
        assert listed(client, priority="high") == ["high"]
        problem_of(client.get(URL, params={"priority": "urgent"}), 422)
        problem_of(client.get(URL, params={"cursor": "u-1"}), 422)
        problem_of(client.get(URL, params={"cursor": f"u{2**63}"}), 422)


def test_devices_have_no_notifications(device: httpx.Client) -> None:
    problem_of(device.get(URL), 403)
    problem_of(device.post(f"{URL}/read-all"), 403)


def test_who_wants_high_ones_by_mail_gets_those_by_mail(api: Api) -> None:
    asha = api.warehouse.person()
    api.warehouse.change("UPDATE app_user SET email = 'asha@warehouse.example' WHERE user_id = :id", id=asha.user_id)
    with api.gateway.client(asha.token) as client:
        nothing = {"low": False, "normal": False, "high": False}
        assert client.get(f"{URL}/preferences").json() == nothing
        problem_of(client.put(f"{URL}/preferences", json={"high": True}), 422)
        problem_of(client.put(f"{URL}/preferences", json=nothing | {"user_id": 1}), 422)

        assert client.put(f"{URL}/preferences", json=nothing | {"high": True}).json() == nothing | {"high": True}
        assert client.get(f"{URL}/preferences").json() == nothing | {"high": True}
    for priority in ("low", "normal", "high"):
        tell(api.warehouse, f"mailed-{priority}", asha, priority=priority)

    mails = api.warehouse.rows("SELECT kind, recipient, fields FROM mail WHERE event_key LIKE '%mailed-%'")
    assert mails == [
        {
            "kind": "notification",
            "recipient": "asha@warehouse.example",
            "fields": {"title": "About mailed-high", "body": "…"},
        }
    ]
    audited = api.warehouse.row(
        "SELECT before, after FROM audit_log WHERE action = 'notification.prefer' AND actor = :actor", actor=asha.actor
    )
    assert audited == {"before": {"by_mail": []}, "after": {"by_mail": ["high"]}}


def test_an_address_that_mail_cannot_be_sent_to_stops_nothing(warehouse: Warehouse) -> None:
    asha = warehouse.person()
    warehouse.change("UPDATE app_user SET email = E'a@b.example\\nBcc: c@d.example'")
    warehouse.change("INSERT INTO notification_preference VALUES (:id, ARRAY['high'])", id=asha.user_id)

    tell(warehouse, "event", asha, priority="high")

    assert warehouse.value("SELECT count(*) FROM notification") == 1
    assert warehouse.value("SELECT count(*) FROM mail") == 0


def test_people_are_found_by_role_and_area(warehouse: Warehouse) -> None:
    here, everywhere = warehouse.person("dispatcher", LUCKNOW), warehouse.person("biller")
    warehouse.person("dispatcher", INDORE)
    warehouse.person("admin")
    gone = warehouse.person("biller")
    warehouse.change("UPDATE app_user SET disabled_at = now() WHERE user_id = :id", id=gone.user_id)
    with warehouse.database.transaction() as connection:
        roles = ("dispatcher", "biller")
        notify(connection, event_key="e", roles=roles, area_id=LUCKNOW, priority="low", title="t", body="b")

    told = [row["user_id"] for row in warehouse.rows("SELECT user_id FROM notification ORDER BY user_id")]
    assert told == [here.user_id, everywhere.user_id]


@pytest.mark.parametrize(
    ("reason", "queue", "priority", "mails"),
    [("not_applicable", "scans", "high", 1), ("id_reused", "scans", "low", 0), ("mail_refused", "mail", "high", 0)],
)
def test_failed_work_is_told_to_operators_and_admins_once_an_hour(
    warehouse: Warehouse, reason: str, queue: str, priority: str, mails: int
) -> None:
    told = [warehouse.person(role) for role in ("operator", "admin", "biller")][:2]
    warehouse.change("UPDATE app_user SET email = 'op@warehouse.example' WHERE role = 'operator'")
    warehouse.change("INSERT INTO notification_preference SELECT user_id, ARRAY['high'] FROM app_user")
    for number in range(3):
        with warehouse.database.transaction() as connection:
            failed_work.insert(
                connection, queue=queue, reason=reason, detail="…", payload={"body": f"{number}"}, attempts=1
            )

    rows = warehouse.rows("SELECT user_id, priority FROM notification ORDER BY user_id")
    assert rows == [{"user_id": person.user_id, "priority": priority} for person in told]
    assert warehouse.value("SELECT count(*) FROM mail") == mails


def test_mail_that_could_not_be_sent_is_sent_again_when_it_is_replayed(api: Api, admin: httpx.Client) -> None:
    warehouse = api.warehouse
    warehouse.change(
        "INSERT INTO mail (mail_id, kind, recipient, fields, event_key, state)"
        " VALUES (uuidv7(), 'notification', 'a@b.example', '{\"title\": \"t\"}', 'kept', 'failed'),"
        " (uuidv7(), 'password_reset', 'a@b.example', '{}', 'erased', 'failed')"
    )
    pieces = {}
    for row in warehouse.rows("SELECT CAST(mail_id AS text) AS mail_id, event_key FROM mail WHERE state = 'failed'"):
        with warehouse.database.transaction() as connection:
            body = {"body": row["mail_id"]}
            failed_work.insert(connection, queue="mail", reason="mail_refused", detail="…", payload=body, attempts=1)
        pieces[row["event_key"]] = warehouse.value(
            "SELECT failed_id FROM failed_work WHERE payload->>'body' = :mail_id", mail_id=row["mail_id"]
        )
    assert admin.get(f"/api/v1/failed-work/{pieces['kept']}").json()["readable"] is True

    assert admin.post(f"/api/v1/failed-work/{pieces['kept']}/replay").json()["state"] == "replayed"
    problem_of(admin.post(f"/api/v1/failed-work/{pieces['erased']}/replay"), 409)

    states = {row["event_key"]: row["state"] for row in warehouse.rows("SELECT event_key, state FROM mail")}
    assert (states["kept"], states["erased"]) == ("queued", "failed")


def test_admins_are_told_that_a_device_was_rotated_and_revoked(api: Api) -> None:
    asha, gun = api.warehouse.person("admin"), api.warehouse.device(INDORE)
    name = api.warehouse.value("SELECT name FROM device WHERE device_id = :id", id=gun.device_id)
    with api.gateway.client(asha.token) as client:
        client.post(f"/api/v1/devices/{gun.device_id}/rotate").raise_for_status()
        client.delete(f"/api/v1/devices/{gun.device_id}").raise_for_status()

        told = listed(client, priority="normal")
    assert told[:2] == [f"Device {name} is revoked", f"Device {name} has another token"]


def test_whose_password_was_changed_is_told(api: Api) -> None:
    asha = api.warehouse.person("biller")
    with api.person("admin") as admin:
        body = {"password": "lantern walks north by kettle"}
        admin.post(f"/api/v1/users/{asha.username}/password", json=body).raise_for_status()

    told = api.warehouse.rows("SELECT title, priority FROM notification WHERE user_id = :id", id=asha.user_id)
    assert told == [{"title": "Your password was changed", "priority": "high"}]
