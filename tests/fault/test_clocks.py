"""Clocks that are wrong: a worker's, a gateway's, beat's, and those of devices."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import libfaketime
import pytest
from sqlalchemy import text

from tests.fault.beside import process_beside
from tests.fault.case import Case
from tests.fault.conftest import DEVICES, MakeCase
from tests.fault.fleet import Fleet
from tests.fault.sabotage import find_process, standing_still
from tests.fault.test_night import Night
from tests.fault.waves import new_sack
from tests.support.system import RunningSystem, scan_of
from tests.support.waiting import eventually
from tracetrack_common.settings import Settings
from tracetrack_local import ports
from tracetrack_local.process import ChildSpec
from tracetrack_local.readiness import gateway_is_ready
from tracetrack_local.services import BEAT, beat_spec, gateway_spec, worker_specs
from tracetrack_local.state import StateFolder

pytestmark = pytest.mark.full

_FOUND = text(
    "SELECT tableoid::regclass::text AS partition, scanned_at, device_time FROM scan WHERE scan_id = CAST(:id AS uuid)"
)


def with_clock(offset: str) -> Mapping[str, str]:
    """Give the environment of a process whose wall clock is off; its pauses and timeouts last as long as ever.

    Parameters
    ----------
    offset
        For instance ``+2h`` or ``-1d``.
    """
    library = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
    }


def settings_of(system: RunningSystem) -> Settings:
    """Give the settings from which the launcher starts the system's processes."""
    return system.servers.model_copy(update={"state_dir": system.state_dir, "gateway_port": system.gateway_port})


def scan_worker(system: RunningSystem) -> ChildSpec:
    """Give a second scan-worker."""
    spec = next(spec for spec in worker_specs(settings_of(system)) if spec.name == "scan-worker")
    return replace(spec, command=[part.replace("scans@%h", "skewed-scans@%h") for part in spec.command])


@contextmanager
def skewed_gateway(system: RunningSystem, offset: str) -> Iterator[str]:
    """Run a second gateway with a wrong clock; give its address."""
    port = ports.choose_free()
    spec = gateway_spec(settings_of(system))
    environment = {**with_clock(offset), "TRACETRACK_GATEWAY_PORT": str(port)}
    with process_beside(system, spec, environment=environment):
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: gateway_is_ready(address), within_s=60)
        yield address


def test_worker_two_hours_ahead(case: Case) -> None:
    """Promised: what a worker's clock says decides nothing. Broken by a worker that is two hours ahead."""
    with process_beside(case.system, scan_worker(case.system), environment=with_clock("+2h")):
        for _ in case.runs(short=1, full=5):
            with standing_still(find_process(case.system, "scan-worker")):
                case.send()
                case.await_recovery()
    case.close_books()


def test_gateway_a_day_behind(system: RunningSystem, admin: httpx.Client, make_case: MakeCase, tmp_path: Path) -> None:
    """Promised: a wrong clock loses and doubles nothing. Broken by a gateway that is a day behind the others."""
    with skewed_gateway(system, "-1d") as address:
        fleet = Fleet(system, tmp_path, size=DEVICES, resends=False, address=address)
        with fleet.at_work(admin):
            case = make_case(system, fleet)
            for _ in case.runs(short=1, full=5):
                with case.backlog():
                    case.send(200)
                case.await_recovery()
            case.close_books()


@pytest.mark.parametrize("years", [-30, 40])
def test_device_years_off(case: Case, years: int) -> None:
    """Promised: a scan is kept under its corrected time. Broken by a device whose clock and ids are years off."""
    wrong = datetime.now(UTC) + timedelta(days=365 * years)
    for _ in case.runs(short=1, full=20):
        body = scan_of("parent", new_sack()) | {
            "scan_id": uuid7_at(wrong, case.rng.getrandbits(74)),
            "scanned_at": wrong.isoformat(),
            "sent_at": (wrong + timedelta(seconds=5)).isoformat(),
        }
        case.expect(body)
        before = datetime.now(UTC)
        with case.system.client(case.fleet.probe_token) as device:
            answer = device.post("/api/v1/scans", json=body, headers={"Prefer": "wait=20"})
        assert (answer.status_code, answer.json()["outcome"]) == (200, "applied")
        with case.database() as database, database.snapshot() as connection:
            kept = connection.execute(_FOUND, {"id": body["scan_id"]}).one()
        assert kept.partition == "scan_default"
        assert kept.device_time == wrong
        assert abs(kept.scanned_at + timedelta(seconds=5) - before) < timedelta(seconds=30)
    case.close_books()


def uuid7_at(at: datetime, bits: int) -> str:
    """Give a UUIDv7 of a moment and 74 random bits."""
    value = int(at.timestamp() * 1000) << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1
    text_ = f"{value:032x}"
    return f"{text_[:8]}-{text_[8:12]}-{text_[12:16]}-{text_[16:20]}-{text_[20:]}"


def test_beat_whose_clock_jumps(case: Case) -> None:
    """Promised: one summary of each area and day. Broken by beats an hour ahead and two days behind, in turn."""
    settings = settings_of(case.system)
    with standing_still(find_process(case.system, BEAT)):
        for run in case.runs(short=1, full=4):
            schedule = StateFolder(case.system.folder / "jumping-beat")
            schedule.path.mkdir(exist_ok=True)
            clock = with_clock("+1h" if run % 2 == 0 else "-2d")
            with process_beside(case.system, beat_spec(settings, schedule), environment=clock):
                Night(case).await_all()
    case.close_books()
