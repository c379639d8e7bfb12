"""Postgres stopped at once, and hung."""

import signal
import time

import pytest

from tests.fault.case import Case
from tests.fault.sabotage import WORKERS, at_some_moment, count_restarts, find_process, standing_still

WHILE_APPLYING_S = 0.25
HUNG_S = 30.0


def test_postgres_immediate_stop(case: Case) -> None:
    """Promised: a commit is a commit, and accepting goes on. Broken by an immediate stop of Postgres into a backlog."""
    before = count_restarts(case.system, *WORKERS, "gateway")
    for _ in case.runs(short=2, full=10):
        with case.backlog():
            at_some_moment(case.rng, within_s=WHILE_APPLYING_S)
            find_process(case.system, "postgres").send_signal(signal.SIGQUIT)
        case.send(200)
        case.await_recovery()
    assert count_restarts(case.system, *WORKERS, "gateway") == before
    case.close_books()


@pytest.mark.full
def test_postgres_hung(case: Case) -> None:
    """Promised: scans are accepted throughout, and no good scan becomes failed work. Broken by SIGSTOP, 30 s."""
    before = count_restarts(case.system, *WORKERS, "gateway")
    accepting_s = 0.0
    for _ in case.runs(short=1, full=2):
        postgres = find_process(case.system, "postgres")
        with case.backlog(), standing_still(postgres):
            until = time.monotonic() + HUNG_S
            while time.monotonic() < until:
                began = time.monotonic()
                case.send(200)
                case.fleet.await_accepted()
                accepting_s = max(accepting_s, time.monotonic() - began)
        case.await_recovery()
    case.figures.also["longest until 200 scans had their 2xx s"] = round(accepting_s, 2)
    assert count_restarts(case.system, *WORKERS, "gateway") == before
    case.close_books()
