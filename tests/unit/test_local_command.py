"""The command as a person meets it: one clear sentence, an exit code, never a traceback, never a secret."""

import errno
import json
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tracetrack_local.cli import cli, explain
from tracetrack_local.credentials import Credentials, DeviceCredential, Login, credentials_path
from tracetrack_local.lock import StateLock, find_holder
from tracetrack_local.logs import LogReader
from tracetrack_local.ports import choose_free
from tracetrack_local.readiness import redis_complaint
from tracetrack_local.running import describe_ledgers
from tracetrack_local.screen import first_scan
from tracetrack_local.settings import embeds_postgres, environment, gateway_url, load_settings, with_servers


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("TRACETRACK_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "state"
    monkeypatch.setenv("TRACETRACK_STATE_DIR", str(folder))
    gateway_port = choose_free()
    monkeypatch.setenv("TRACETRACK_GATEWAY_PORT", str(gateway_port))
    monkeypatch.setenv("TRACETRACK_FLOWER_PORT", str(choose_free(frozenset({gateway_port}))))
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def assert_one_sentence(result: Result, *parts: str) -> None:
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("tracetrack: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr


def test_a_setting_with_a_typing_error_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACETRACK_GATEWAY_PROT", "8081")

    assert_one_sentence(run("status"), "TRACETRACK_GATEWAY_PROT", "TRACETRACK_GATEWAY_PORT")


def test_a_port_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACETRACK_GATEWAY_PORT", "eighty")

    assert_one_sentence(run("up"), "TRACETRACK_GATEWAY_PORT", "integer")


def test_a_wrong_database_address_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACETRACK_DATABASE_URL", "mysql://user:s3cret@127.0.0.1/tracetrack")

    result = run("up")

    assert_one_sentence(result)
    assert "s3cret" not in result.stderr


def test_a_state_path_that_is_a_file_is_told(state_dir: Path) -> None:
    state_dir.write_text("")

    assert_one_sentence(run("up"), str(state_dir), "TRACETRACK_STATE_DIR")


def test_damaged_credentials_stop_the_start_before_anything_runs(state_dir: Path) -> None:
    state_dir.mkdir()
    credentials_path(state_dir).write_text("{")

    assert_one_sentence(run("up"), str(credentials_path(state_dir)), "damaged")


def test_a_cluster_of_another_version_stops_the_start_before_anything_runs(state_dir: Path) -> None:
    (state_dir / "postgres").mkdir(parents=True)
    (state_dir / "postgres" / "PG_VERSION").write_text("16\n")

    assert_one_sentence(run("up"), "PostgreSQL 16", "PostgreSQL 18")


@pytest.fixture
def running(state_dir: Path) -> Iterator[int]:
    """Another program that holds the lock, as a running system does."""
    state_dir.mkdir()
    program = (
        "import pathlib, signal, sys; from tracetrack_local.lock import StateLock;"
        "lock = StateLock(pathlib.Path(sys.argv[1])).acquire(gateway_url='http://127.0.0.1:8080', purpose='up');"
        "print('held', flush=True); signal.pause()"
    )
    command = [sys.executable, "-c", program, str(state_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:  # noqa: S603 - this very test
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other.pid
        other.kill()


def test_a_second_start_names_the_pid_and_the_address_of_the_first(running: int) -> None:
    assert_one_sentence(run("up"), f"pid {running}", "http://127.0.0.1:8080", "tracetrack stop")


def test_stop_ends_the_one_that_runs(running: int, state_dir: Path) -> None:
    result = run("stop")

    assert result.exit_code == 0
    assert f"pid {running}" in result.stdout
    assert find_holder(state_dir) is None


def test_a_lock_can_be_taken_again_when_its_holder_has_let_go(state_dir: Path) -> None:
    state_dir.mkdir()
    StateLock(state_dir).acquire(gateway_url="http://127.0.0.1:8080", purpose="up").release()

    assert find_holder(state_dir) is None
    StateLock(state_dir).acquire(gateway_url="http://127.0.0.1:8080", purpose="up").release()


def test_status_and_stop_say_that_nothing_runs() -> None:
    status, stop = run("status"), run("stop")

    assert (status.exit_code, stop.exit_code) == (1, 0)
    assert "is not running" in status.stdout
    assert "is not running" in stop.stdout


@pytest.mark.parametrize(
    "command", [("demo",), ("replay", __file__), ("failed", "list"), ("failed", "replay", "--all")]
)
def test_what_needs_the_running_system_says_how_to_start_it(command: tuple[str, ...]) -> None:
    assert_one_sentence(run(*command), "not running", "make run")


@pytest.mark.parametrize(
    "arguments", [(), ("019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d", "--all"), ("nothing",), ("--reason", "unreadable")]
)
def test_failed_work_is_decided_about_by_name_or_all_of_it_and_never_by_a_slip(arguments: tuple[str, ...]) -> None:
    for command in (("replay",), ("discard", "--because", "of a test")):
        result = run("failed", *command, *arguments)
        assert result.exit_code == 2
        assert "--help" in result.stderr


def test_a_discard_without_a_reason_is_not_begun() -> None:
    result = run("failed", "discard", "--all")

    assert result.exit_code == 2
    assert "--because" in result.stderr


def test_logs_shows_the_last_lines_of_each_with_its_name(state_dir: Path) -> None:
    folder = state_dir / "logs"
    folder.mkdir(parents=True)
    (folder / "gateway.log").write_text("one\ntwo\nthree\n")
    (folder / "beat.log").write_text("tick\n")

    assert run("logs", "-n", "2").stdout.splitlines() == ["beat | tick", "gateway | two", "gateway | three"]
    assert run("logs", "gateway", "-n", "1").stdout == "three\n"


def test_logs_names_what_there_is_when_asked_for_what_there_is_not(state_dir: Path) -> None:
    (state_dir / "logs").mkdir(parents=True)
    (state_dir / "logs" / "gateway.log").write_text("")

    assert_one_sentence(run("logs", "flower"), "flower", "gateway")


def test_following_a_log_gives_whole_lines_also_after_it_was_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    log.write_text("old\n")
    reader = LogReader(log)
    assert reader.last_lines(10) == ["old"]

    with log.open("a") as file:
        file.write("new\nhalf")
    assert reader.next_lines() == ["new"]
    with log.open("a") as file:
        file.write(" whole\n")
    assert reader.next_lines() == ["half whole"]

    log.rename(tmp_path / "gateway.log.1")
    assert reader.next_lines() == []
    log.write_text("begun again\n")
    assert reader.next_lines() == ["begun again"]


def test_the_ledgers_are_told_with_the_age_of_what_waits() -> None:
    metrics = """# TYPE tracetrack_ledger_entries gauge
tracetrack_ledger_entries{queue="scans"} 12.0
tracetrack_ledger_entries{queue="commands"} 0.0
tracetrack_ledger_oldest_seconds{queue="scans"} 3.25
tracetrack_ledger_oldest_seconds{queue="commands"} 0.0
"""

    assert describe_ledgers(metrics) == "scans 12 (oldest 3.2 s), commands 0"
    assert describe_ledgers("") == "not known"


def test_a_full_disk_is_one_sentence() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/lock")

    assert str(explain(error)) == "The disk is full: /data/lock could not be written. Make room and start again."


def test_the_first_scan_is_a_command_that_works_as_printed() -> None:
    credentials = Credentials(
        gateway_url="http://127.0.0.1:8080",
        flower_url="http://127.0.0.1:5555",
        admin=Login(username="admin", password="p"),
        device=DeviceCredential(name="scanner-1", area="lucknow", token="the-token"),
        flower=Login(username="tracetrack", password="p"),
    )

    words = shlex.split(first_scan(credentials))
    scan = json.loads(words[words.index("-d") + 1])

    assert words[0] == "curl"
    assert "http://127.0.0.1:8080/api/v1/scans" in words
    assert "Authorization: Bearer the-token" in words
    assert "Prefer: wait=5" in words
    assert uuid.UUID(scan["scan_id"]).version == 7
    age = datetime.now(UTC) - datetime.fromisoformat(scan["scanned_at"])
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_services_get_the_embedded_addresses_and_an_absolute_state_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACETRACK_STATE_DIR", "relative")

    settings = with_servers(
        load_settings(), database_url="postgresql://a:b@127.0.0.1:1/c", redis_url="redis://:d@127.0.0.1:2/0"
    )
    env = environment(settings)

    assert env["TRACETRACK_STATE_DIR"] == str(tmp_path / "relative")
    assert env["TRACETRACK_DATABASE_URL"] == "postgresql://a:b@127.0.0.1:1/c"
    assert env["TRACETRACK_REDIS_URL"] == "redis://:d@127.0.0.1:2/0"


def test_a_given_database_replaces_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert embeds_postgres()

    monkeypatch.setenv("TRACETRACK_DATABASE_URL", "postgresql://me:pw@db.example:5432/tracetrack")

    assert not embeds_postgres()
    settings = with_servers(load_settings(), database_url=None, redis_url="redis://127.0.0.1/0")
    assert settings.database_url.get_secret_value() == "postgresql://me:pw@db.example:5432/tracetrack"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104 - what a person may set
        ("::1", "http://[::1]:8080"),
    ],
)
def test_the_gateways_address_is_one_that_can_be_called(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("TRACETRACK_GATEWAY_HOST", host)
    monkeypatch.setenv("TRACETRACK_GATEWAY_PORT", "8080")

    assert gateway_url(load_settings()) == url


def test_a_given_database_that_does_not_answer_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACETRACK_DATABASE_URL", f"postgresql://me:s3cret@127.0.0.1:{choose_free()}/tracetrack")

    result = run("migrate")

    assert_one_sentence(result, "TRACETRACK_DATABASE_URL", "refused")
    assert "s3cret" not in result.stderr


def test_a_given_redis_that_does_not_answer_is_told() -> None:
    complaint = redis_complaint(f"redis://:s3cret@127.0.0.1:{choose_free()}/0")

    assert complaint is not None
    assert "refused" in complaint
    assert "s3cret" not in complaint
