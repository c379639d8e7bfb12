"""Sessions and devices: looked at, ended, revoked; what has ended works nowhere within five seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.people import NEW_PASSWORD, log_in
from tests.support.scans import LUCKNOW
from tests.support.system import scan_of
from tests.support.waiting import eventually
from tests.support.warehouse import PASSWORD, Person
from tracetrack_common import last_seen
from tracetrack_common.accounts import hash_token
from tracetrack_common.credentials import MIRROR_KEY, mirror_all
from tracetrack_common.ids import uuid7
from tracetrack_common.redis_client import connect_worker
from tracetrack_scan_worker.sessions import look_after_sessions

_REVOKED_WITHIN_S = 5.0


@pytest.fixture(autouse=True)
def _forgotten_mirror(api: Api) -> Iterator[None]:
    """Have the next test find whom it adds past the commands."""
    yield
    with closing(connect_worker(api.settings)) as redis:
        redis.delete(MIRROR_KEY)


def complete_mirror(api: Api) -> None:
    """Have the gateway ask the mirror alone, as it does from the first minute on."""
    with closing(connect_worker(api.settings)) as redis, api.warehouse.database.snapshot() as connection:
        mirror_all(redis, connection)


def logged_in(api: Api, person: Person) -> httpx.Client:
    with api.gateway.client() as client:
        return api.gateway.client(log_in(client, person.username).json()["token"])


def _is_turned_away(client: httpx.Client, path: str) -> bool:
    return client.get(path).status_code == httpx.codes.UNAUTHORIZED


def wait_until_turned_away(*clients: httpx.Client, path: str = "/api/v1/bills") -> None:
    began = time.monotonic()
    for client in clients:
        eventually(partial(_is_turned_away, client, path), within_s=10)
    assert time.monotonic() - began < _REVOKED_WITHIN_S


def test_people_see_their_own_sessions_and_end_one_of_them(api: Api) -> None:
    person = api.warehouse.person("biller")
    with logged_in(api, person) as here, logged_in(api, person) as there, api.person() as another:
        complete_mirror(api)
        sessions = here.get("/api/v1/sessions").json()
        assert len(sessions) == 3
        assert [each["current"] for each in sessions] == [False, True, False]
        assert sessions[1]["address"] == "127.0.0.1"
        assert sessions[1]["last_seen_at"] is not None
        assert "token" not in str(sessions)
        address = f"/api/v1/sessions/{sessions[0]['session_id']}"

        problem_of(another.delete(address), 404)
        assert there.get("/api/v1/bills").status_code == httpx.codes.OK
        assert here.delete(address).status_code == httpx.codes.NO_CONTENT
        wait_until_turned_away(there)
        problem_of(here.delete(address), 404)
        problem_of(here.delete(f"/api/v1/sessions/{uuid7()}"), 404)
        assert here.get("/api/v1/bills").status_code == httpx.codes.OK


def test_logging_out_ends_the_session_of_the_request_and_no_other(api: Api) -> None:
    person = api.warehouse.person("biller")
    with logged_in(api, person) as here, logged_in(api, person) as there:
        assert here.delete("/api/v1/sessions/current").status_code == httpx.codes.NO_CONTENT
        wait_until_turned_away(here)
        assert len(there.get("/api/v1/sessions").json()) == 2


@pytest.mark.parametrize(
    "end",
    [
        lambda admin, name: admin.delete(f"/api/v1/users/{name}"),
        lambda admin, name: admin.delete(f"/api/v1/users/{name}/sessions"),
        lambda admin, name: admin.patch(f"/api/v1/users/{name}", json={"role": "operator"}),
        lambda admin, name: admin.patch(f"/api/v1/users/{name}", json={"area": "indore"}),
        lambda admin, name: admin.post(f"/api/v1/users/{name}/password", json={"password": NEW_PASSWORD}),
        lambda admin, name: admin.delete(f"/api/v1/users/{name}/second-factor"),
    ],
    ids=["disabled", "ended", "role", "area", "password", "second factor"],
)
def test_what_an_admin_changes_ends_every_session_of_the_user_within_five_seconds(
    api: Api, admin: httpx.Client, end: Callable[[httpx.Client, str], httpx.Response]
) -> None:
    person = api.warehouse.person("biller")
    with logged_in(api, person) as here, logged_in(api, person) as there:
        complete_mirror(api)
        assert here.get("/api/v1/bills").status_code == there.get("/api/v1/bills").status_code == httpx.codes.OK

        end(admin, person.username).raise_for_status()

        wait_until_turned_away(here, there)
    with closing(connect_worker(api.settings)) as redis:
        assert not [value for value in redis.hvals(MIRROR_KEY) if person.username.encode() in value]


def test_changing_the_own_password_ends_the_sessions_elsewhere_within_five_seconds(api: Api) -> None:
    person = api.warehouse.person("biller")
    with logged_in(api, person) as here, logged_in(api, person) as there:
        complete_mirror(api)
        assert there.get("/api/v1/bills").status_code == httpx.codes.OK
        body = {"old_password": PASSWORD, "password": NEW_PASSWORD}
        here.post("/api/v1/users/me/password", json=body).raise_for_status()
        wait_until_turned_away(here, there)


def test_a_session_ends_after_30_minutes_without_use_and_stays_ended_when_redis_is_emptied(api: Api) -> None:
    person = api.warehouse.person("biller")
    field = hash_token(person.token).hex()
    complete_mirror(api)
    with api.gateway.client(person.token) as client, closing(connect_worker(api.settings)) as redis:
        redis.hset(last_seen.KEY, field, int(time.time()) - 29 * 60)
        assert client.get("/api/v1/bills").status_code == httpx.codes.OK
        assert int(redis.hget(last_seen.KEY, field) or 0) > time.time() - 60

        redis.hset(last_seen.KEY, field, int(time.time()) - 32 * 60)
        eventually(lambda: client.get("/api/v1/bills").status_code == httpx.codes.UNAUTHORIZED, within_s=10)
        look_after_sessions(api.warehouse.database, redis, idle_s=30 * 60)
        redis.delete(last_seen.KEY, MIRROR_KEY)
        problem_of(client.get("/api/v1/bills"), 401)
    (row,) = api.warehouse.rows("SELECT actor, after FROM audit_log WHERE action = 'session.idle'")
    assert row["actor"] == "system"
    assert row["after"]["sessions"][0]["user_id"] == person.user_id


def test_a_session_whose_last_use_is_not_known_goes_on(api: Api) -> None:
    person = api.warehouse.person("biller")
    with api.gateway.client(person.token) as client, closing(connect_worker(api.settings)) as redis:
        redis.hdel(last_seen.KEY, hash_token(person.token).hex())
        assert client.get("/api/v1/bills").status_code == httpx.codes.OK


def test_a_rotated_device_goes_on_with_its_new_token_and_the_old_one_dies_within_five_seconds(
    api: Api, admin: httpx.Client
) -> None:
    device = api.warehouse.device(LUCKNOW)
    with api.gateway.client(device.token) as old:
        complete_mirror(api)
        assert old.get("/api/v1/bills").status_code == httpx.codes.OK
        rotated = admin.post(f"/api/v1/devices/{device.device_id}/rotate")
        assert rotated.status_code == httpx.codes.OK
        wait_until_turned_away(old)
        problem_of(old.post("/api/v1/scans", json=scan_of("parent", "SB70001")), 401)
    with api.gateway.client(rotated.json()["token"]) as new:
        answer = new.post("/api/v1/scans", json=scan_of("parent", "SB70001"), headers={"Prefer": "wait=20"})
        assert answer.json()["outcome"] == "applied"
    problem_of(admin.post("/api/v1/devices/2000000000/rotate"), 404)


def test_a_revoked_device_is_turned_away_within_five_seconds_and_for_good(api: Api, admin: httpx.Client) -> None:
    device = api.warehouse.device(LUCKNOW)
    address = f"/api/v1/devices/{device.device_id}"
    with api.gateway.client(device.token) as gun:
        complete_mirror(api)
        assert gun.get("/api/v1/bills").status_code == httpx.codes.OK
        assert admin.delete(address).status_code == httpx.codes.NO_CONTENT
        wait_until_turned_away(gun)
    problem_of(admin.delete(address), 409)
    problem_of(admin.post(f"{address}/rotate"), 409)
    listed = {each["device_id"]: each for each in admin.get("/api/v1/devices?limit=200").json()["items"]}
    assert listed[device.device_id]["revoked_at"] is not None
    rows = api.warehouse.rows(
        "SELECT action, before, after FROM audit_log WHERE object = :o", o=f"device:{device.device_id}"
    )
    assert [(row["action"], row["before"], row["after"]) for row in rows] == [
        ("device.revoke", {"revoked": False}, {"revoked": True})
    ]


def test_admins_see_when_a_device_was_last_seen_also_when_redis_was_emptied(api: Api, admin: httpx.Client) -> None:
    device = api.warehouse.device(LUCKNOW)

    def last_seen_at() -> str | None:
        page = admin.get(f"/api/v1/devices?limit=1&cursor={device.device_id - 1}").json()
        seen: str | None = page["items"][0]["last_seen_at"]
        return seen

    assert last_seen_at() is None
    with api.gateway.client(device.token) as gun:
        gun.get("/api/v1/bills")
    seen = last_seen_at()
    assert seen is not None
    with closing(connect_worker(api.settings)) as redis:
        look_after_sessions(api.warehouse.database, redis, idle_s=30 * 60)
        redis.delete(last_seen.KEY)
    assert last_seen_at() == seen


def test_admins_see_what_a_device_counted_and_never_delivered(api: Api, admin: httpx.Client) -> None:
    device = api.warehouse.device(LUCKNOW)
    with api.gateway.client(device.token) as gun:
        for seq in (1, 4):
            scan = scan_of("parent", f"SB7100{seq}", epoch=1, seq=seq)
            gun.post("/api/v1/scans", json=scan, headers={"Prefer": "wait=20"}).raise_for_status()

    delivery = admin.get(f"/api/v1/devices/{device.device_id}/delivery").json()

    assert delivery["epochs"][0]["missing"] == [[2, 3]]
    problem_of(admin.get("/api/v1/devices/2000000000/delivery"), 404)
