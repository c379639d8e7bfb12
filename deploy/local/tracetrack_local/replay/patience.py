"""Trying again: which answers are worth it, how long to wait, when to give up."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import httpx

from tracetrack_device import Backoff, read_retry_after
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
        rng = rng or random.Random()  # noqa: S311 - jitter is no secret
        self._backoff = Backoff(first_s=FIRST_DELAY_S, most_s=MOST_DELAY_S, rng=rng)
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
            delay_s = self._backoff.choose(tries, retry_after_s)
            if now + delay_s > give_up_at:
                raise LauncherError(
                    f"The gateway {trouble}, for {self._patience_s:.0f} s now; see `tracetrack logs gateway`."
                )
            tries += 1
            self.retries += 1
            await asyncio.sleep(delay_s)
