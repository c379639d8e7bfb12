"""Argon2id beside the event loop, at most so many at once, so that guessing fills neither the processors nor memory."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tracetrack_common import passwords
from tracetrack_common.errors import OverloadedError

AT_ONCE = 4
"""Each takes 64 MiB and some 50 ms of a processor."""
WAITING_MOST = 64
"""A few seconds' worth; whoever comes then is told to come again."""

Given = TypeVar("Given")


class Hashing:
    """Checks, hashes and verifies passwords on threads of its own."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="hashing")
        self._waiting = 0

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Check a password; takes as long for nobody's (None).

        Raises
        ------
        OverloadedError
            Too many wait.
        """
        return await self._run(lambda: passwords.verify_password(password, password_hash))

    async def make(self, password: str, *, words: tuple[str | None, ...], repeatable_for: str | None = None) -> str:
        """Give the hash of a new password that keeps to the policy.

        Raises
        ------
        InvalidInputError
            It does not.
        OverloadedError
            Too many wait.
        """

        def check_and_hash() -> str:
            passwords.check_password(password, words=words)
            return passwords.hash_password(password, repeatable_for=repeatable_for)

        return await self._run(check_and_hash)

    def close(self) -> None:
        """Begin nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], Given]) -> Given:
        if self._waiting >= WAITING_MOST:
            raise OverloadedError("Too many log in at once; try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._waiting -= 1
