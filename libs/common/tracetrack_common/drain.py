"""Draining a ledger: take entries, have them handled in a transaction, settle them, go on until none is left."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tracetrack_common import feed
from tracetrack_common.db.session import is_transient
from tracetrack_common.delivery import Mirrored
from tracetrack_common.ledger import Entry, Ledger
from tracetrack_common.log import get_logger

log = get_logger(__name__)

SLICE_S = 10.0
"""Longest a drain goes on before it ends and asks for the next: a worker told to stop must stop within 30 s."""
ENTRIES_PER_LOOK = 32
BYTES_PER_TRANSACTION = 256 * 1024
"""Entries are gathered up to this size: some 1,700 scans, enough to make the fixed cost of a transaction small."""
HELP_INTERVAL_S = 0.25
IDLE_MS = 1_000
"""How long a drain waits for more before it ends: in a shift the next scan comes within it and needs no summons.
It stays below the time the sign «somebody is draining» lives."""
LINGER_S = 0.02
"""How long entries that nobody waits for may gather: a transaction over more scans costs each of them less."""
_REDIS_AWAY = (RedisConnectionError, RedisTimeoutError, ReadOnlyError)
_SETTLE_PATIENCE_S = 5.0
"""How long settling is tried again while Redis is away: a restart takes a second or two, and then whoever waits for the
outcome is told in time."""
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MOST_S = 2.0


@dataclass(frozen=True, slots=True)
class Handled:
    """What handling entries gave, after its transaction has committed.

    Parameters
    ----------
    ids
        The identities that were in the entries.
    replies
        Messages for those who wait, by reply channel.
    deliveries
        What has arrived of the devices concerned, for the mirror.
    feed
        Gives the message of the live feed; it is made only when somebody watches.
    """

    ids: Collection[str] = ()
    replies: Mapping[str, bytes] = field(default_factory=dict)
    deliveries: Collection[Mirrored] = ()
    feed: Callable[[], bytes] | None = None


class Drainer:
    """Drains one ledger for one Celery task.

    Parameters
    ----------
    ledger
        The ledger, with this process's consumer name.
    handle
        Applies entries and commits; raises only what a repetition may cure (`is_transient`) or what is a defect.
    summon
        Sends a summons for this ledger's queue.
    lease_s
        Seconds an entry may stay untouched.
    """

    def __init__(
        self,
        ledger: Ledger,
        handle: Callable[[Sequence[Entry]], Handled],
        *,
        summon: Callable[[], None],
        lease_s: float,
    ) -> None:
        self._ledger = ledger
        self._handle = handle
        self._summon = summon
        self._lease_s = lease_s
        self._settled = 0

    def drain(self) -> int:
        """Handle what waits, for at most `SLICE_S`, or until Redis goes away.

        What is held then stays in the ledger and is taken over when the lease has run out: applied if it was not, and
        found applied if only settling it failed.

        Returns
        -------
        int
            How many entries were settled.
        """
        self._settled = 0
        try:
            self._drain(time.monotonic() + SLICE_S)
        except _REDIS_AWAY as error:
            log.warning("drain_interrupted", reason=str(error), settled=self._settled)
        return self._settled

    def _drain(self, deadline: float) -> None:
        taken_over_at = helped_at = 0.0
        while (now := time.monotonic()) < deadline:
            entries = []
            if now - taken_over_at > self._lease_s / 2:
                entries = self._take_over()
                taken_over_at = 0.0 if entries else now
            entries = entries or self._gather() or self._take(last_look=True)
            if not entries:
                return
            if len(entries) >= ENTRIES_PER_LOOK and now - helped_at > HELP_INTERVAL_S:
                self._summon()
                helped_at = now
            if not self._settle(entries, deadline):
                return
            self._settled += len(entries)
        self._summon()

    def _gather(self) -> list[Entry]:
        """Take what waits; where nobody waits for the outcome, let it grow for a moment first."""
        entries = taken = self._take(block_ms=IDLE_MS)
        try:
            if 0 < len(taken) < ENTRIES_PER_LOOK and not any(entry.waited for entry in taken):
                time.sleep(LINGER_S)
                taken = self._take()
                entries += taken
            while len(taken) == ENTRIES_PER_LOOK and sum(len(entry.body) for entry in entries) < BYTES_PER_TRANSACTION:
                taken = self._take()
                entries += taken
        except _REDIS_AWAY as error:
            # What was taken before can be applied all the same; left alone it would wait until its lease has run out.
            log.warning("drain_gathers_no_more", reason=str(error), entries=len(entries))
        return entries

    def _take(self, *, block_ms: int | None = None, last_look: bool = False) -> list[Entry]:
        try:
            return self._ledger.take(ENTRIES_PER_LOOK, block_ms=block_ms, last_look=last_look)
        except ResponseError as error:
            self._renew_group(error)
            return []

    def _take_over(self) -> list[Entry]:
        try:
            return self._ledger.take_over(ENTRIES_PER_LOOK)
        except ResponseError as error:
            self._renew_group(error)
            return []

    def _give_back(self, entries: Sequence[Entry]) -> None:
        try:
            self._ledger.give_back(entries)
        except ResponseError as error:
            self._renew_group(error)

    def _renew_group(self, error: ResponseError) -> None:
        """Make the consumer group again where it is missing: on first use, or after Redis was emptied."""
        if "NOGROUP" not in str(error):
            raise error
        self._ledger.ensure_group()

    def _settle(self, entries: Sequence[Entry], deadline: float) -> bool:
        """Handle entries, again while what fails is transient; give them back when time is up."""
        pause_s = _BACKOFF_FIRST_S
        with self._lease_kept(entries):
            while True:
                try:
                    handled = self._handle(entries)
                except Exception as error:
                    if not is_transient(error):
                        raise
                    log.warning("drain_retried", reason=str(error).splitlines()[0], entries=len(entries))
                    if time.monotonic() + pause_s > deadline:
                        self._give_back(entries)
                        return False
                    time.sleep(pause_s)
                    pause_s = min(pause_s * 2, _BACKOFF_MOST_S)
                else:
                    self._settle_handled(entries, handled)
                    return True

    def _settle_handled(self, entries: Sequence[Entry], handled: Handled) -> None:
        """Settle what has committed; once more or never makes no difference to what it did."""
        messages = dict(handled.replies)
        if handled.feed is not None and self._ledger.is_watched:
            messages[feed.CHANNEL] = handled.feed()
        pause_s = _BACKOFF_FIRST_S
        give_up_at = time.monotonic() + _SETTLE_PATIENCE_S
        while True:
            try:
                self._ledger.settle(entries, handled.ids, messages, handled.deliveries)
            except _REDIS_AWAY as error:
                if time.monotonic() + pause_s > give_up_at:
                    raise
                log.warning("settle_retried", reason=str(error), entries=len(entries))
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, _BACKOFF_MOST_S)
            else:
                return

    @contextmanager
    def _lease_kept(self, entries: Sequence[Entry]) -> Iterator[None]:
        """Renew the lease on entries from a thread of its own while they are worked on."""
        done = threading.Event()

        def renew() -> None:
            while not done.is_set():
                try:
                    self._ledger.renew(entries)
                except RedisError as error:
                    log.warning("lease_not_renewed", reason=str(error))
                done.wait(self._lease_s / 3)

        keeper = threading.Timer(self._lease_s / 3, renew)
        keeper.daemon = True
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.cancel()
