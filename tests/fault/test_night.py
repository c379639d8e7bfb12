"""The nightly run: summaries that are due while beat, workers or Redis go away, and beats that are two."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text

from tests.fault.beside import process_beside
from tests.fault.case import Case
from tests.fault.sabotage import at_some_moment, find_process, kill, standing_still
from tests.support.waiting import eventually
from tracetrack_local.services import BEAT, beat_spec
from tracetrack_local.state import StateFolder

MADE_WITHIN_S = 600.0
"""At most ten minutes late (reliability.md)."""
DAYS = 3
AWAY_S = 8.0

_OPEN = text("UPDATE area SET created_at = created_at - make_interval(days => :days) RETURNING area_id")
_FIRST_DAY = text("SELECT CAST(min(created_at AT TIME ZONE zone) AS date) FROM area")
_MADE = text(
    "SELECT count(DISTINCT (business_date, area_id)), count(*), coalesce(max(revision), 0) FROM eod_summary"
    " WHERE business_date >= :first AND business_date < :until"
)
_AUDITED = text("SELECT count(*) FROM audit_log WHERE action = 'eod.make'")


class Night:
    """Days whose summaries are due and missing.

    Parameters
    ----------
    case
        On whose system.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        with case.database() as database, database.transaction() as connection:
            until = connection.scalar(_FIRST_DAY)
            areas = len(connection.execute(_OPEN, {"days": DAYS}).all())
        assert isinstance(until, date)
        self._days = {"first": until - timedelta(days=DAYS), "until": until}
        self.due = DAYS * (areas + 1)

    def made(self) -> tuple[int, int, int]:
        """Give how many of them are there, how many revisions they have in all, and the highest."""
        with self._case.database() as database, database.snapshot() as connection:
            subjects, revisions, highest = connection.execute(_MADE, self._days).one()
        return subjects, revisions, highest

    def await_begun(self) -> None:
        """Wait until the first of them is made."""
        eventually(lambda: self.made()[0], within_s=MADE_WITHIN_S)

    def await_all(self) -> None:
        """Wait until all are made, and hold that each is there once."""
        eventually(lambda: self.made()[0] == self.due, within_s=MADE_WITHIN_S)
        assert self.made() == (self.due, self.due, 1)


@pytest.mark.parametrize("killed", [BEAT, "report-worker"])
def test_kill_while_summaries_are_made(case: Case, killed: str) -> None:
    """Promised: one summary of each area and day. Broken by SIGKILL of who makes or orders them, in the middle."""
    for _ in case.runs(short=2, full=20):
        night = Night(case)
        night.await_begun()
        at_some_moment(case.rng, within_s=0.1)
        kill(find_process(case.system, killed))
        night.await_all()
        case.figures.also["summaries"] = case.figures.also.get("summaries", 0) + night.due
    case.close_books()


def test_two_beats(case: Case) -> None:
    """Promised: one summary of each area and day. Broken by a second beat beside the first."""
    settings = case.system.servers.model_copy(update={"state_dir": case.system.state_dir})
    schedule = StateFolder(case.system.folder / "second-beat")
    schedule.path.mkdir(exist_ok=True)
    with process_beside(case.system, beat_spec(settings, schedule)):
        for _ in case.runs(short=1, full=10):
            Night(case).await_all()
    case.close_books()


@pytest.mark.full
def test_redis_away_when_summaries_are_due(case: Case) -> None:
    """Promised: at most ten minutes late. Broken by a Redis that hangs, and one that is killed, when they are due."""
    for run in case.runs(short=1, full=6):
        valkey = find_process(case.system, "valkey")
        if run % 2:
            kill(valkey)
            night = Night(case)
        else:
            with standing_still(valkey):
                night = Night(case)
                at_some_moment(case.rng, within_s=AWAY_S)
        night.await_all()
        case.await_recovery()
    case.close_books()
