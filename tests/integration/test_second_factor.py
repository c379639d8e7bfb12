"""Second factors of admins: enrolled, confirmed, needed at the door, used once, replaced by a recovery code."""

import time

import httpx
import pyotp
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.people import log_in
from tests.support.warehouse import PASSWORD, Person
from tracetrack_common import second_factor


class Phone:
    """An authenticator whose clock the test sets forward, since a code works once."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)
        self._used = 0

    def code(self) -> str:
        """Give a code that was not given before: that of now, of the step before, or of the one after."""
        steps = (-1, 0, 1)
        code = self._totp.at(int(time.time()), counter_offset=steps[self._used])
        self._used += 1
        return code


def enrol(client: httpx.Client) -> tuple[Phone, list[str]]:
    enrolled = client.post("/api/v1/users/me/second-factor", json={"password": PASSWORD})
    assert enrolled.status_code == httpx.codes.CREATED, enrolled.text
    phone = Phone(enrolled.json()["secret"])
    confirmed = client.post("/api/v1/users/me/second-factor/confirm", json={"totp": phone.code()})
    assert confirmed.status_code == httpx.codes.OK, confirmed.text
    return phone, confirmed.json()["recovery_codes"]


@pytest.fixture
def person(api: Api) -> Person:
    return api.warehouse.person("admin")


def test_a_second_factor_is_needed_once_it_is_confirmed_and_each_code_works_once(api: Api, person: Person) -> None:
    with api.gateway.client(person.token) as client:
        phone, _ = enrol(client)
        assert client.get("/api/v1/users/me").json()["second_factor"] is True
    with api.gateway.client() as client:
        needed = problem_of(log_in(client, person.username), 401)
        assert needed["type"].endswith("/totp_required")
        code = phone.code()
        assert log_in(client, person.username, totp=code).status_code == httpx.codes.CREATED

        replayed = problem_of(log_in(client, person.username, totp=code), 401)
        wrong = problem_of(log_in(client, person.username, totp="000000"), 401)
        unknown = problem_of(log_in(client, "nobody_there", totp=code), 401)
    assert replayed["detail"] == wrong["detail"] == unknown["detail"] == "The username or the password is wrong."


def test_without_the_password_a_code_helps_nobody(api: Api, person: Person) -> None:
    with api.gateway.client(person.token) as client:
        phone, _ = enrol(client)
    with api.gateway.client() as client:
        problem = problem_of(log_in(client, person.username, "wrong", totp=phone.code()), 401)
        assert problem["type"].endswith("/unauthorized")
        problem = problem_of(log_in(client, person.username, "wrong"), 401)
        assert problem["type"].endswith("/unauthorized")


def test_guessed_codes_lock_as_guessed_passwords_do(api: Api, person: Person) -> None:
    with api.gateway.client(person.token) as client:
        phone, _ = enrol(client)
    with api.gateway.client() as client:
        for guess in range(5):
            problem_of(log_in(client, person.username, totp=f"00000{guess}"), 401)
        problem_of(log_in(client, person.username, totp=phone.code()), 401)


def test_a_recovery_code_stands_in_for_the_phone_once(api: Api, person: Person) -> None:
    with api.gateway.client(person.token) as client:
        _, codes = enrol(client)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    with api.gateway.client() as client:
        typed = codes[0].lower().replace("-", " ")
        assert log_in(client, person.username, recovery_code=typed).status_code == httpx.codes.CREATED
        problem_of(log_in(client, person.username, recovery_code=codes[0]), 401)
        assert log_in(client, person.username, recovery_code=codes[1]).status_code == httpx.codes.CREATED


def test_one_that_is_not_confirmed_is_not_in_force_and_enrolling_takes_the_password(api: Api, person: Person) -> None:
    with api.gateway.client(person.token) as client:
        problem_of(client.post("/api/v1/users/me/second-factor/confirm", json={"totp": "123456"}), 409)
        problem_of(client.post("/api/v1/users/me/second-factor", json={"password": "wrong"}), 422)
        enrolled = client.post("/api/v1/users/me/second-factor", json={"password": PASSWORD}).json()
        assert pyotp.parse_uri(enrolled["otpauth_uri"]).secret == enrolled["secret"]
        problem_of(client.post("/api/v1/users/me/second-factor/confirm", json={"totp": "000000"}), 422)
        assert log_in(client, person.username).status_code == httpx.codes.CREATED


def test_another_admin_takes_a_lost_second_factor_away_and_nobody_their_own(api: Api, person: Person) -> None:
    with api.gateway.client(person.token) as client, api.person("admin") as another:
        enrol(client)
        problem_of(client.delete(f"/api/v1/users/{person.username}/second-factor"), 403)
        removed = another.delete(f"/api/v1/users/{person.username}/second-factor")
        assert removed.status_code == httpx.codes.NO_CONTENT
    with api.gateway.client() as client:
        assert log_in(client, person.username).status_code == httpx.codes.CREATED


def test_neither_secret_nor_code_is_stored(api: Api, person: Person) -> None:
    with api.gateway.client(person.token) as client:
        secret = client.post("/api/v1/users/me/second-factor", json={"password": PASSWORD}).json()["secret"]
        phone = Phone(secret)
        codes = client.post("/api/v1/users/me/second-factor/confirm", json={"totp": phone.code()}).json()
    rows = api.warehouse.rows(
        "SELECT t::text AS row FROM app_user AS t UNION ALL SELECT t::text FROM recovery_code AS t"
        " UNION ALL SELECT t::text FROM command AS t UNION ALL SELECT t::text FROM audit_log AS t"
    )
    for marker in (secret, *codes["recovery_codes"]):
        assert not [row for row in rows if marker in row["row"]]
