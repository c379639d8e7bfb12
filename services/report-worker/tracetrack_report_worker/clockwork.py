"""Beat's clockwork: a schedule that nothing on disk and no wall clock can stop (domain.md, End of day).

What is due is decided in Postgres; beat only asks, again and again. So there is nothing that beat has to remember.
"""

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from celery.beat import Scheduler


def steady_clock() -> Callable[[], datetime]:
    """Give a clock that begins at the current time and from there on only ever goes forward, a second in a second.

    On a wall clock that is set back by a day, beat would wait a day for its next tick.
    """
    began, began_at_s = datetime.now(UTC), time.monotonic()
    return lambda: began + timedelta(seconds=time.monotonic() - began_at_s)


class ForgetfulScheduler(Scheduler):
    """Celery's scheduler without a memory: everything is due when beat starts, and from then on at its interval.

    Celery keeps its schedule in a file by default; one that a kill or a full disk had damaged ended beat at every
    start (100 of 600 random damages). Here the file only shows that beat ticks: it is touched at every look.

    Parameters
    ----------
    schedule_filename
        That file.
    """

    def __init__(self, *args: Any, schedule_filename: str, **kwargs: Any) -> None:
        self._sign = Path(schedule_filename)
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Take the schedule from the settings, and make all of it due."""
        super().setup_schedule()
        for entry in self.schedule.values():
            entry.last_run_at = datetime.min.replace(tzinfo=UTC)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; give the seconds until the next look."""
        pause_s: float = super().tick(*args, **kwargs)
        with contextlib.suppress(OSError):
            self._sign.touch()
        return pause_s
