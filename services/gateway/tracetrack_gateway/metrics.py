"""Metrics for Prometheus: this process's requests, and the ledgers at the moment they are asked for."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from tracetrack_common.failed_work import REPLAYED_BY
from tracetrack_gateway.backpressure import Backpressure
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
        self._late_summaries = Gauge(
            "tracetrack_eod_late_summaries",
            "End-of-day summaries that are missing past their deadline",
            registry=self._registry,
        )
        self._identities = Gauge(
            "tracetrack_ledger_identities", "Scans or commands in them", ["queue"], registry=self._registry
        )
        self._registry.register(_Pressure(operations.backpressure))

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
                self._identities.labels(queue).set(state.identities)
        failed_work, late = await asyncio.gather(self._operations.failed_work(), self._operations.late_summaries())
        for queue in REPLAYED_BY:
            self._failed_work.labels(queue).set(failed_work.get(queue, 0))
        self._late_summaries.set(late)
        return generate_latest(self._registry)


class _Pressure(Collector):
    """The state of the backpressure at the moment it is asked for."""

    def __init__(self, backpressure: Backpressure) -> None:
        self._backpressure = backpressure

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Give load, state and count."""
        load = GaugeMetricFamily(
            "tracetrack_backpressure_load", "Share of the limit in use; from 1 no scan is accepted"
        )
        load.add_metric([], self._backpressure.load)
        state = GaugeMetricFamily("tracetrack_backpressure_refusing", "1 while they are refused", labels=["size"])
        refused = CounterMetricFamily("tracetrack_refused_scans", "Scans refused for want of room", labels=["size"])
        for size, scans in self._backpressure.refused_scans.items():
            state.add_metric([size], float(size in self._backpressure.refusing))
            refused.add_metric([size], scans)
        yield from (load, state, refused)
