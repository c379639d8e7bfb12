"""Forgotten passwords: a link by mail, one hour, once, and nobody learns from it who is there."""

from typing import Any

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.people import NEW_PASSWORD, from_address, log_in, mailed
from tests.support.waiting import eventually
from tests.support.warehouse import Person


@pytest.fixture
def person(api: Api) -> Person:
    """Give a user with an e-mail address."""
    someone = api.warehouse.person("biller")
    api.warehouse.change(
        "UPDATE app_user SET email = :mail WHERE user_id = :id", mail=address_of(someone), id=someone.user_id
    )
    return someone


def address_of(person: Person) -> str:
    return f"{person.username}@example.com"


def ask(api: Api, **whom: Any) -> httpx.Response:
    with api.gateway.client() as client:
        return client.post("/api/v1/password-resets", json=whom)


def ask_and_wait(api: Api, person: Person, **whom: Any) -> str:
    before = len(mailed(api, address_of(person)))
    assert ask(api, **(whom or {"username": person.username})).status_code == httpx.codes.ACCEPTED
    (fields,) = eventually(lambda: mailed(api, address_of(person))[before:])
    token: str = fields["token"]
    return token


def use(api: Api, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    with api.gateway.client() as client:
        return client.post(f"/api/v1/password-resets/{token}", json={"password": password})


@pytest.mark.parametrize("by", ["username", "email"])
def test_a_link_sets_another_password_once_and_ends_the_sessions(api: Api, person: Person, by: str) -> None:
    token = ask_and_wait(api, person, **{by: (person.username if by == "username" else address_of(person)).upper()})

    problem_of(use(api, token, "password1234"), 422)
    assert use(api, token).status_code == httpx.codes.NO_CONTENT

    problem_of(use(api, token, "another brown kettle sings"), 404)
    with api.gateway.client() as client:
        problem_of(log_in(client, person.username), 401)
        assert log_in(client, person.username, NEW_PASSWORD).status_code == httpx.codes.CREATED
    ended = "SELECT count(*) FROM user_session WHERE user_id = :id AND ended_at IS NOT NULL"
    assert api.warehouse.value(ended, id=person.user_id) == 1


def test_the_answer_is_the_same_for_nobody(api: Api, person: Person) -> None:
    answers = [ask(api, username=person.username), ask(api, username="nobody_there"), ask(api, email="no@example.com")]

    assert {(answer.status_code, answer.content) for answer in answers} == {(httpx.codes.ACCEPTED, b"")}
    eventually(lambda: mailed(api, address_of(person)))
    problem_of(ask(api), 422)
    problem_of(ask(api, username="someone", email="someone@example.com"), 422)


def test_a_link_ends_after_an_hour_and_only_its_digest_is_stored(api: Api, person: Person) -> None:
    token = ask_and_wait(api, person)
    stored = api.warehouse.row(
        "SELECT token_sha256, expires_at - created_at AS lasts FROM password_reset WHERE user_id = :id",
        id=person.user_id,
    )
    assert len(bytes(stored["token_sha256"])) == 32
    assert stored["lasts"].total_seconds() == 3_600
    everywhere = api.warehouse.rows(
        "SELECT t::text AS row FROM command AS t UNION ALL SELECT t::text FROM audit_log AS t"
    )
    assert not [row for row in everywhere if token in row["row"]]

    api.warehouse.change("UPDATE password_reset SET expires_at = now() WHERE user_id = :id", id=person.user_id)
    problem_of(use(api, token), 404)


def test_a_link_dies_when_the_user_is_disabled_or_the_password_is_changed(
    api: Api, person: Person, admin: httpx.Client
) -> None:
    token = ask_and_wait(api, person)
    admin.post(f"/api/v1/users/{person.username}/password", json={"password": NEW_PASSWORD}).raise_for_status()
    problem_of(use(api, token), 404)
    token = ask_and_wait(api, person)
    admin.delete(f"/api/v1/users/{person.username}").raise_for_status()
    problem_of(use(api, token), 404)


def test_nobodys_mailbox_is_filled_by_a_stranger(api: Api, person: Person) -> None:
    for _ in range(3):
        ask_and_wait(api, person)
    for _ in range(3):
        ask(api, username=person.username)
    asked = "SELECT count(*) FROM command WHERE name = 'password.request_reset' AND outcome = '{}'"
    done = api.warehouse.value(asked)
    eventually(lambda: api.warehouse.value(asked) >= done)
    assert len(mailed(api, address_of(person))) == 3


def test_a_locked_owner_who_resets_gets_in_at_once(api: Api, person: Person) -> None:
    with api.gateway.client() as client:
        for _ in range(5):
            problem_of(log_in(client, person.username, "wrong"), 401)
        assert use(api, ask_and_wait(api, person)).status_code == httpx.codes.NO_CONTENT
        assert log_in(client, person.username, NEW_PASSWORD).status_code == httpx.codes.CREATED


def test_an_address_asks_for_so_many_links_and_is_told_nothing(api: Api, person: Person) -> None:
    with from_address(api, "127.0.4.1") as client:
        for number in range(20):
            client.post("/api/v1/password-resets", json={"username": f"nobody_{number}"}).raise_for_status()
        assert client.post("/api/v1/password-resets", json={"username": person.username}).status_code == 202
    ask_and_wait(api, person)  # from another address, so that the other one would have come before it
    assert len(mailed(api, address_of(person))) == 1
