"""Users over HTTP: made, changed and disabled by admins; nobody above the rules."""

import itertools
from typing import Any

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.people import NEW_PASSWORD, log_in
from tests.support.scans import LUCKNOW
from tests.support.together import at_once
from tests.support.warehouse import PASSWORD

_numbers = itertools.count(1)


def new_user(**fields: Any) -> dict[str, Any]:
    username = f"new_{next(_numbers)}"
    given = {"username": username, "email": f"{username}@example.com", "role": "biller", "password": NEW_PASSWORD}
    return {**given, **fields}


def audit_rows(api: Api, username: str) -> list[dict[str, Any]]:
    return api.warehouse.rows(
        "SELECT action, actor, before, after, address FROM audit_log"
        " WHERE object = (SELECT 'user:' || user_id FROM app_user WHERE username = :name) ORDER BY at",
        name=username,
    )


def test_a_user_that_an_admin_creates_can_log_in_and_is_audited_without_the_password(
    api: Api, admin: httpx.Client
) -> None:
    wanted = new_user(role="dispatcher", area="indore")

    made = admin.post("/api/v1/users", json=wanted)

    assert made.status_code == httpx.codes.CREATED
    assert made.json().items() >= {**{k: wanted[k] for k in ("username", "email", "role", "area")}}.items()
    with api.gateway.client() as client:
        assert log_in(client, wanted["username"].upper(), NEW_PASSWORD).json()["user"]["area"] == "indore"
    (row,) = audit_rows(api, wanted["username"])
    assert row["action"] == "user.create"
    assert row["before"] is None
    assert row["after"] == {k: wanted[k] for k in ("username", "email", "role", "area")}
    assert admin.get(f"/api/v1/users/{wanted['username']}").json() == made.json()
    assert made.json() in admin.get("/api/v1/users?role=dispatcher&limit=200").json()["items"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "ab"},
        {"username": "a" * 21},
        {"username": "a-b-c"},
        {"email": "nowhere"},
        {"role": "king"},
        {"role": "dispatcher"},
        {"area": "atlantis"},
        {"password": "short"},
        {"password": "password1234"},
        {"password": "aaaaaaaaaaaaaaaa"},
        {"password": "x" * 129},
        {"is_admin": True},
    ],
    ids=lambda wrong: "-".join(f"{name}-{str(value)[:20]}" for name, value in wrong.items()),
)
def test_a_user_against_the_rules_is_refused_and_the_password_is_not_quoted(
    admin: httpx.Client, wrong: dict[str, Any]
) -> None:
    answer = admin.post("/api/v1/users", json=new_user(**wrong))

    problem = problem_of(answer, 422)
    assert {error["field"] for error in problem["errors"]} == (
        {"area"} if "role" in wrong and wrong["role"] == "dispatcher" else set(wrong)
    )
    assert "password" not in wrong or wrong["password"] not in answer.text


def test_a_password_made_of_the_username_is_refused(admin: httpx.Client) -> None:
    problem_of(admin.post("/api/v1/users", json=new_user(username="bartholomew", password="bartholomew1")), 422)


def test_a_name_stays_taken_and_what_a_disabled_user_did_stays_theirs(api: Api, admin: httpx.Client) -> None:
    person = api.warehouse.person("biller")
    api.warehouse.bill(f"KEPT-{person.user_id}", by=person)

    assert admin.delete(f"/api/v1/users/{person.username}").status_code == httpx.codes.NO_CONTENT

    problem_of(admin.post("/api/v1/users", json=new_user(username=person.username.upper())), 409)
    assert admin.get(f"/api/v1/bills/KEPT-{person.user_id}").json()["created_by"] == person.username
    assert admin.get(f"/api/v1/users/{person.username}").json()["disabled_at"]
    with api.gateway.client(person.token) as theirs:
        problem_of(log_in(theirs, person.username), 401)
    assert admin.patch(f"/api/v1/users/{person.username}", json={"disabled": False}).json()["disabled_at"] is None
    with api.gateway.client() as theirs:
        assert log_in(theirs, person.username).status_code == httpx.codes.CREATED


def test_an_email_address_is_one_users_until_they_are_disabled(admin: httpx.Client) -> None:
    first, second = new_user(), new_user()
    second["email"] = first["email"].upper()
    admin.post("/api/v1/users", json=first).raise_for_status()

    problem_of(admin.post("/api/v1/users", json=second), 409)
    admin.delete(f"/api/v1/users/{first['username']}").raise_for_status()
    assert admin.post("/api/v1/users", json=second).status_code == httpx.codes.CREATED
    problem_of(admin.patch(f"/api/v1/users/{first['username']}", json={"disabled": False}), 409)


def test_a_change_is_audited_with_what_was_before(api: Api, admin: httpx.Client) -> None:
    person = api.warehouse.person("dispatcher", LUCKNOW)

    changed = admin.patch(f"/api/v1/users/{person.username}", json={"role": "biller", "area": None})

    assert changed.json().items() >= {"role": "biller", "area": None}.items()
    (row,) = audit_rows(api, person.username)
    assert (row["before"]["role"], row["after"]["role"]) == ("dispatcher", "biller")
    assert (row["before"]["area"], row["after"]["area"]) == ("lucknow", None)
    problem_of(admin.patch(f"/api/v1/users/{person.username}", json={"role": "dispatcher"}), 422)
    problem_of(admin.patch(f"/api/v1/users/{person.username}", json={}), 422)


def test_nobody_changes_their_own_role(api: Api) -> None:
    person = api.warehouse.person("admin")
    with api.gateway.client(person.token) as client:
        problem_of(client.patch(f"/api/v1/users/{person.username}", json={"role": "biller"}), 403)
        assert client.get("/api/v1/users/me").json()["role"] == "admin"


def test_of_the_last_two_admins_who_disable_one_another_at_once_one_stays(api: Api) -> None:
    for _ in range(5):
        api.warehouse.change("UPDATE app_user SET role = 'operator' WHERE role = 'admin'")
        pair = [api.warehouse.person("admin") for _ in range(2)]

        def disable(index: int, pair: list[Any] = pair) -> int:
            with api.gateway.client(pair[index].token) as client:
                return client.delete(f"/api/v1/users/{pair[1 - index].username}").status_code

        done, refused = sorted(at_once([lambda: disable(0), lambda: disable(1)]))

        assert done == httpx.codes.NO_CONTENT
        assert refused in {httpx.codes.CONFLICT, httpx.codes.UNAUTHORIZED}
        assert api.warehouse.value("SELECT count(*) FROM app_user WHERE role = 'admin' AND disabled_at IS NULL") == 1


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "biller"}], ids=str)
def test_the_last_admin_cannot_go(api: Api, change: dict[str, Any]) -> None:
    api.warehouse.change("UPDATE app_user SET role = 'operator' WHERE role = 'admin'")
    person = api.warehouse.person("admin")
    with api.gateway.client(person.token) as client:
        problem_of(client.patch(f"/api/v1/users/{person.username}", json=change), 403 if "role" in change else 409)
        assert client.get("/api/v1/users/me").json()["disabled_at"] is None


def test_the_same_idempotency_key_sets_a_password_once(api: Api, admin: httpx.Client) -> None:
    wanted, key = new_user(), {"Idempotency-Key": "one wish"}

    answers = [admin.post("/api/v1/users", json=wanted, headers=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [httpx.codes.CREATED] * 2
    problem_of(admin.post("/api/v1/users", json={**wanted, "password": PASSWORD}, headers=key), 422)
    assert len(audit_rows(api, wanted["username"])) == 1


def test_changing_the_own_password_takes_the_old_one_and_ends_every_session(api: Api) -> None:
    person = api.warehouse.person("biller")
    with api.gateway.client(person.token) as client:
        body = {"old_password": "wrong", "password": NEW_PASSWORD}
        problem_of(client.post("/api/v1/users/me/password", json=body), 422)
        body["old_password"] = PASSWORD
        problem_of(client.post("/api/v1/users/me/password", json={**body, "password": "too short"}), 422)
        assert client.post("/api/v1/users/me/password", json=body).status_code == httpx.codes.NO_CONTENT
    with api.gateway.client() as client:
        problem_of(log_in(client, person.username), 401)
        assert log_in(client, person.username, NEW_PASSWORD).status_code == httpx.codes.CREATED
    assert api.warehouse.value(
        "SELECT ended_at IS NOT NULL FROM user_session WHERE token_sha256 = sha256(CAST(:t AS bytea))", t=person.token
    )
    (row,) = audit_rows(api, person.username)
    assert row["action"] == "password.change"
    assert "argon2" not in str(row)


def test_a_stolen_session_cannot_guess_the_password(api: Api) -> None:
    person = api.warehouse.person("biller")
    with api.gateway.client(person.token) as client:
        for _ in range(5):
            body = {"old_password": "wrong", "password": NEW_PASSWORD}
            problem_of(client.post("/api/v1/users/me/password", json=body), 422)
        problem_of(client.post("/api/v1/users/me/password", json={**body, "old_password": PASSWORD}), 422)


def test_an_admin_sets_the_password_of_somebody_who_cannot(api: Api, admin: httpx.Client) -> None:
    person = api.warehouse.person("biller")

    answer = admin.post(f"/api/v1/users/{person.username}/password", json={"password": NEW_PASSWORD})

    assert answer.status_code == httpx.codes.NO_CONTENT
    with api.gateway.client() as client:
        assert log_in(client, person.username, NEW_PASSWORD).status_code == httpx.codes.CREATED
    own = admin.get("/api/v1/users/me").json()["username"]
    problem_of(admin.post(f"/api/v1/users/{own}/password", json={"password": NEW_PASSWORD}), 403)
    problem_of(admin.post("/api/v1/users/nobody_there/password", json={"password": NEW_PASSWORD}), 404)
