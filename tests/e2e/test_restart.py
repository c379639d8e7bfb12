"""Stopping and starting again: the same data, the same passwords, nothing left running."""

from collections.abc import Callable

import httpx
import psutil

from tests.support.system import RunningSystem, scan_of, submit
from tests.support.waiting import eventually

Codes = Callable[[], str]


def test_a_second_start_continues_with_the_same_data(system: RunningSystem, sack: Codes, child: Codes) -> None:
    """Promised: a stop loses nothing that was accepted, and a start needs nothing but the folder."""
    parent, credentials = sack(), system.credentials
    applied = scan_of("child", child(), parent_code=parent)
    waiting = [scan_of("child", child(), parent_code=parent) for _ in range(20)]
    with system.device() as device:
        first = submit(device, applied)
        assert device.post("/api/v1/scans/batch", json={"scans": waiting}).json()["accepted"] == len(waiting)
    running = system.processes("")

    system.stop()
    _, alive = psutil.wait_procs(running, timeout=0)
    assert not alive
    system.start()

    assert system.credentials == credentials
    with system.device() as device, system.admin() as admin:
        assert submit(device, applied) == first
        eventually(lambda: len(device.get(f"/api/v1/bags/{parent}").json()["children"]) == 1 + len(waiting))
        assert admin.get("/api/stats").status_code == httpx.codes.OK
