"""Trying again: which answers are worth it, how long to wait, when to give up."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from tracetrack_local.errors import LauncherError

RETRIED_STATUSES: Final = frozenset(
    {
        httpx.codes.TOO_MANY_REQUESTS,
        httpx.codes.BAD_GATEWAY,
        httpx.codes.SERVICE_UNAVAILABLE,
        httpx.codes.GATEWAY_TIMEOUT,
    }
)
"""Answers that say nothing was accepted, or that nobody knows; a repeated scan_id does no harm."""

FIRST_DELAY_S: Final = 0.1
MOST_DELAY_S: Final = 5.0
PATIENCE_S: Final = 120.0
"""A restart of every process takes seconds; after two minutes somebody must look."""

_UNANSWERED = httpx.TransportError


class Patience:
    """
    Repeats a request until it is answered.

    Parameters
    ----------
    rng
        Source of jitter, so that fifty devices do not come back at the same instant.
    patience_s
        How long to go on, in seconds, from the first failure.
    """

    def __init__(self, rng: random.Random | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self._rng = rng or random.Random()  # noqa: S311 - jitter is no secret
        self._patience_s = patience_s
        self.retries = 0

    async def send(self, attempt: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """
        Give the first answer that is not a request to come again.

        Parameters
        ----------
        attempt
            Sends the request once, built anew: `sent_at` must be the time of this very attempt.

        Raises
        ------
        LauncherError
            When there is none in time.
        """
        loop = asyncio.get_running_loop()
        give_up_at: float | None = None
        tries = 0
        while True:
            retry_after_s = 0.0
            try:
                answer = await attempt()
                if answer.status_code not in RETRIED_STATUSES:
                    return answer
                retry_after_s = read_retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
                trouble = f"answers {answer.status_code} {answer.reason_phrase}"
            except _UNANSWERED as error:
                trouble = f"does not answer ({type(error).__name__})"
            now = loop.time()
            give_up_at = now + self._patience_s if give_up_at is None else give_up_at
            delay_s = self.choose_delay(tries, retry_after_s)
            if now + delay_s > give_up_at:
                raise LauncherError(
                    f"The gateway {trouble}, for {self._patience_s:.0f} s now; see `tracetrack logs gateway`."
                )
            tries += 1
            self.retries += 1
            await asyncio.sleep(delay_s)

    def choose_delay(self, tries: int, retry_after_s: float) -> float:
        """
        Choose how long to wait, in seconds: never less than the gateway asked for, growing, and scattered.

        Parameters
        ----------
        tries
            How often it was tried again before.
        retry_after_s
            What the gateway asked for; 0 when it asked for nothing.
        """
        longest = min(MOST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(tries, 16))
        return retry_after_s + self._rng.uniform(0, longest)


def read_retry_after(value: str | None, now: datetime) -> float:
    """
    Read a `Retry-After` header: seconds, or a date.

    Returns
    -------
    float
        Seconds to wait, never negative; 0 when there is no such header or it makes no sense.
    """
    if value is None:
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
