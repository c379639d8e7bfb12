"""Password guessing: five failures lock, every refusal looks the same, and the owner elsewhere still gets in."""

import statistics
import time
from contextlib import closing

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.people import from_address, log_in
from tests.support.together import at_once
from tracetrack_common.redis_client import connect_worker
from tracetrack_gateway.login_guard import ACCOUNT_FAILURES_MOST, ADDRESS_FAILURES_MOST, LOCK_S


def heard(answer: httpx.Response) -> dict[str, object]:
    """Give all that an answer tells, apart from the request's own identity."""
    problem = problem_of(answer, 401)
    del problem["request_id"]
    headers = {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
    return {**problem, "headers": headers}


def test_five_wrong_passwords_then_the_right_one_is_locked_with_the_same_answer_as_for_an_unknown_user(
    api: Api,
) -> None:
    person = api.warehouse.person()
    with from_address(api, "127.0.1.1") as client:
        unknown = heard(log_in(client, "nobody_at_all"))
        wrong = [heard(log_in(client, person.username, "wrong")) for _ in range(5)]
        locked = heard(log_in(client, person.username))

    assert wrong == [unknown] * 5
    assert locked == unknown


def test_four_wrong_passwords_lock_nobody_and_a_right_one_begins_anew(api: Api) -> None:
    person = api.warehouse.person()
    with from_address(api, "127.0.1.2") as client:
        for _ in range(3):
            for _ in range(4):
                problem_of(log_in(client, person.username, "wrong"), 401)
            assert log_in(client, person.username).status_code == httpx.codes.CREATED


def test_a_lock_ends_after_15_minutes_and_trying_meanwhile_does_not_prolong_it(api: Api) -> None:
    person = api.warehouse.person()
    with from_address(api, "127.0.1.3") as client, closing(connect_worker(api.settings)) as redis:
        for _ in range(5):
            log_in(client, person.username, "wrong")
        (key,) = redis.keys("tt:login:pair:*:127.0.1.3")
        assert 0 < redis.ttl(key) <= LOCK_S
        redis.expire(key, 100)

        problem_of(log_in(client, person.username), 401)
        assert redis.ttl(key) <= 100
        redis.delete(key)  # its time has come
        assert log_in(client, person.username).status_code == httpx.codes.CREATED


def test_many_guesses_at_once_are_five_guesses(api: Api) -> None:
    person = api.warehouse.person()

    def guess() -> int:
        with from_address(api, "127.0.1.4") as client:
            return log_in(client, person.username, "wrong").status_code

    assert at_once([guess] * 12) == [httpx.codes.UNAUTHORIZED] * 12
    with closing(connect_worker(api.settings)) as redis:
        (key,) = redis.keys("tt:login:pair:*:127.0.1.4")
        assert redis.get(key) == b"5"


def test_while_somebody_guesses_from_elsewhere_the_owner_still_gets_in_where_they_did_before(api: Api) -> None:
    person = api.warehouse.person()
    with from_address(api, "127.0.1.5") as owner:
        assert log_in(owner, person.username).status_code == httpx.codes.CREATED
        for number in range(ACCOUNT_FAILURES_MOST // 5):
            with from_address(api, f"127.0.2.{number + 1}") as attacker:
                for _ in range(6):
                    problem_of(log_in(attacker, person.username, "wrong"), 401)

        with from_address(api, "127.0.2.100") as another:  # a fresh address helps the attacker no more
            problem_of(log_in(another, person.username), 401)
        assert log_in(owner, person.username).status_code == httpx.codes.CREATED


def test_an_address_that_tries_many_accounts_has_had_enough_but_locks_no_one_out_who_was_there_before(api: Api) -> None:
    regular, newcomer = api.warehouse.person(), api.warehouse.person()
    with from_address(api, "127.0.3.1") as client:
        assert log_in(client, regular.username).status_code == httpx.codes.CREATED
        with closing(connect_worker(api.settings)) as redis:
            redis.set("tt:login:address:127.0.3.1", ADDRESS_FAILURES_MOST - 1)
        problem_of(log_in(client, "some_name", "wrong"), 401)

        problem_of(log_in(client, newcomer.username), 401)
        assert log_in(client, regular.username).status_code == httpx.codes.CREATED


def test_unknown_wrong_locked_and_disabled_take_as_long(api: Api) -> None:
    person, gone, locked = (api.warehouse.person() for _ in range(3))
    api.warehouse.change("UPDATE app_user SET disabled_at = now() WHERE user_id = :id", id=gone.user_id)
    took: dict[str, list[float]] = {}
    with from_address(api, "127.0.1.6") as client:
        for _ in range(5):
            log_in(client, locked.username, "wrong")
        for number in range(4):
            for case, username in (
                ("unknown", f"nobody_{number}"),
                ("wrong", person.username),
                ("disabled", gone.username),
                ("locked", locked.username),
            ):
                began = time.perf_counter()
                problem_of(log_in(client, username, "wrong"), 401)
                took.setdefault(case, []).append(time.perf_counter() - began)

    best = {case: min(times) for case, times in took.items()}
    assert min(best.values()) > statistics.median(best.values()) / 2, best


def test_what_is_typed_as_a_username_is_nowhere_in_redis(api: Api) -> None:
    with from_address(api, "127.0.1.7") as client, closing(connect_worker(api.settings)) as redis:
        log_in(client, "my secret by mistake", "wrong")
        assert not [key for key in redis.scan_iter("*") if b"secret" in key]


@pytest.mark.parametrize("field", ["totp", "recovery_code"])
def test_a_code_makes_no_difference_where_there_is_no_second_factor(api: Api, field: str) -> None:
    person = api.warehouse.person()
    with from_address(api, "127.0.1.8") as client:
        assert log_in(client, person.username, **{field: "123456"}).status_code == httpx.codes.CREATED
