"""The embedded servers for real: made whole or not at all, private, and fine in a folder that others may not enter."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.servers import EmbeddedServers
from tracetrack_local.errors import LauncherError


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)  # as a clone in root's home is: PostgreSQL's user must get in all the same
    (closed / "folder with blanks").mkdir()
    with EmbeddedServers(folder=closed / "folder with blanks", durable=True) as servers:
        yield servers


def query(url: str, statement: str) -> object:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
        return None if row is None else row[0]


def test_the_services_own_nothing_and_nobody_but_postgres_is_a_superuser(servers: EmbeddedServers) -> None:
    url = servers.database_url("tracetrack")

    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'tracetrack'"
    assert query(url, owner) == "tracetrack_owner"
    assert query(url, "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolsuper") == "postgres"
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(url, "CREATE TABLE mine ()")


def test_a_database_of_the_services_becomes_the_owners_at_the_next_start(servers: EmbeddedServers) -> None:
    with closing(servers.postgres_server.connect("tracetrack")) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER DATABASE tracetrack OWNER TO tracetrack")  # as an earlier release made it
        cursor.execute("SET ROLE tracetrack")
        cursor.execute("CREATE TABLE old AS SELECT 7 AS seven")

    for _ in range(2):
        servers.postgres_server.ensure_database()

    assert query(servers.postgres_server.owner_url(), "DROP TABLE old; SELECT current_user") == "tracetrack_owner"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("server_version_num", "18"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("shared_buffers", "256MB"),
        ("data_checksums", "on"),
    ],
)
def test_postgres_runs_with_the_settings_it_was_given(servers: EmbeddedServers, setting: str, value: str) -> None:
    shown = query(servers.database_url("tracetrack"), f"SHOW {setting}")

    assert str(shown).startswith(value)


def test_postgres_lets_nobody_in_without_the_password(servers: EmbeddedServers) -> None:
    url = servers.database_url("tracetrack").replace(servers.postgres_server.app_password, "guessed")

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(url, "SELECT 1")


def test_no_password_stands_in_postgres_log(servers: EmbeddedServers) -> None:
    log = servers.postgres.log_path.read_text()

    assert servers.postgres_server.app_password not in log
    assert servers.postgres_server.superuser_password not in log


def test_valkey_lets_nobody_in_without_the_password(servers: EmbeddedServers) -> None:
    with (
        closing(redis.Redis(port=servers.valkey_server.port, retry=Retry(NoBackoff(), 0))) as client,
        pytest.raises(redis.AuthenticationError, match="authenticated"),
    ):
        client.ping()


def test_what_both_confirmed_outlives_a_kill(servers: EmbeddedServers) -> None:
    url = servers.create_database("kept")
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        connection.commit()
    with closing(servers.valkey_server.connect(3)) as client:
        client.set("kept", "7")

    servers.postgres.kill_group()
    servers.valkey.kill_group()
    servers.restart()

    assert query(url, "SELECT seven FROM kept") == 7
    with closing(servers.valkey_server.connect(3)) as client:
        assert client.get("kept") == b"7"


def test_a_clone_has_the_templates_rows_and_its_own_life(servers: EmbeddedServers) -> None:
    template = servers.create_database("template")
    with closing(psycopg2.connect(template)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bag AS SELECT 'SB00001' AS code")
        connection.commit()
        clone = servers.create_database("clone", template="template")

    assert query(clone, "SELECT code FROM bag") == "SB00001"
    servers.drop_database("clone")
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        query(clone, "SELECT 1")


def test_a_flush_empties_one_database_and_no_other(servers: EmbeddedServers) -> None:
    with closing(servers.valkey_server.connect(1)) as one, closing(servers.valkey_server.connect(2)) as two:
        one.set("a", "1")
        two.set("b", "2")

        servers.flush_redis(1)

        assert one.dbsize() == 0
        assert two.get("b") == b"2"


def test_settings_with_the_password_are_for_their_owner_only(servers: EmbeddedServers) -> None:
    assert (servers.valkey_server.data_dir / "valkey.conf").stat().st_mode & 0o777 == 0o600


def test_half_a_cluster_is_never_taken_for_one(servers: EmbeddedServers, tmp_path: Path) -> None:
    fresh = replace(servers.postgres_server, data_dir=tmp_path / "postgres", durable=False)
    (tmp_path / "postgres.building" / "data").mkdir(parents=True)  # as a kill half way leaves it
    (tmp_path / "postgres.building" / "data" / "PG_VERSION").write_text("18\n")

    fresh.prepare()

    assert (fresh.data_dir / "global" / "pg_control").exists()
    assert not (tmp_path / "postgres.building").exists()


def test_a_cluster_that_cannot_be_made_is_one_sentence(
    servers: EmbeddedServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracetrack_local.postgres.INITDB_OPTIONS", ("--encoding=NONE",))
    fresh = replace(servers.postgres_server, data_dir=tmp_path / "postgres")

    with pytest.raises(LauncherError, match="data folder could not be made") as caught:
        fresh.prepare()

    assert "\n" not in str(caught.value)
    assert not fresh.data_dir.exists()
