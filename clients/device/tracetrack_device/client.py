"""The client of a device: it records, sends, and sends again until everything is applied."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from tracetrack_device.backoff import Backoff
from tracetrack_device.delivery import Delivery
from tracetrack_device.errors import AwayError, BatchTooLargeError, DeviceError
from tracetrack_device.identity import uuid7
from tracetrack_device.journal import Journal
from tracetrack_device.record import Record, State
from tracetrack_device.server import Answer, Server

log = logging.getLogger(__name__)

Kind = Literal["parent", "child", "bill", "return"]

_WRONG_SIZE = "this one scan is larger than the server takes"


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How a client goes about it.

    Parameters
    ----------
    batch
        Most scans in a request.
    wait_s
        How long the server may hold a request for the outcomes, in whole seconds. With 0 outcomes are not asked for: a
        scan is done when the server says that its counter arrived, and what it refused shows on the server only.
    ask_every_s
        How often the server is asked what has arrived, while it has accepted scans and not applied them.
    resend_after_s, resend_most_s
        What was accepted and has not arrived after so long is sent again; the time doubles up to the most while
        nothing arrives, since a server with a backlog is not helped by hearing everything twice.
    keep_done
        How many applied scans stay to be looked up.
    retry
        The pauses while the server is away.
    """

    batch: int = 200
    wait_s: int = 5
    ask_every_s: float = 1.0
    resend_after_s: float = 5.0
    resend_most_s: float = 120.0
    keep_done: int = 1_000
    retry: Backoff | None = None


class DeviceClient:
    """A device's way to the server. Any thread may use it; one of them at a time talks to the server.

    Parameters
    ----------
    url, token
        The gateway's address and the device's token.
    journal
        The journal's file.
    habits
        How it goes about it.
    http
        An `httpx.Client` of the caller's own.
    on_settled
        Told of every scan that has its outcome, on the thread that talks to the server; it may record, but not wait
        for anything to be sent.

    Raises
    ------
    JournalError
        The journal cannot be opened.
    """

    def __init__(
        self,
        url: str,
        token: str,
        journal: Path | str,
        *,
        habits: Habits | None = None,
        http: httpx.Client | None = None,
        on_settled: Callable[[Record], None] | None = None,
    ) -> None:
        self._habits = habits or Habits()
        self._retry = self._habits.retry or Backoff()
        self._on_settled = on_settled
        self._sending = threading.Lock()
        self._wake = threading.Event()
        self._stepped = threading.Condition()
        self._is_delivering = False
        self._batch = self._habits.batch
        self._knows_standing = False
        self._tries = 0
        self._not_before = 0.0
        self._sent_through = 0
        self._resend = _Resend(self._habits)
        self.journal = Journal(journal, keep_done=self._habits.keep_done)
        self._server = Server(url, token, http=http)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal and the connections; what waits is sent by the next client on this journal."""
        with self._sending:
            self._server.close()
            self.journal.close()

    def record(
        self,
        kind: Kind,
        code: str,
        *,
        parent_code: str | None = None,
        bill_no: str | None = None,
        return_no: str | None = None,
        scanned_at: datetime | None = None,
    ) -> str:
        """Record a scan; when this returns it is on the disk and will be applied.

        Parameters
        ----------
        kind, code
            What was scanned, as read.
        parent_code, bill_no, return_no
            What it belongs to, by kind.
        scanned_at
            The device's clock, aware; now when left out.

        Returns
        -------
        str
            The scan's identity.

        Raises
        ------
        JournalError
            It could not be written down: tell the person at once.
        """
        scan_id = str(uuid7())
        targets = {"parent_code": parent_code, "bill_no": bill_no, "return_no": return_no}
        body = {
            "scan_id": scan_id,
            "kind": kind,
            "code": code,
            **{name: value for name, value in targets.items() if value is not None},
            "scanned_at": (scanned_at or datetime.now(UTC)).isoformat(),
        }
        self.journal.record(scan_id, body)
        self._wake.set()
        return scan_id

    def scan(self, kind: Kind, code: str, *, within_s: float = 5.0, **target: str) -> Record:
        """Record a scan and try to get its outcome at once.

        Parameters
        ----------
        kind, code
            What was scanned, as read.
        within_s
            How long the person waits. Without an answer the scan waits in the journal; show that it is recorded.
        **target
            What it belongs to, as for `record`.

        Returns
        -------
        Record
            How it stands; its `feedback` is None while the outcome is not known.
        """
        scan_id = self.record(kind, code, **target)  # type: ignore[arg-type]
        if self._is_delivering:
            with self._stepped:
                self._stepped.wait_for(lambda: self._settled(scan_id), within_s)
        else:
            self._go_on(time.monotonic() + within_s, lambda: self._settled(scan_id))
        found = self.journal.look(scan_id)
        if found is None:
            raise DeviceError(f"the scan {scan_id} was settled and is no longer kept; keep more")
        return found

    def deliver(self, within_s: float | None = None) -> bool:
        """Send what waits, and again, until everything is settled.

        Parameters
        ----------
        within_s
            How long; for as long as it takes when left out.

        Returns
        -------
        bool
            Whether everything is settled.

        Raises
        ------
        TokenRefusedError, ProtocolError, JournalError
            A person must look; what waits is kept.
        """
        deadline = None if within_s is None else time.monotonic() + within_s
        return self._go_on(deadline, lambda: not self._journal_has_open)

    @contextmanager
    def delivering(self) -> Iterator[Self]:
        """Deliver from a thread of its own, for as long as the block runs."""
        stopping = threading.Event()
        thread = threading.Thread(target=self._run, args=(stopping,), name="tracetrack-device", daemon=True)
        self._is_delivering = True
        thread.start()
        try:
            yield self
        finally:
            stopping.set()
            self._wake.set()
            thread.join()
            self._is_delivering = False

    @property
    def waiting(self) -> int:
        """How many scans are not settled."""
        return self.journal.count(State.WAITING, State.ARRIVED)

    def troubles(self) -> list[Record]:
        """Give the scans that were refused or failed and that nobody has dismissed, oldest first."""
        return self.journal.list_in(State.REFUSED, State.FAILED)

    def dismiss(self, scan_id: str) -> bool:
        """Take a refused or failed scan off that list; tell whether it was on it."""
        return self.journal.dismiss(scan_id)

    def begin_epoch(self) -> None:
        """Count what is recorded from now on in a new epoch: needed after the journal was restored from a copy.

        Raises
        ------
        AwayError, TokenRefusedError, ProtocolError
            The server could not be asked for one.
        """
        with self._sending:
            self.journal.begin_epoch(self._server.standing().next_epoch)

    def step(self) -> float | None:
        """Do the next thing that is to be done.

        Returns
        -------
        float or None
            Seconds until it makes sense to do the next; None when everything is settled.

        Raises
        ------
        TokenRefusedError, ProtocolError, JournalError
            A person must look.
        """
        with self._sending:
            pause_s = self._step()
        with self._stepped:
            self._stepped.notify_all()
        return pause_s

    @property
    def _journal_has_open(self) -> bool:
        return self.journal.has(State.WAITING, State.ARRIVED)

    def _step(self) -> float | None:
        if not self._journal_has_open:
            return None
        early_s = self._not_before - time.monotonic()
        if early_s > 0:
            return early_s
        try:
            pause_s = self._do_next()
        except AwayError as error:
            pause_s = self._retry.choose(self._tries, error.retry_after_s)
            self._tries += 1
            self._not_before = time.monotonic() + pause_s
            log.info("away: %s; trying again in %.1f s", error, pause_s)
        else:
            self._tries = 0
        return pause_s

    def _do_next(self) -> float:
        if not self._knows_standing:
            self._learn_standing()
        self.journal.number()
        self._send_again_what_did_not_arrive()
        records = self.journal.list_in(State.WAITING, after=self._sent_through, limit=self._batch)
        if records:
            if self._send(records) is not None:
                self._sent_through = records[-1].position
            return 0.0
        unheard = self.journal.list_in(State.ARRIVED, limit=self._batch)
        if unheard and self._send(unheard) != 0:
            return 0.0
        self._learn_standing()
        return self._habits.ask_every_s * self._resend.rng.uniform(0.5, 1.5) if self._journal_has_open else 0.0

    def _send(self, records: Sequence[Record]) -> int | None:
        """Send a batch and note what comes back.

        Returns
        -------
        int or None
            How many of them it settled; None when they must be sent in smaller parts.
        """
        try:
            answer = self._server.submit(records, wait_s=self._habits.wait_s)
        except BatchTooLargeError:
            if len(records) > 1:
                self._batch = len(records) // 2
                return None
            answer = Answer(refused={records[0].scan_id: _WRONG_SIZE})
        answers: list[tuple[str, State, Mapping[str, Any] | None]] = [
            (scan_id, State.REFUSED, {"detail": detail}) for scan_id, detail in answer.refused.items()
        ]
        answers += [
            (scan_id, State.REFUSED if outcome["feedback"] == "stop" else State.DONE, outcome)
            for scan_id, outcome in answer.outcomes.items()
        ]
        settled = self.journal.settle(answers)
        self._note(answer.delivery)
        if self._on_settled is not None:
            for record in settled:
                self._on_settled(record)
        return len(settled)

    def _send_again_what_did_not_arrive(self) -> None:
        """Go back to the oldest scan that was accepted and has not arrived, when that was long ago."""
        oldest = self.journal.list_in(State.WAITING, limit=1)
        if not oldest or oldest[0].position > self._sent_through:
            return
        if self._resend.is_due(oldest[0].position):
            self._learn_standing()
            log.info("sending again from seq %s of epoch %s", oldest[0].seq, oldest[0].epoch)
            self._sent_through = oldest[0].position - 1

    def _learn_standing(self) -> None:
        standing = self._server.standing()
        for delivery in standing.epochs:
            self._note(delivery)
        if not self._knows_standing:
            own = next((each for each in standing.epochs if each.epoch == self.journal.epoch), None)
            is_behind = own is not None and (own.highest_seq or 0) > self.journal.last_seq
            if is_behind:
                log.warning("the journal is older than what this device has sent: counting in a new epoch")
            if self.journal.epoch is None or is_behind:
                self.journal.begin_epoch(standing.next_epoch)
            self._knows_standing = True

    def _note(self, delivery: Delivery | None) -> None:
        if delivery is not None:
            self.journal.note_delivery(delivery, State.ARRIVED if self._habits.wait_s else State.DONE)

    def _settled(self, scan_id: str) -> bool:
        found = self.journal.look(scan_id)
        return found is None or found.is_settled

    def _go_on(self, deadline: float | None, is_enough: Callable[[], bool]) -> bool:
        """Take steps until it is enough or time is up; tell whether it is enough."""
        while not is_enough():
            pause_s = self.step() or 0.0
            if deadline is not None and time.monotonic() + pause_s > deadline:
                return is_enough()
            time.sleep(pause_s)
        return True

    def _run(self, stopping: threading.Event) -> None:
        while True:
            self._wake.clear()
            if stopping.is_set():
                return
            try:
                pause_s = self.step()
            except DeviceError as error:
                log.error("a person must look: %s", error)  # noqa: TRY400 - one sentence; nothing is lost
                pause_s = self._retry.most_s
            if pause_s != 0:
                self._wake.wait(pause_s)


class _Resend:
    """Decides when what was accepted is sent again."""

    def __init__(self, habits: Habits) -> None:
        self.rng = random.Random()  # noqa: S311 - jitter is no secret
        self._habits = habits
        self._position = 0
        self._wait_s = 0.0
        self._at = 0.0

    def is_due(self, position: int) -> bool:
        """Tell whether the oldest scan that has not arrived should be sent again.

        Parameters
        ----------
        position
            Its place; while it stays the same nothing has arrived in order, and the time to the next resend doubles.
        """
        now = time.monotonic()
        if position != self._position:
            self._position, self._wait_s = position, self._habits.resend_after_s
        elif now < self._at:
            return False
        else:
            self._wait_s = min(self._wait_s * 2, self._habits.resend_most_s)
            self._at = now + self._wait_s * self.rng.uniform(0.75, 1.25)
            return True
        self._at = now + self._wait_s * self.rng.uniform(0.75, 1.25)
        return False
