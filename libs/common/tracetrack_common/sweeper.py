"""The sweeper: sees that every entry in a ledger has somebody coming for it (design.md, The way of a scan).

A Celery message can be lost; an entry cannot. A thread in each worker's main process looks at the ledgers of the
queues that worker serves, and sends a summons for what nobody has taken or what its holder abandoned.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

from redis.exceptions import RedisError

from tracetrack_common.ledger import Ledger
from tracetrack_common.log import get_logger

log = get_logger(__name__)

_CONSUMER_IDLE_S = 3600.0
_TIDY_EVERY_LOOKS = 600


class Sweeper:
    """Looks at ledgers, every so often, from a thread of its own.

    Parameters
    ----------
    ledgers
        The ledgers to look at, each with the summons to send for it.
    interval_s
        Seconds between two looks.
    chores
        What else is seen to at every look.
    """

    def __init__(
        self,
        ledgers: Mapping[Ledger, Callable[[], None]],
        *,
        interval_s: float,
        chores: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._ledgers = ledgers
        self._chores = chores
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin looking."""
        self._thread.start()

    def stop(self) -> None:
        """End looking; returns when the thread has ended or a look's timeouts have passed."""
        self._stopping.set()
        self._thread.join(timeout=2 * self._interval_s)

    def sweep(self) -> int:
        """Look once.

        Returns
        -------
        int
            How many ledgers a summons was sent for.
        """
        summoned = 0
        for ledger, summon in self._ledgers.items():
            state = ledger.state()
            if state.abandoned or (state.undelivered and not ledger.is_draining()):
                summon()
                summoned += 1
        return summoned

    def _run(self) -> None:
        looks = 0
        while not self._stopping.wait(self._interval_s):
            try:
                self.sweep()
                for chore in self._chores:
                    chore()
                looks += 1
                if looks % _TIDY_EVERY_LOOKS == 0:
                    for ledger in self._ledgers:
                        ledger.forget_idle_consumers(_CONSUMER_IDLE_S)
            except (RedisError, OSError) as error:
                log.warning("sweep_failed", reason=str(error))
            except Exception:
                log.exception("sweep_failed")
