"""Deploys: workers that are asked to stop in the middle of their work, and old ones beside new ones."""

import time
from dataclasses import replace

import pytest

from tests.fault.beside import process_beside
from tests.fault.case import Case
from tests.fault.sabotage import at_some_moment, find_process
from tests.support.waiting import eventually
from tracetrack_local.process import start_time
from tracetrack_local.services import worker_specs

WHILE_APPLYING_S = 0.25
STOP_WITHIN_S = 30.0


def stopping_s(case: Case, process: str) -> float:
    """Ask a process to stop; give the seconds until it has."""
    found = find_process(case.system, process)
    began = time.monotonic()
    found.terminate()
    eventually(lambda: start_time(found.pid) is None, within_s=STOP_WITHIN_S)
    return time.monotonic() - began


@pytest.mark.parametrize("process", ["scan-worker", "gateway"])
def test_term(case: Case, process: str) -> None:
    """Promised: who is asked to stop finishes what it holds, within 30 s. Broken by SIGTERM into a backlog."""
    took_s = []
    for _ in case.runs(short=1, full=50):
        with case.backlog():
            case.send(200)
            at_some_moment(case.rng, within_s=WHILE_APPLYING_S)
            took_s.append(stopping_s(case, process))
        case.await_recovery()
    case.figures.also["ended within s"] = round(max(took_s), 1)
    case.close_books()


@pytest.mark.full
def test_old_and_new_workers_side_by_side(case: Case) -> None:
    """Promised: a rolling deploy loses nothing. Broken by a second worker that takes over from the first."""
    settings = case.system.servers.model_copy(update={"state_dir": case.system.state_dir})
    spec = next(spec for spec in worker_specs(settings) if spec.name == "scan-worker")
    spec = replace(spec, command=[part.replace("scans@%h", "new-scans@%h") for part in spec.command])
    with process_beside(case.system, spec):
        for _ in case.runs(short=1, full=10):
            with case.backlog():
                case.send()
                at_some_moment(case.rng, within_s=WHILE_APPLYING_S)
                stopping_s(case, "scan-worker")
            case.await_recovery()
    case.close_books()
