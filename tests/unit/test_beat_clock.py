"""Beat's clock: no wall clock stops the ticks."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from celery import Celery
from celery.schedules import schedule

from tracetrack_report_worker import clockwork
from tracetrack_report_worker.clockwork import ForgetfulScheduler, steady_clock


class Yesterday(datetime):
    """What the time is said to be once somebody has set the clock back."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # a plain datetime does
        """Give the time, a day too early."""
        return datetime.now(tz) - timedelta(days=1)


def test_the_clock_goes_on_when_the_wall_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = steady_clock()
    before = clock()

    monkeypatch.setattr(clockwork, "datetime", Yesterday)

    assert timedelta(0) <= clock() - before < timedelta(minutes=1)


def test_everything_is_due_when_beat_starts_and_then_at_its_interval() -> None:
    times = [datetime(2026, 11, 23, 18, 30, tzinfo=UTC)]
    app = Celery("tests", set_as_current=False)
    app.conf.beat_schedule = {"tick": {"task": "tick", "schedule": schedule(60.0, nowfun=lambda: times[-1])}}
    scheduler = ForgetfulScheduler(app, schedule_filename="unused")
    assert scheduler.schedule["tick"].is_due()[0]

    entry = next(scheduler.schedule["tick"])
    assert not entry.is_due()[0]

    times.append(times[-1] + timedelta(seconds=60))
    assert entry.is_due()[0]
