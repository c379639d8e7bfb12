"""People whose commands must be done once: each asks again under its Idempotency-Key until it has a 2xx."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
from sqlalchemy import text

from tests.fault.case import Case
from tests.support.waiting import eventually
from tracetrack_common.ids import uuid7

PEOPLE = 8
ANSWER_S = 120.0

_KEYS = text("SELECT idempotency_key, status FROM command WHERE idempotency_key = ANY(:keys)")


class Asked(NamedTuple):
    """A command, and the key that names it."""

    key: str
    path: str
    body: Mapping[str, Any]


class Office:
    """People at screens.

    Parameters
    ----------
    case
        Whose system they use.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self.asked: list[Asked] = []

    @contextmanager
    def asking(self, wishes: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[None]:
        """Have people ask for all of this at once; the block ends when each has a 2xx."""
        asked = [Asked(uuid7().hex, path, body) for path, body in wishes]
        self.asked += asked
        token = self._case.admin_token()
        with ThreadPoolExecutor(PEOPLE) as pool:
            answers = [pool.submit(self._ask, each, token) for each in asked]
            yield
            for answer in answers:
                answer.result(ANSWER_S)

    def _ask(self, asked: Asked, token: str) -> None:
        with self._case.system.client(token) as person:

            def answered() -> bool:
                headers = {"Idempotency-Key": asked.key, "Prefer": "wait=1"}
                try:
                    return person.post(asked.path, json=asked.body, headers=headers, timeout=5).is_success
                except httpx.TransportError:
                    return False

            eventually(answered, within_s=ANSWER_S)

    def undone(self) -> list[str]:
        """Give the keys of commands that were accepted and not done."""
        keys = [each.key for each in self.asked]
        with self._case.database() as database, database.snapshot() as connection:
            done = {row.idempotency_key for row in connection.execute(_KEYS, {"keys": keys}) if row.status == "done"}
        return sorted(set(keys) - done)
