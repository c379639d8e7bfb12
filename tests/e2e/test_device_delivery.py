"""The reference device client against the whole system: kills of the device, loss of Redis, loss of the workers."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.system import RunningSystem
from tests.support.waiting import eventually
from tracetrack_device import DeviceClient, Habits, State

Codes = Callable[[], str]
REPOSITORY = Path(__file__).parents[2]
DELIVER_S = 60.0
SEED = 20261124


@pytest.fixture
def gun(system: RunningSystem, admin: httpx.Client, tmp_path: Path) -> "Gun":
    enrolled = admin.post("/api/v1/devices", json={"name": tmp_path.name[:60], "area": "lucknow"})
    assert enrolled.status_code == httpx.codes.CREATED, enrolled.text
    return Gun(system, enrolled.json()["token"], tmp_path / "gun.journal")


class Gun:
    """A device of the test's own, with its journal."""

    def __init__(self, system: RunningSystem, token: str, journal: Path) -> None:
        self.address = system.address
        self.token = token
        self.journal = journal

    def client(self, **habits: Any) -> DeviceClient:
        quick = {"ask_every_s": 0.2, "resend_after_s": 1.0, **habits}
        return DeviceClient(self.address, self.token, self.journal, habits=Habits(**quick))

    def start(self, *codes: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.support.gun", self.address, self.token, str(self.journal), *codes]
        return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this very Python

    def delivery(self) -> dict[str, Any]:
        with httpx.Client(headers={"Authorization": f"Bearer {self.token}"}) as client:
            (epoch,) = client.get(f"{self.address}/api/v1/devices/me/delivery").json()["epochs"]
        return dict(epoch)


def killed_after(process: "subprocess.Popen[str]", *, lines: int) -> bool:
    """Kill a device once it has said so much; tell whether it came to that before it had ended."""
    assert process.stdout is not None
    with process.stdout as said:
        is_running = all(said.readline() for _ in range(lines))
        if is_running:
            process.kill()
    process.wait(DELIVER_S)
    return is_running


def children_of(device: httpx.Client, sack: str) -> list[str]:
    return sorted(device.get(f"/api/v1/bags/{sack}").json()["children"])


def linkings_of(device: httpx.Client, sack: str) -> Counter[str]:
    events = device.get(f"/api/v1/bags/{sack}/history").json()["items"]
    return Counter(event["bag"] for event in events if event["event"] == "put_in")


@contextmanager
def frozen_workers(system: RunningSystem) -> Iterator[None]:
    """Have nothing applied for a while; what is accepted stays in the ledger."""
    workers = system.processes("tracetrack_scan_worker", "-Q scans")
    for worker in workers:
        os.kill(worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            os.kill(worker.pid, signal.SIGCONT)


def lose_redis(system: RunningSystem) -> None:
    with system.redis() as redis:
        redis.flushall()


def test_a_device_that_is_killed_again_and_again_delivers_all_it_recorded_once(
    gun: Gun, device: httpx.Client, sack: Codes, child: Codes
) -> None:
    """Promised: what a device recorded is applied, once. Broken by SIGKILL of the device's process, again and again."""
    rng = random.Random(SEED)  # noqa: S311 - a repeatable choice
    parents = [sack() for _ in range(10)]
    scans = {child(): parent for parent in parents for _ in range(25)}
    kills = 0
    process = gun.start(*[part for scan in scans.items() for part in scan])
    while killed_after(process, lines=5 + rng.randrange(30)):
        kills += 1
        process = gun.start()
    assert process.returncode == 0
    assert kills >= 5

    with gun.client() as client:
        assert client.deliver(DELIVER_S)
        assert client.journal.count(State.DONE) == len(scans)
        assert client.troubles() == []
    for parent in parents:
        expected = sorted(code for code, into in scans.items() if into == parent)
        assert children_of(device, parent) == expected
        assert linkings_of(device, parent) == Counter(expected)
    delivery = gun.delivery()
    assert (delivery["applied_through"], delivery["missing"]) == (len(scans), [])


@pytest.mark.parametrize("wait_s", [0, 2])
def test_what_was_accepted_and_lost_with_redis_is_sent_again_and_applied_once(
    system: RunningSystem, gun: Gun, device: httpx.Client, sack: Codes, child: Codes, wait_s: int
) -> None:
    """Promised: a lost Redis disk costs a resend. Broken by FLUSHALL with every scan accepted and none applied."""
    parent = sack()
    with gun.client(batch=5, wait_s=wait_s) as client:
        client.scan("child", child(), parent_code=parent, within_s=DELIVER_S)
        with frozen_workers(system):
            codes = [child() for _ in range(20)]
            for code in codes:
                client.record("child", code, parent_code=parent)
            while queued_of(system) < 4:
                client.step()
            lose_redis(system)
        assert client.waiting == 20
        assert client.deliver(DELIVER_S)
        assert client.troubles() == []
    assert set(codes) < set(children_of(device, parent))
    assert set(linkings_of(device, parent).values()) == {1}
    assert gun.delivery()["applied_through"] == 21


def queued_of(system: RunningSystem) -> int:
    """Count the entries of the scans' ledger."""
    with system.client() as anyone:
        metrics = anyone.get("/metrics").text
    (line,) = [each for each in metrics.splitlines() if each.startswith('tracetrack_ledger_entries{queue="scans"}')]
    return int(float(line.split()[-1]))


def test_the_mirror_that_was_lost_with_redis_comes_back_by_itself(system: RunningSystem, gun: Gun, sack: Codes) -> None:
    with gun.client() as client:
        client.scan("parent", sack(), within_s=DELIVER_S)
    lose_redis(system)
    with system.redis() as redis:
        eventually(lambda: redis.hexists("tt:delivery", "complete") and redis.hlen("tt:delivery") > 1)


def test_a_server_that_is_away_costs_patience_and_no_scan(
    system: RunningSystem, gun: Gun, device: httpx.Client, sack: Codes
) -> None:
    codes = [sack() for _ in range(5)]
    with gun.client() as client, client.delivering():
        (gateway,) = system.processes("tracetrack_gateway")
        gateway.kill()
        for code in codes:
            client.record("parent", code)
        eventually(lambda: client.waiting == 0, within_s=DELIVER_S)
    assert all(device.get(f"/api/v1/bags/{code}").status_code == httpx.codes.OK for code in codes)
