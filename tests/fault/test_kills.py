"""Killing what applies and what accepts, in the middle of its work; the others in `test_commands` and `test_night`."""

import pytest

from tests.fault.case import Case
from tests.fault.sabotage import at_some_moment, find_pool, find_process, kill

WHILE_APPLYING_S = 0.25
"""What a backlog of some thousand scans takes, about: the kill falls into it."""


@pytest.mark.parametrize("process", ["scan-worker", "gateway"])
def test_kill(case: Case, process: str) -> None:
    """Promised: what was accepted is applied once. Broken by SIGKILL of a whole process into a backlog."""
    for _ in case.runs(short=2, full=20):
        with case.backlog():
            at_some_moment(case.rng, within_s=WHILE_APPLYING_S)
            kill(find_process(case.system, process))
        case.await_recovery()
    case.close_books()


def test_kill_pool_process(case: Case) -> None:
    """Promised: what was accepted is applied once. Broken by SIGKILL of the very process that applies it."""
    for _ in case.runs(short=4, full=40):
        with case.backlog():
            at_some_moment(case.rng, within_s=WHILE_APPLYING_S)
            kill(case.rng.choice(find_pool(case.system, "scan-worker")))
        case.await_recovery()
    case.close_books()


def test_kill_gateway_while_devices_send(case: Case) -> None:
    """Promised: a 2xx is never taken back. Broken by SIGKILL of the gateway while every device is sending to it."""
    for _ in case.runs(short=2, full=20):
        case.send()
        at_some_moment(case.rng, within_s=1.0)
        kill(find_process(case.system, "gateway"))
        case.await_recovery()
    case.close_books()
