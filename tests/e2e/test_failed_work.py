"""Failed work on a whole system that runs: from the device's mistake to the operator's decision."""

import json
from collections.abc import Callable

import httpx

from tests.support.system import RunningSystem, scan_of, submit

Codes = Callable[[], str]


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
    assert system.command("failed", "list", "--reason", "id_reused").stdout == "There is none.\n"
    assert "a gun with a broken memory" in system.command("failed", "list", "--state", "discarded", "--json").stdout
