"""What every worker process holds, and how its drains and its sweeper are put together."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from billiard.process import active_children
from celery import Celery, signals
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from tracetrack_common.celery_app import DRAIN_TASKS
from tracetrack_common.db.session import Database
from tracetrack_common.drain import Drainer, Handled
from tracetrack_common.garbage import settle_garbage_collection
from tracetrack_common.ids import uuid7
from tracetrack_common.ledger import Entry, Ledger
from tracetrack_common.log import configure_logging, get_logger
from tracetrack_common.redis_client import connect_worker
from tracetrack_common.settings import Settings
from tracetrack_common.sweeper import Sweeper

log = get_logger(__name__)

STOP_S = 28.0
"""When a worker that was told to stop ends whatever it still does: after Celery's own patience of 25 s, before the 30 s
it has. A pool process that waits for a Postgres that hangs hears no other signal."""


class WorkerProcess:
    """The connections of one pool process: made at first use, so after the fork.

    Parameters
    ----------
    settings
        Addresses and limits.
    name
        The service, as it shows in `pg_stat_activity`.
    """

    def __init__(self, settings: Settings, *, name: str) -> None:
        self.settings = settings
        self.name = name

    @cached_property
    def database(self) -> Database:
        """The pool of connections to Postgres."""
        return Database(self.settings, application_name=self.name)

    @cached_property
    def redis(self) -> Redis:
        """The connection to Redis."""
        return connect_worker(self.settings)

    @cached_property
    def consumer(self) -> str:
        """The name of this process in every ledger, never used before."""
        return f"{socket.gethostname()}-{os.getpid()}-{uuid7().hex[-8:]}"

    def drain(self, app: Celery, queue: str, handle: Callable[[Sequence[Entry]], Handled]) -> int:
        """Drain a queue's ledger.

        Parameters
        ----------
        app
            Sends further summonses.
        queue
            Which queue.
        handle
            Applies entries and commits.

        Returns
        -------
        int
            How many entries were settled.
        """
        ledger = Ledger(self.redis, queue, consumer=self.consumer, lease_s=self.settings.lease_s)
        drainer = Drainer(ledger, handle, summon=summoner(app, queue), lease_s=self.settings.lease_s)
        return drainer.drain()


def summoner(app: Celery, queue: str, *, task: str | None = None) -> Callable[[], None]:
    """Give what sends a summons for a queue's ledger; one that cannot be sent is made up for by the sweeper's next.

    Parameters
    ----------
    app, queue
        Sends it, on this queue.
    task
        What is summoned, where it is not the drain of the ledger.
    """

    def summon() -> None:
        try:
            app.send_task(task or DRAIN_TASKS[queue], queue=queue, ignore_result=True, retry=False)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("summons_not_sent", queue=queue, reason=str(error))

    return summon


def install_worker_signals(
    app: Celery,
    settings: Settings,
    *,
    process: str,
    queues: Iterable[str],
    chores: Mapping[str, Callable[[Redis], None]] | None = None,
) -> None:
    """Set up a worker's logging and, in its main process, the sweeper of the ledgers it serves.

    Parameters
    ----------
    app
        The service's application.
    settings
        Addresses and limits.
    process
        The name in log records until the worker's own (``scans@host``) is known.
    queues
        Queues with a ledger that this service can serve; those the worker really consumes are swept.
    chores
        What the sweeper of a queue's worker sees to besides, by queue.
    """
    sweepers: list[Sweeper] = []

    def setup_logging(**_: Any) -> None:
        configure_logging(settings.log_level, process=process)

    def name_worker(sender: str, **_: Any) -> None:
        nonlocal process
        process = sender

    def name_beat(**_: Any) -> None:
        configure_logging(settings.log_level, process="beat")

    def start_sweeper(**_: Any) -> None:
        redis = connect_worker(settings)
        served = [queue for queue in queues if queue in app.amqp.queues.consume_from]
        ledgers = {
            Ledger(redis, queue, consumer="sweeper", lease_s=settings.lease_s): summoner(app, queue) for queue in served
        }
        due = [partial(chore, redis) for queue, chore in (chores or {}).items() if queue in served]
        sweeper = Sweeper(ledgers, interval_s=settings.sweep_interval_s, chores=due)
        sweeper.start()
        sweepers.append(sweeper)

    def stop_sweeper(**_: Any) -> None:
        for sweeper in sweepers:
            sweeper.stop()

    def stop_in_time(**_: Any) -> None:
        watchdog = threading.Timer(STOP_S, _end_now)
        watchdog.daemon = True
        watchdog.start()

    def settle_process(**_: Any) -> None:
        settle_garbage_collection()

    signals.celeryd_init.connect(name_worker, weak=False)
    signals.beat_init.connect(name_beat, weak=False)
    signals.setup_logging.connect(setup_logging, weak=False)
    signals.worker_process_init.connect(settle_process, weak=False)
    signals.worker_ready.connect(start_sweeper, weak=False)
    signals.worker_shutting_down.connect(stop_in_time, weak=False)
    signals.worker_shutting_down.connect(stop_sweeper, weak=False)


def _end_now() -> None:
    """End this process and its pool; what the pool held is taken over when its lease has run out."""
    log.error("worker_ended_in_its_work", after_s=STOP_S)
    for child in active_children():
        if child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
    os._exit(1)
