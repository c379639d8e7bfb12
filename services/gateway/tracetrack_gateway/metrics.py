"""Metrics for Prometheus: this process's requests, and the ledgers at the moment they are asked for."""

from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from redis.exceptions import RedisError

from tracetrack_common.celery_app import DRAIN_TASKS
from tracetrack_gateway.operations import Operations

MEDIA_TYPE = CONTENT_TYPE_LATEST
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """What this process counts.

    Parameters
    ----------
    operations
        Tells the ledgers' state.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "tracetrack_requests", "Requests answered", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "tracetrack_request_seconds",
            "Seconds from a request's first byte to its answer's last",
            ["method", "route"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._entries = Gauge(
            "tracetrack_ledger_entries", "Entries accepted and not committed", ["queue"], registry=self._registry
        )
        self._age = Gauge(
            "tracetrack_ledger_oldest_seconds", "Age of the oldest of them", ["queue"], registry=self._registry
        )
        self._failed_work = Gauge(
            "tracetrack_failed_work_open",
            "Failed work that waits for a person to decide",
            ["queue"],
            registry=self._registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Parameters
        ----------
        method, route
            The route as it is declared, not the path as it was sent.
        status
            Of the answer.
        seconds
            How long it took.
        """
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    async def render(self) -> bytes:
        """Write the metrics in the text format of Prometheus; a Redis that is away leaves the ledgers' as they were."""
        with suppress(RedisError, OSError):
            for queue, state in (await self._operations.ledgers()).items():
                self._entries.labels(queue).set(state.entries)
                self._age.labels(queue).set(state.oldest_age_s)
        failed_work = await self._operations.failed_work()
        for queue in DRAIN_TASKS:
            self._failed_work.labels(queue).set(failed_work.get(queue, 0))
        return generate_latest(self._registry)
