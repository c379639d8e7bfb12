"""The book of demo days: each date and each code is used once."""

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tracetrack_local.demo.codes import CodeRanges
from tracetrack_local.demo.shift import ZONE
from tracetrack_local.durable import write_private
from tracetrack_local.errors import LauncherError

DAYS_FILE = "days.json"


class DayEntry(BaseModel):
    """A demo day: what it took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    scans: int
    seed: int
    begun_at: datetime


class DayBook(BaseModel):
    """
    Every demo day of a state folder.

    Attributes
    ----------
    days
        The days, in the order of use.
    next_codes
        Where the codes of the next day begin.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: tuple[DayEntry, ...] = ()
    next_codes: CodeRanges = CodeRanges()

    @classmethod
    def load(cls, path: Path) -> Self:
        """
        Read the book; an empty one when there is none.

        Raises
        ------
        LauncherError
            When the file is damaged.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls()
        except ValidationError:
            raise LauncherError(
                f"{path} is damaged: restore it from a copy, or begin anew with another state folder."
            ) from None

    def choose_day(self, now: datetime, taken: Collection[date]) -> date:
        """
        Choose the most recent day that is over in the warehouses and that no demo used.

        Parameters
        ----------
        now
            The current time.
        taken
            Days that the system knows from elsewhere.
        """
        used = {entry.day for entry in self.days} | set(taken)
        day = now.astimezone(ZONE).date() - timedelta(days=1)
        while day in used:
            day -= timedelta(days=1)
        return day

    def with_day(self, entry: DayEntry, next_codes: CodeRanges) -> "DayBook":
        """Give the book with one more day."""
        return DayBook(days=(*self.days, entry), next_codes=next_codes)

    def save(self, path: Path) -> None:
        """Write the book, whole or not at all."""
        write_private(path, self.model_dump_json(indent=2) + "\n")


@contextmanager
def open_alone(folder: Path) -> Iterator[Path]:
    """
    Hold the book for one process: two demos at once would take the same day.

    Yields
    ------
    Path
        The book's file.

    Raises
    ------
    LauncherError
        When another demo holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "days.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LauncherError("Another demo is running on this state folder: wait until it is done.") from None
        yield folder / DAYS_FILE
