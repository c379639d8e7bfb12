"""Summonses: the Celery messages that call a worker to a ledger. Losing one costs a second, so none is waited for."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from celery import Celery
from kombu.exceptions import OperationalError

from tracetrack_common.celery_app import DRAIN_TASKS
from tracetrack_common.log import get_logger

log = get_logger(__name__)

_PAUSE_S = 0.005
"""At most one summons in so many seconds for each queue; entries that come meanwhile go with the next."""


class Summoner:
    """Sends summonses from a thread of its own, at most one at a time for each queue.

    Parameters
    ----------
    app
        The Celery application that publishes.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="summons")
        self._wanted: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def summon(self, queue: str) -> None:
        """Ask for a worker at this queue's ledger; returns at once."""
        self._wanted.add(queue)
        if queue not in self._tasks:
            self._tasks[queue] = asyncio.create_task(self._send(queue))

    def close(self) -> None:
        """Send nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _send(self, queue: str) -> None:
        try:
            while queue in self._wanted:
                self._wanted.discard(queue)
                await asyncio.get_running_loop().run_in_executor(self._executor, self._publish, queue)
                await asyncio.sleep(_PAUSE_S)
        finally:
            del self._tasks[queue]

    def _publish(self, queue: str) -> None:
        try:
            self._app.send_task(DRAIN_TASKS[queue], queue=queue, ignore_result=True, retry=False)
        except (OperationalError, OSError) as error:
            log.warning("summons_not_sent", queue=queue, reason=str(error))
