"""The doctor on a whole system that runs: nothing found, on the screen and as JSON."""

import json
from collections.abc import Callable

import httpx

from tests.support.system import RunningSystem, scan_of, submit

Codes = Callable[[], str]


def test_a_healthy_system_passes_every_check(
    system: RunningSystem, device: httpx.Client, sack: Codes, child: Codes
) -> None:
    parent = sack()
    for _ in range(3):
        submit(device, scan_of("child", child(), parent_code=parent))

    done = system.command("doctor")

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["check", "result"]
    for check in (
        "postgres",
        "redis",
        "schema",
        "ledgers",
        "counts",
        "effects",
        "audit",
        "workers",
        "gateway",
        "flower",
    ):
        assert any(line.split()[:2] == [check, "ok"] for line in lines), check
    assert lines[-1].endswith("nothing found.")


def test_what_the_doctor_says_can_be_read_by_a_program(system: RunningSystem) -> None:
    done = system.command("doctor", "--json", "--only", "people", "--only", "processes")

    report = json.loads(done.stdout)
    assert (done.returncode, report["healthy"], report["findings"]) == (0, True, [])
    assert [check["name"] for check in report["checks"]] == ["people", "processes"]


def test_the_audit_log_is_verified_by_a_command_of_its_own(system: RunningSystem) -> None:
    done = system.command("audit", "verify")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "scans in" in done.stdout


def test_a_check_that_is_not_there_is_told_with_those_that_are(system: RunningSystem) -> None:
    done = system.command("doctor", "--only", "everything")

    assert done.returncode == 1
    assert "'everything'" in done.stderr
    assert "audit" in done.stderr


def test_the_audit_log_is_exported_by_a_command_of_its_own(system: RunningSystem) -> None:
    done = system.command("audit", "export", "--until", "2999-01-01")

    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert "system.first_start" in {row["action"] for row in rows}
    assert all(len(row["hash"]) == 64 for row in rows)
    assert system.command("audit", "export", "--from", "2999-01-01").stdout == ""


def test_no_service_knows_the_role_that_owns_the_tables(system: RunningSystem) -> None:
    for process in system.processes():
        assert "tracetrack_owner" not in " ".join(process.cmdline())
        assert not any("MIGRATION" in name or "tracetrack_owner" in value for name, value in process.environ().items())
