"""Failed work on a whole system that runs: from the device's mistake to the operator's decision."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import psutil
import pytest

from tests.support.faults import refusing
from tests.support.system import RunningSystem, scan_of, submit
from tests.support.together import at_once
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database

Codes = Callable[[], str]
PIECES = 60
KILLS = 6


@pytest.fixture
def warehouse(system: RunningSystem) -> Iterator[Warehouse]:
    """Look into the system's own database."""
    database = Database(system.superuser, application_name="tests")
    yield Warehouse(database)
    database.close()


def test_an_operator_finds_what_a_device_did_wrong_and_decides(
    system: RunningSystem, device: httpx.Client, sack: Codes
) -> None:
    scan = scan_of("parent", sack())
    submit(device, scan)
    device.post("/api/v1/scans", json={**scan, "code": sack()}, headers={"Prefer": "wait=20"})

    listed = system.command("failed", "list", "--reason", "id_reused", "--json")
    (piece,) = [each for each in json.loads(listed.stdout) if each["work_id"] == scan["scan_id"]]
    shown = system.command("failed", "show", piece["failed_id"])
    assert json.loads(shown.stdout)["scans"][0]["scan_id"] == scan["scan_id"]

    replayed = system.command("failed", "replay", piece["failed_id"])
    assert replayed.returncode == 1
    assert "stands for another scan" in replayed.stdout

    discarded = system.command("failed", "discard", piece["failed_id"], "--because", "a gun with a broken memory")
    assert discarded.returncode == 0, discarded.stdout + discarded.stderr
    left = json.loads(system.command("failed", "list", "--reason", "id_reused", "--json").stdout)
    assert piece["failed_id"] not in [each["failed_id"] for each in left]
    assert "a gun with a broken memory" in system.command("failed", "list", "--state", "discarded", "--json").stdout


def test_a_bad_releases_scans_are_replayed_once_although_workers_are_killed_all_the_while(
    system: RunningSystem, device: httpx.Client, warehouse: Warehouse, sack: Codes, child: Codes
) -> None:
    """Promised: a replay is done once, or not at all and the piece stays open. Broken: workers killed meanwhile."""
    parents = [sack() for _ in range(PIECES // 20)]
    scans = [scan_of("child", child(), parent_code=parent) for parent in parents for _ in range(20)]
    with refusing(warehouse, "bag_link", "true"):
        assert device.post("/api/v1/scans/batch", json={"scans": scans}).json()["accepted"] == PIECES
        eventually(lambda: open_pieces(warehouse) == PIECES)
    rng = random.Random(11)  # noqa: S311 - a seed, so that a failure comes again

    def kill_workers() -> int:
        killed = 0
        while killed < KILLS and (before := open_pieces(warehouse)):
            left = rng.randrange(max(0, before - 12), before)
            eventually(lambda: open_pieces(warehouse) <= left, within_s=60)  # noqa: B023 - called before the next round
            for worker in system.processes("tracetrack_scan_worker", "-Q commands")[1:]:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
                    killed += 1
        return killed

    def replay() -> int:
        tries = 1
        while system.command("failed", "replay", "--all", "--reason", "not_applicable").returncode:
            tries += 1
        return tries

    killed, _ = at_once([kill_workers, replay])

    assert killed >= KILLS // 2
    assert open_pieces(warehouse) == 0
    assert [device.get(f"/api/v1/scans/{scan['scan_id']}").json()["outcome"] for scan in scans] == ["applied"] * PIECES
    assert [len(device.get(f"/api/v1/bags/{parent}").json()["children"]) for parent in parents] == [20] * len(parents)
    replayed = "SELECT count(*) FROM audit_log WHERE action = 'failed.replay' AND after ->> 'state' = 'replayed'"
    assert warehouse.value(replayed) == PIECES
    doctor = system.command("doctor")
    assert doctor.returncode == 0, doctor.stdout


def open_pieces(warehouse: Warehouse) -> int:
    return int(warehouse.value("SELECT count(*) FROM failed_work WHERE state = 'open' AND reason = 'not_applicable'"))
