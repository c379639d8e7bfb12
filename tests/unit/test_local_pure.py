"""The launcher's pure parts: delays, settings files, the sentence on an exit, who may pass a folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_local import identity, postgres, valkey
from tracetrack_local.backoff import Backoff
from tracetrack_local.identity import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, choose_capability, first_closed
from tracetrack_local.process import describe_exit

NOBODY = 65_534


def test_delays_double_up_to_five_seconds() -> None:
    backoff = Backoff()

    delays = [backoff.after_run_of(1.0) for _ in range(7)]

    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_healthy_run_makes_the_next_delay_the_first_again() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.after_run_of(1.0)

    assert backoff.after_run_of(30.0) == 0.2
    assert backoff.after_run_of(1.0) == 0.4


@given(st.lists(st.floats(min_value=0, max_value=100)))
def test_a_delay_is_never_below_the_first_nor_above_the_longest(runs: list[float]) -> None:
    backoff = Backoff()

    assert all(0.2 <= backoff.after_run_of(ran_s) <= 5.0 for ran_s in runs)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-9, "was killed by SIGKILL"),
        (-15, "was killed by SIGTERM"),
        (-200, "was killed by signal 200"),
    ],
)
def test_an_exit_is_told_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


def settings_in(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name.strip(" ="): value.strip(" =") for name, _, value in (line.partition(" ") for line in lines)}


def test_postgres_listens_on_this_machine_only_and_syncs_what_it_commits() -> None:
    settings = settings_in(postgres.render_settings(port=12345))

    assert settings["listen_addresses"] == "'127.0.0.1'"
    assert settings["unix_socket_directories"] == "''"
    assert settings["port"] == "12345"
    assert settings["password_encryption"] == "'scram-sha-256'"
    assert settings["fsync"] == settings["synchronous_commit"] == settings["full_page_writes"] == "on"
    assert settings["jit"] == "off"


def test_postgres_syncs_nothing_where_a_test_wants_speed() -> None:
    settings = settings_in(postgres.render_settings(port=12345, durable=False))

    assert settings["fsync"] == settings["synchronous_commit"] == settings["full_page_writes"] == "off"


@pytest.mark.parametrize(("lz4", "method"), [(True, "lz4"), (False, "on")])
def test_postgres_compresses_its_log_by_what_the_build_has(lz4: bool, method: str) -> None:  # noqa: FBT001
    assert settings_in(postgres.render_settings(port=1, lz4=lz4))["wal_compression"] == method


def test_valkey_confirms_a_write_only_when_it_is_on_disk_and_throws_nothing_out() -> None:
    text = valkey.render_settings(
        data_dir=Path("/data"), port=1234, password="secret", admin_password="secret too", max_memory_bytes=1000
    )
    settings = settings_in(text)

    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["bind"] == "127.0.0.1"
    assert settings["protected-mode"] == "yes"
    assert "secret" not in text
    assert settings["save"] == '""'
    assert settings["daemonize"] == "no"


def test_a_path_with_blanks_and_quotes_stays_one_value_in_valkeys_settings() -> None:
    assert valkey.quoted('/my "own" data\\folder') == '"/my \\"own\\" data\\\\folder"'


@given(st.integers(min_value=0, max_value=2**44))
def test_valkey_takes_at_most_a_quarter_of_the_machine_and_one_gigabyte(machine_bytes: int) -> None:
    limit = valkey.memory_limit(machine_bytes)

    assert limit <= valkey.MOST_MEMORY
    assert limit <= max(valkey.LEAST_MEMORY, machine_bytes // 4)


@pytest.mark.parametrize(
    ("mode", "is_closed"), [(0o700, True), (0o750, True), (0o711, False), (0o755, False), (0o701, False)]
)
def test_a_stranger_passes_a_folder_that_is_open_to_others(tmp_path: Path, mode: int, is_closed: bool) -> None:  # noqa: FBT001
    tmp_path.chmod(mode)

    assert first_closed([tmp_path], NOBODY, NOBODY) == (tmp_path if is_closed else None)


def test_the_owner_passes_a_private_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    assert first_closed([tmp_path], tmp_path.stat().st_uid, NOBODY) is None


def test_a_folder_that_is_not_there_yet_closes_no_way(tmp_path: Path) -> None:
    assert first_closed([tmp_path / "to-come"], NOBODY, NOBODY) is None


@pytest.mark.parametrize(
    ("permitted", "chosen"),
    [
        (0, None),
        (1 << CAP_DAC_OVERRIDE, CAP_DAC_OVERRIDE),
        (1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH, CAP_DAC_READ_SEARCH),
        (1 << 21, None),
    ],
)
def test_the_narrowest_capability_at_hand_is_kept(permitted: int, chosen: int | None) -> None:
    assert choose_capability(permitted) == chosen


def test_an_ordinary_user_runs_postgres_as_themselves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tracetrack_local.identity.os.geteuid", lambda: 1000)

    assert identity.find_identity(tmp_path) is None
