"""A case of the fault suite: a system, devices at work on it, and the figures that come of breaking it."""

import dataclasses
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fault.books import Balance, balance
from tests.fault.fleet import Fleet
from tests.fault.sabotage import find_process, standing_still
from tests.fault.waves import Wanted, new_sack, plan_wave
from tests.support.system import RunningSystem, scan_of
from tests.support.waiting import eventually
from tracetrack_common.celery_app import DRAIN_TASKS, build_publisher
from tracetrack_common.db.session import Database
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


HEADINGS = (
    "case",
    "runs",
    "accepted",
    "failed work",
    "LOST",
    "DOUBLE",
    "UNEXPLAINED",
    "first success s",
    "empty s",
    "also",
)


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

    def summon(self) -> None:
        """Call a worker to the scans' ledger, as a gateway does; one too many finds nothing to do."""
        with closing(build_publisher(self.system.servers, name="tests-fault")) as app:
            app.send_task(DRAIN_TASKS["scans"], queue="scans")

    def await_commands(self, count: int) -> None:
        """Wait until so many commands wait."""
        with self.system.redis() as redis:
            eventually(lambda: redis.xlen(LedgerKeys("commands").stream) >= count)

    def await_empty(self, *, within_s: float = RECOVERY_S) -> None:
        """Wait until no ledger holds anything."""
        with self.system.redis() as redis:
            streams = [LedgerKeys(queue).stream for queue in DRAIN_TASKS]
            eventually(lambda: not any(redis.xlen(stream) for stream in streams), within_s=within_s)

    @property
    def lease_s(self) -> float:
        """How long a worker's entry may stay untouched, in this system."""
        return float(self.system.environment.get("TRACETRACK_LEASE_S", self.system.servers.lease_s))

    def admin_token(self) -> str:
        """Give the token of a new session of the first admin."""
        with self.system.admin() as admin:
            return admin.headers["Authorization"].removeprefix("Bearer ")

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Connect to the system's database, as the role that owns it."""
        with closing(Database(self.system.superuser, application_name="tests-fault")) as database:
            yield database

    def submit(self, kind: str, code: str, sack: str | None = None, *, wait_s: int = 0) -> httpx.Response:
        """Submit a scan of its own and give the answer, a 2xx or 503; it is in the books."""
        body = scan_of(kind, code, **({} if sack is None else {"parent_code": sack}))
        self._probes[body["scan_id"]] = Wanted(kind, code, sack)
        with self.system.client(self.fleet.probe_token) as device:
            answer = device.post("/api/v1/scans", json=body, headers={"Prefer": f"wait={wait_s}"})
        if answer.is_success:
            self._probed.add(body["scan_id"])
        return answer

    def expect(self, body: Mapping[str, Any]) -> None:
        """Have a scan that the test sends by itself in the books, as one that is accepted."""
        self._probes[body["scan_id"]] = Wanted(body["kind"], body["code"], body.get("parent_code"))
        self._probed.add(body["scan_id"])

    def probe(self, *, within_s: float = RECOVERY_S) -> float:
        """Send a scan, again and again, until its outcome comes; give the seconds the answering request took."""
        wanted = Wanted("parent", new_sack())
        body = scan_of(wanted.kind, wanted.code)
        scan_id = body["scan_id"]
        self._probes[scan_id] = wanted
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

    def close_books(self, *, failed: Counter[str] | None = None, reused: bool = False) -> Balance:
        """Account for every scan, write the figures, and hold them to the promise.

        Parameters
        ----------
        failed
            Scans that must have become failed work, by reason; none when left out.
        reused
            Whether identities were sent again with other content.
        """
        self.await_empty()
        books = balance(
            self.system.servers,
            devices=[*self.fleet.names, self.fleet.probe_name],
            accepted=self.fleet.receipts.accepted.keys() | self._probed,
            wanted={**self.fleet.wanted, **self._probes},
        )
        found = self.figures
        found.accepted, found.applied = books.accepted, books.applied
        found.refused, found.failed = books.refused, books.failed.total()
        found.lost, found.doubled, found.unexplained = books.lost, books.doubled, len(books.unexplained)
        assert books.failed == (failed or Counter())
        assert bool(books.reused) == reused
        assert (books.lost, books.doubled, list(books.unexplained)) == (0, 0, []), books.unexplained
        assert books.accepted == books.applied + books.refused + books.failed.total()
        return books

    def document(self) -> dict[str, Any]:
        """Give the figures as JSON."""
        return dataclasses.asdict(self.figures)
