"""What operators look at: readiness, counts, queues."""

import asyncio
import time
from typing import Any

from redis import asyncio as aioredis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tracetrack_common import tally
from tracetrack_common.celery_app import DRAIN_TASKS
from tracetrack_common.db.session import Database
from tracetrack_common.domain.scans import Feedback, Outcome
from tracetrack_common.ledger import LedgerKeys, LedgerState, queue_state_commands, read_queue_state
from tracetrack_gateway import storage

_STATS_TTL_S = 1.0
_FAILED_WORK_WAIT_S = 0.5
"""How long metrics wait for Postgres, which may hang: they must be there then above all."""


class Operations:
    """Answers how the system is.

    Parameters
    ----------
    redis
        The ledgers.
    database
        The totals.
    lease_s
        Seconds after which an entry counts as abandoned.
    """

    def __init__(self, redis: aioredis.Redis, database: Database, *, lease_s: float) -> None:
        self._redis = redis
        self._database = database
        self._lease_ms = int(lease_s * 1000)
        self._totals: tuple[dict[str, Any], float] | None = None
        self._failed_work: dict[str, int] = {}
        self._failed_work_count: asyncio.Task[dict[str, int]] | None = None
        self.cache_hits = 0
        self.cache_misses = 0

    async def ledgers(self) -> dict[str, LedgerState]:
        """Give the state of every ledger.

        Raises
        ------
        redis.exceptions.RedisError
            Redis does not answer.
        """
        states = {}
        for queue in DRAIN_TASKS:
            pipeline = self._redis.pipeline(transaction=False)
            queue_state_commands(pipeline, LedgerKeys(queue), self._lease_ms)
            states[queue] = read_queue_state(await pipeline.execute(raise_on_error=False))
        return states

    async def readiness(self) -> tuple[bool, dict[str, str]]:
        """Tell whether this process can do its work, and what each part it needs says."""
        redis, database = await asyncio.gather(self._check_redis(), asyncio.to_thread(self._check_database))
        return redis == database == "ok", {"redis": redis, "database": database}

    async def stats(self) -> dict[str, Any]:
        """Give counts and queue state; the ledgers are live, the counts at most a second old.

        Raises
        ------
        redis.exceptions.RedisError, sqlalchemy.exc.SQLAlchemyError
            A part does not answer.
        """
        ledgers = await self.ledgers()
        if self._totals is not None and self._totals[1] > time.monotonic():
            self.cache_hits += 1
        else:
            self.cache_misses += 1
            self._totals = (await asyncio.to_thread(self._count), time.monotonic() + _STATS_TTL_S)
        return {
            "ledger": {
                queue: {
                    "entries": state.entries,
                    "oldest_age_s": state.oldest_age_s,
                    "undelivered": state.undelivered,
                }
                for queue, state in ledgers.items()
            },
            **self._totals[0],
        }

    async def failed_work(self) -> dict[str, int]:
        """Give how much failed work is open, by queue; while Postgres does not answer, as it was when it last did."""
        if self._failed_work_count is None:
            self._failed_work_count = asyncio.create_task(asyncio.to_thread(self._count_failed_work))
        count = self._failed_work_count
        await asyncio.wait({count}, timeout=_FAILED_WORK_WAIT_S)
        if count.done():
            self._failed_work_count = None
            if count.exception() is None:
                self._failed_work = count.result()
        return self._failed_work

    def _count_failed_work(self) -> dict[str, int]:
        with self._database.snapshot() as connection:
            return storage.count_failed_work(connection)

    def _count(self) -> dict[str, Any]:
        with self._database.snapshot() as connection:
            totals = tally.read(connection)
            failed = storage.count_failed_work(connection)
        by_outcome = {outcome.value: totals.get(f"scan.{outcome}", 0) for outcome in Outcome}
        by_feedback = {feedback.value: 0 for feedback in Feedback}
        for outcome in Outcome:
            by_feedback[outcome.feedback] += by_outcome[outcome.value]
        return {
            "failed_work": sum(failed.values()),
            "scans": {"total": sum(by_outcome.values()), "by_outcome": by_outcome, "by_feedback": by_feedback},
            "bags": {"parents": totals.get("bag.parent", 0), "children": totals.get("bag.child", 0)},
        }

    async def _check_redis(self) -> str:
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            return str(error) or type(error).__name__
        return "ok"

    def _check_database(self) -> str:
        try:
            with self._database.snapshot() as connection:
                connection.execute(text("SELECT FROM scan LIMIT 1"))
        except SQLAlchemyError as error:
            return str(getattr(error, "orig", error)).strip().splitlines()[0]
        return "ok"
