"""Trying again: what is worth it, how long a device waits, and when it gives up."""

import asyncio
import random
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_local.errors import LauncherError
from tracetrack_local.replay.patience import MOST_DELAY_S, Patience, read_retry_after

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class NoJitter(random.Random):
    """Chance that always falls on the shortest delay, so that a test takes no time."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the signature of the class
        return a


def answer_in_turn(*answers: int | httpx.TransportError, patience_s: float = 60) -> tuple[httpx.Response, Patience]:
    """Send until there is an answer that stands, and give it."""
    turns = iter(answers)

    async def attempt() -> httpx.Response:
        turn = next(turns)
        if isinstance(turn, httpx.TransportError):
            raise turn
        return httpx.Response(turn)

    patience = Patience(NoJitter(), patience_s=patience_s)
    return asyncio.run(patience.send(attempt)), patience


@pytest.mark.parametrize("status", [200, 202, 400, 401, 404, 409, 413, 422, 500])
def test_an_answer_that_stands_is_given_at_once(status: int) -> None:
    answer, patience = answer_in_turn(status)

    assert answer.status_code == status
    assert patience.retries == 0


def test_a_busy_or_lost_gateway_is_asked_again() -> None:
    answer, patience = answer_in_turn(503, 429, httpx.ConnectError(""), httpx.ReadError(""), 502, 504, 202)

    assert answer.status_code == 202
    assert patience.retries == 6


@pytest.mark.parametrize(("trouble", "said"), [(503, "answers 503"), (httpx.ConnectError(""), "ConnectError")])
def test_patience_ends_in_a_sentence(trouble: int | httpx.TransportError, said: str) -> None:
    with pytest.raises(LauncherError, match=said):
        answer_in_turn(*[trouble] * 100_000, patience_s=0.01)


@given(st.integers(0, 1000), st.floats(0, 3600), st.integers())
def test_a_delay_is_never_shorter_than_asked_for_nor_much_longer(tries: int, asked_s: float, seed: int) -> None:
    delay_s = Patience(random.Random(seed)).choose_delay(tries, asked_s)  # noqa: S311

    assert asked_s <= delay_s <= asked_s + MOST_DELAY_S


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("3", 3),
        (" 3 ", 3),
        ("Mon, 23 Nov 2026 12:00:07 GMT", 7),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float) -> None:
    assert read_retry_after(header, NOW) == seconds
