"""A disk that fills up under the whole system."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.fault.case import Case
from tests.fault.conftest import DEVICES, MakeCase
from tests.fault.fleet import Fleet
from tests.fault.sabotage import at_some_moment, let_pass
from tests.support.system import RunningSystem

pytestmark = pytest.mark.full

DISK_MB = 600
FULL_S = 20.0
BALLAST = "ballast"
_BLOCK = bytes(1024 * 1024)


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Mount a small disk in memory; root only."""
    folder = tmp_path_factory.mktemp("disk")
    folder.chmod(0o711)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0711", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)  # noqa: S603 - a folder of this test's own
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607


@pytest.fixture(scope="module")
def crowded(small_disk: Path) -> Iterator[RunningSystem]:
    """Run a system whose servers, logs and records are all on that disk."""
    running = RunningSystem(small_disk).start()
    try:
        yield running
    finally:
        (small_disk / BALLAST).unlink(missing_ok=True)
        running.stop()


def fill(folder: Path) -> None:
    """Take all the room there is."""
    with (folder / BALLAST).open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(_BLOCK)
    assert os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize < len(_BLOCK)


def test_disk_full(crowded: RunningSystem, small_disk: Path, make_case: MakeCase, tmp_path: Path) -> None:
    """Promised: no 2xx without its effect, and recovery by itself when there is room. Broken by a full disk, 20 s."""
    fleet = Fleet(crowded, tmp_path, size=DEVICES, resends=False)
    with crowded.admin() as admin, fleet.at_work(admin):
        case: Case = make_case(crowded, fleet)
        for _ in case.runs(short=1, full=5):
            with case.backlog():
                case.send()
                at_some_moment(case.rng, within_s=0.3)
                fill(small_disk)
                let_pass(FULL_S)
                case.figures.also["refused while full"] = not is_accepted(case)
                (small_disk / BALLAST).unlink()
            case.await_recovery()
        case.close_books()


def is_accepted(case: Case) -> bool:
    """Try to submit one more scan; tell whether it was accepted."""
    try:
        return case.submit("parent", "MISPRINT-FULL").is_success
    except httpx.TransportError:
        return False
