"""Sending: one thing at a time, in the order of recording, until the server has applied everything."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracetrack_device.backoff import Backoff
from tracetrack_device.delivery import Delivery
from tracetrack_device.errors import AwayError, BatchTooLargeError
from tracetrack_device.journal import Journal
from tracetrack_device.record import Record, State
from tracetrack_device.server import Answer, Server

log = logging.getLogger(__name__)

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
        How many applied scans stay, to be looked up, or sent again to a server that was restored from a backup.
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


class Sender:
    """Brings what is in a journal to the server.

    Parameters
    ----------
    journal, server
        From where, and to where.
    habits
        How it goes about it.
    on_settled
        Told of every scan that has its outcome.
    """

    def __init__(
        self, journal: Journal, server: Server, habits: Habits, on_settled: Callable[[Record], None] | None
    ) -> None:
        self._journal = journal
        self._server = server
        self._habits = habits
        self._on_settled = on_settled
        self._retry = habits.retry or Backoff()
        self._lock = threading.Lock()
        self._batch = habits.batch
        self._knows_standing = False
        self._tries = 0
        self._not_before = 0.0
        self._sent_through = 0
        self._resend = _Resend(habits)

    @property
    def longest_pause_s(self) -> float:
        """The longest pause while the server is away, in seconds."""
        return self._retry.most_s

    def has_work(self) -> bool:
        """Tell whether any scan is not settled."""
        return self._journal.has(State.WAITING, State.ARRIVED)

    def begin_epoch(self) -> None:
        """Have what has no number yet counted in an epoch that the server says is new."""
        with self._lock:
            self._journal.begin_epoch(self._server.standing().next_epoch)

    def close(self) -> None:
        """Close the connections and the journal, when nothing is under way."""
        with self._lock:
            self._server.close()
            self._journal.close()

    def step(self) -> float | None:
        """Do the next thing; see `DeviceClient.step`."""
        with self._lock:
            return self._step()

    def _step(self) -> float | None:
        if not self.has_work():
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
        self._journal.number()
        self._send_again_what_did_not_arrive()
        records = self._journal.list_numbered(State.WAITING, after=self._sent_through, limit=self._batch)
        if records:
            self._send(records)
            return 0.0
        unheard = self._journal.list_numbered(State.ARRIVED, limit=self._batch)
        if unheard and self._send(unheard) != 0:
            return 0.0
        self._learn_standing()
        return self._habits.ask_every_s * self._resend.rng.uniform(0.5, 1.5) if self.has_work() else 0.0

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
        self._sent_through = max(self._sent_through, records[-1].position)
        answers: list[tuple[str, State, Mapping[str, Any] | None]] = [
            (scan_id, State.REFUSED, {"detail": detail}) for scan_id, detail in answer.refused.items()
        ]
        answers += [
            (scan_id, State.REFUSED if outcome["feedback"] == "stop" else State.DONE, outcome)
            for scan_id, outcome in answer.outcomes.items()
        ]
        settled = self._journal.settle(answers)
        self._note(answer.delivery)
        if self._on_settled is not None:
            for record in settled:
                self._on_settled(record)
        if answer.delivery is not None and self._journal.list_forgotten(answer.delivery):
            self._learn_standing()  # a reply may be old: what is in the database decides
        return len(settled)

    def _send_again_what_did_not_arrive(self) -> None:
        """Go back to the oldest scan that was accepted and has not arrived, when that was long ago."""
        oldest = self._journal.list_numbered(State.WAITING, limit=1)
        if not oldest or oldest[0].position > self._sent_through:
            return
        if self._resend.is_due(oldest[0].position):
            self._learn_standing()
            log.info("sending again from seq %s of epoch %s", oldest[0].seq, oldest[0].epoch)
            self._sent_through = oldest[0].position - 1

    def _learn_standing(self) -> None:
        standing = self._server.standing()
        own = next((each for each in standing.epochs if each.epoch == self._journal.epoch), None)
        for delivery in standing.epochs:
            self._note(delivery)
            self._send_again_what_was_forgotten(delivery)
        if own is None and self._journal.epoch is not None:
            self._send_again_what_was_forgotten(Delivery.nothing(self._journal.epoch))
        if not self._knows_standing:
            is_behind = own is not None and (own.highest_seq or 0) > self._journal.last_seq
            if is_behind:
                log.warning("the journal is older than what this device has sent: counting in a new epoch")
            if self._journal.epoch is None or is_behind:
                self._journal.begin_epoch(standing.next_epoch)
            self._knows_standing = True

    def _send_again_what_was_forgotten(self, delivery: Delivery) -> None:
        """Go back to what the database had and has no longer: it was restored from a backup."""
        forgotten = self._journal.list_forgotten(delivery)
        if forgotten:
            log.warning("the server has lost %d scans of epoch %d: sending them again", len(forgotten), delivery.epoch)
            self._journal.reopen(forgotten)
            self._sent_through = min(self._sent_through, forgotten[0].position - 1)

    def _note(self, delivery: Delivery | None) -> None:
        if delivery is not None:
            self._journal.note_delivery(delivery, State.ARRIVED if self._habits.wait_s else State.DONE)


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
