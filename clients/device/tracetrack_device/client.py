"""The client of a device: it records, sends, and sends again until everything is applied."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import httpx

from tracetrack_device.errors import DeviceError
from tracetrack_device.identity import uuid7
from tracetrack_device.journal import Journal
from tracetrack_device.record import Record, State
from tracetrack_device.sender import Habits, Sender
from tracetrack_device.server import Server

log = logging.getLogger(__name__)

Kind = Literal["parent", "child", "bill", "return"]


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
        habits = habits or Habits()
        self._wake = threading.Event()
        self._stepped = threading.Condition()
        self._is_delivering = False
        self.journal = Journal(journal, keep_done=habits.keep_done)
        self._sender = Sender(self.journal, Server(url, token, http=http), habits, on_settled)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal and the connections; what waits is sent by the next client on this journal."""
        self._sender.close()

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
        return self._go_on(deadline, lambda: not self._sender.has_work())

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
        self._sender.begin_epoch()

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
        pause_s = self._sender.step()
        with self._stepped:
            self._stepped.notify_all()
        return pause_s

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
                pause_s = self._sender.longest_pause_s
            except Exception:
                # A device whose sending has ended unseen would look well for days.
                log.exception("a defect, or one of on_settled")
                pause_s = self._sender.longest_pause_s
            if pause_s != 0:
                self._wake.wait(pause_s)
