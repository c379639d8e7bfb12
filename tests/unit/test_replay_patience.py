"""Trying again: what is worth it, how long a device waits, and when it gives up."""

import asyncio
import random

import httpx
import pytest

from tracetrack_local.errors import LauncherError
from tracetrack_local.replay.patience import Patience


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
