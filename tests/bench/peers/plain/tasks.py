"""The plain pipeline's Celery application and its one task."""

import datetime as dt
import os
import uuid
from contextlib import suppress
from functools import cache
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.bench.peers.plain.database import connect
from tests.bench.peers.plain.rules import AlreadyAppliedError, ScanMessage, apply_scan

app = Celery("plain", broker=os.environ["PLAIN_REDIS_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    task_default_queue="plain",
)


@cache
def engine() -> Engine:
    """Give the process's engine; a pool child needs one connection."""
    return connect(pool_size=1)


@worker_process_init.connect
def open_first_connection(**_: Any) -> None:
    """Connect as the pool child starts, not at its first scan."""
    engine().connect().close()


@app.task(name="plain.scan", autoretry_for=(OperationalError, IntegrityError), retry_backoff=True, max_retries=8)
def scan(**message: Any) -> None:
    """Apply one scan in one transaction. Two first scans of one bag: the later one fails on the key and is retried."""
    times = {name: dt.datetime.fromisoformat(message[name]) for name in ("scanned_at", "corrected_at", "received_at")}
    with suppress(AlreadyAppliedError), engine().begin() as connection:
        apply_scan(connection, ScanMessage(**{**message, **times, "scan_id": uuid.UUID(message["scan_id"])}))
