"""A case of the fault suite: a system, devices at work on it, and the figures that come of breaking it."""

import dataclasses
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.fault.books import Balance, balance
from tests.fault.fleet import Fleet
from tests.fault.sabotage import find_process, standing_still
from tests.fault.waves import Wanted, new_sack, plan_wave
from tests.support.system import RunningSystem
from tests.support.waiting import eventually
from tracetrack_common.celery_app import DRAIN_TASKS
from tracetrack_common.ids import uuid7
from tracetrack_common.ledger import LedgerKeys

BACKLOG = 1_000
RECOVERY_S = 120.0
"""Far above any figure of the table; a case that runs into it has failed."""
_PROBE_TIMEOUT_S = 3.0


@dataclass
class Figures:
    """A line of the table.

    Parameters
    ----------
    case, claim
        Which, and what it holds.
    runs
        How often it was broken.
    accepted, applied, refused, failed
        Scans that devices have a 2xx for, and what became of them.
    lost, doubled, unexplained
        What must be nought.
    first_success_s, empty_s
        Of each run: from the end of the fault until a scan was answered, and until nothing waited.
    also
        What else was measured, by name.
    """

    case: str
    claim: str
    runs: int = 0
    accepted: int = 0
    applied: int = 0
    refused: int = 0
    failed: int = 0
    lost: int = 0
    doubled: int = 0
    unexplained: int = 0
    first_success_s: list[float] = field(default_factory=list)
    empty_s: list[float] = field(default_factory=list)
    also: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        return self.lost == self.doubled == self.unexplained == 0

    def cells(self) -> list[str]:
        """Give the line as it is printed."""
        return [
            self.case,
            *(f"{number:,}" for number in (self.runs, self.accepted, self.failed)),
            *(str(number) for number in (self.lost, self.doubled, self.unexplained)),
            describe_s(self.first_success_s),
            describe_s(self.empty_s),
            ", ".join(f"{name} {value}" for name, value in self.also.items()),
        ]


HEADINGS = ("case", "runs", "accepted", "failed work", "LOST", "DOUBLE", "UNEXPLAINED", "first success s", "empty s", "also")


def describe_s(times_s: Sequence[float]) -> str:
    """Give the median and the longest of some times."""
    return f"{statistics.median(times_s):.1f} (max {max(times_s):.1f})" if times_s else "-"


class Case:
    """What a test of this suite breaks, and its account.

    Parameters
    ----------
    figures
        Its line of the table.
    system
        The system.
    fleet
        Devices at work on it.
    rng
        Seeded; chooses whatever is left to chance.
    is_full
        Whether the long form is run.
    """

    def __init__(
        self, figures: Figures, system: RunningSystem, fleet: Fleet, rng: random.Random, *, is_full: bool
    ) -> None:
        self.figures = figures
        self.system = system
        self.fleet = fleet
        self.rng = rng
        self.is_full = is_full
        self._probes: dict[str, Wanted] = {}
        self._probed: set[str] = set()

    def runs(self, *, short: int, full: int) -> Iterator[int]:
        """Count the runs of this form."""
        for run in range(full if self.is_full else short):
            self.figures.runs += 1
            yield run

    def send(self, scans: int = BACKLOG) -> None:
        """Have the devices record a wave; they deliver it as they can."""
        self.fleet.record(plan_wave(self.rng, scans=scans, devices=self.fleet.size))

    @contextmanager
    def backlog(self, scans: int = BACKLOG) -> Iterator[None]:
        """Have so many scans accepted and none applied; the workers begin on them as the block does."""
        with standing_still(find_process(self.system, "scan-worker")):
            self.send(scans)
            self.fleet.await_accepted()
        yield

    def await_recovery(self, *, within_s: float = RECOVERY_S) -> None:
        """Measure, from now, until a scan is answered with its outcome, and until nothing waits."""
        began = time.monotonic()
        self.probe(within_s=within_s)
        self.figures.first_success_s.append(time.monotonic() - began)
        self.fleet.await_accepted()
        self.await_empty(within_s=within_s)
        self.figures.empty_s.append(time.monotonic() - began)

    def await_empty(self, *, within_s: float = RECOVERY_S) -> None:
        """Wait until no ledger holds anything."""
        with self.system.redis() as redis:
            streams = [LedgerKeys(queue).stream for queue in DRAIN_TASKS]
            eventually(lambda: not any(redis.xlen(stream) for stream in streams), within_s=within_s)

    def probe(self, *, within_s: float = RECOVERY_S) -> float:
        """Send a scan, again and again, until its outcome comes; give the seconds the answering request took."""
        wanted = Wanted("parent", new_sack())
        scan_id = str(uuid7())
        self._probes[scan_id] = wanted
        body = {
            "scan_id": scan_id,
            "kind": wanted.kind,
            "code": wanted.code,
            "scanned_at": datetime.now(UTC).isoformat(),
        }
        with self.system.client(self.fleet.probe_token) as device:
            device.timeout = httpx.Timeout(_PROBE_TIMEOUT_S)

            def ask() -> float | None:
                began = time.monotonic()
                try:
                    answer = device.post("/api/v1/scans", json=body, headers={"Prefer": "wait=1"})
                except httpx.TransportError:
                    return None
                if answer.is_success:
                    self._probed.add(scan_id)
                return time.monotonic() - began if answer.status_code == httpx.codes.OK else None

            return eventually(ask, within_s=within_s)

    def close_books(self, *, failed: Counter[str] | None = None) -> Balance:
        """Account for every scan, write the figures, and hold them to the promise.

        Parameters
        ----------
        failed
            Scans that must have become failed work, by reason; none when left out.
        """
        self.await_empty()
        books = balance(
            self.system.servers,
            devices=[*self.fleet.names, self.fleet.probe_name],
            accepted=self.fleet.receipts.accepted | self._probed,
            wanted={**self.fleet.wanted, **self._probes},
        )
        found = self.figures
        found.accepted, found.applied = books.accepted, books.applied
        found.refused, found.failed = books.refused, books.failed
        found.lost, found.doubled, found.unexplained = books.lost, books.doubled, len(books.unexplained)
        assert books.failed == (failed or Counter()).total(), f"{books.failed} scans are failed work"
        assert (books.lost, books.doubled, list(books.unexplained)) == (0, 0, [])
        assert books.accepted == books.applied + books.refused + books.failed
        return books

    def document(self) -> dict[str, Any]:
        """Give the figures as JSON."""
        return dataclasses.asdict(self.figures)
