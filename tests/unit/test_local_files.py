"""What the launcher keeps on disk: private from the first byte on, whole or not at all, and told about when damaged."""

import os
import stat
from pathlib import Path

import pytest

from tracetrack_local import ports
from tracetrack_local.credentials import Credentials, DeviceCredential, Login, credentials_path
from tracetrack_local.errors import LauncherError
from tracetrack_local.postgres import check_version
from tracetrack_local.state import ServerAccess, StateFolder

CREDENTIALS = Credentials(
    gateway_url="http://127.0.0.1:8080",
    flower_url="http://127.0.0.1:5555",
    admin=Login(username="admin", password="first-password"),
    device=DeviceCredential(name="scanner-1", area="lucknow", token="first-token"),
    flower=Login(username="tracetrack", password="flower-password"),
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_credentials_come_back_as_they_were_saved(tmp_path: Path) -> None:
    CREDENTIALS.save(tmp_path)

    assert Credentials.load(tmp_path) == CREDENTIALS


def test_credentials_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        path = CREDENTIALS.save(tmp_path)
    finally:
        os.umask(previous)

    assert mode(path) == 0o600


def test_credentials_are_private_before_their_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    replace = Path.replace

    def look_then_replace(path: Path, target: Path) -> Path:
        seen.append(mode(path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", look_then_replace)
    path = credentials_path(tmp_path)
    path.write_text("{}")
    path.chmod(0o644)

    CREDENTIALS.save(tmp_path)

    assert seen == [0o600]
    assert mode(path) == 0o600


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CREDENTIALS.save(tmp_path)

    def no_room(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tracetrack_local.durable.os.fsync", no_room)
    with pytest.raises(OSError, match="No space left"):
        CREDENTIALS.model_copy(update={"gateway_url": "http://127.0.0.1:9090"}).save(tmp_path)

    assert Credentials.load(tmp_path) == CREDENTIALS
    assert [path.name for path in tmp_path.iterdir()] == ["credentials.json"]


def test_no_secret_shows_in_a_printed_value() -> None:
    shown = repr(CREDENTIALS)

    assert "first-password" not in shown
    assert "first-token" not in shown
    assert "flower-password" not in shown


@pytest.mark.parametrize("content", ["", "{", "[]", '{"admin": {"username": "admin", "password": "s3cret"}}', "\x00"])
def test_damaged_credentials_are_told_in_one_sentence_without_their_content(tmp_path: Path, content: str) -> None:
    credentials_path(tmp_path).write_text(content)

    with pytest.raises(LauncherError) as caught:
        Credentials.load(tmp_path)

    assert str(credentials_path(tmp_path)) in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_missing_credentials_name_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="tracetrack up"):
        Credentials.load(tmp_path)


def test_a_state_folder_is_made_with_its_parents_and_is_not_listed_by_others(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "a" / "b")

    state.ensure()

    assert not mode(state.path) & 0o066
    assert mode(state.logs) == 0o700


def test_a_state_path_that_is_a_file_is_told_with_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("")

    with pytest.raises(LauncherError, match=r"is a file.*TRACETRACK_STATE_DIR"):
        StateFolder(path).ensure()


def test_a_file_in_the_way_to_the_state_folder_is_told_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "way").write_text("")

    with pytest.raises(LauncherError, match=r"in its way.*TRACETRACK_STATE_DIR"):
        StateFolder(tmp_path / "way" / "state").ensure()


def test_a_full_disk_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        f_bavail = 10
        f_frsize = 1024 * 1024

    monkeypatch.setattr("tracetrack_local.state.os.statvfs", lambda _path: Full)

    with pytest.raises(LauncherError, match=r"is full: 10 MB are free and 300 MB are needed"):
        StateFolder(tmp_path / "state").ensure()


def made_state(tmp_path: Path) -> StateFolder:
    state = StateFolder(tmp_path / "state")
    state.ensure()
    return state


def test_ports_and_passwords_are_made_once_and_stay(tmp_path: Path) -> None:
    state = made_state(tmp_path)

    first = ServerAccess.settle(state)

    assert ServerAccess.settle(state) == first
    assert mode(state.servers_file) == 0o600
    assert len({first.postgres.superuser_password, first.postgres.app_password, first.valkey.password}) == 3
    assert first.postgres.port != first.valkey.port


def test_a_port_that_was_taken_since_is_replaced_and_the_password_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = made_state(tmp_path)
    first = ServerAccess.settle(state)
    monkeypatch.setattr(ports, "is_free", lambda port, _host="127.0.0.1": port != first.postgres.port)

    second = ServerAccess.settle(state)

    assert second.postgres.port not in {first.postgres.port, first.valkey.port}
    assert second.postgres.app_password == first.postgres.app_password
    assert second.valkey == first.valkey


def test_passwords_lost_beside_data_are_told(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    state.postgres.mkdir()

    with pytest.raises(LauncherError, match=r"servers\.json is gone"):
        ServerAccess.settle(state)


def test_a_damaged_servers_file_is_told(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    state.servers_file.write_text("{}")

    with pytest.raises(LauncherError, match="is damaged"):
        ServerAccess.settle(state)


def test_a_cluster_of_another_major_version_is_told(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")

    with pytest.raises(LauncherError, match="PostgreSQL 16 and this is PostgreSQL 18"):
        check_version(tmp_path)


def test_a_folder_that_is_no_cluster_is_told(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="not a PostgreSQL data folder"):
        check_version(tmp_path)
