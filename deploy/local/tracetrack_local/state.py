"""The state folder: what this installation keeps between starts."""

import os
import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracetrack_local import ports
from tracetrack_local.durable import write_private
from tracetrack_local.errors import LauncherError

SERVERS_FILE = "servers.json"
MEGABYTE = 1024 * 1024
ROOM_TO_BEGIN = 300 * MEGABYTE  # a new cluster is 40 MB, its log another 30; the rest is room to work
ROOM_TO_GO_ON = 64 * MEGABYTE
PASSWORD_BYTES = 24


class StateFolder:
    """
    The folder and the names in it.

    Parameters
    ----------
    path
        Its absolute path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.postgres = path / "postgres"
        self.valkey = path / "valkey"
        self.servers_file = path / SERVERS_FILE
        self.beat_schedule = path / "beat-schedule"

    def ensure(self) -> None:
        """
        Make the folder if it is missing, and check that it can be worked in.

        Raises
        ------
        LauncherError
            When it cannot.
        """
        if self.path.exists() and not self.path.is_dir():
            raise LauncherError(f"{self.path} is a file and not a folder: set TRACETRACK_STATE_DIR to another path.")
        try:
            self._make()
        except (FileExistsError, NotADirectoryError):
            raise LauncherError(
                f"{self.path} cannot be a folder, as a file is in its way: set TRACETRACK_STATE_DIR to another path."
            ) from None
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise LauncherError(
                f"The state folder {self.path} cannot be written by this user: give it to them, "
                "or set TRACETRACK_STATE_DIR to another path."
            )
        self._require_room()

    def _make(self) -> None:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Root gives PostgreSQL to another user, who must find its way in; what is secret has a mode of its own.
            self.path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def _require_room(self) -> None:
        needed = ROOM_TO_GO_ON if self.servers_file.exists() else ROOM_TO_BEGIN
        figures = os.statvfs(self.path)
        free = figures.f_bavail * figures.f_frsize
        if free < needed:
            raise LauncherError(
                f"The disk that holds {self.path} is full: {free // MEGABYTE} MB are free and {needed // MEGABYTE} MB "
                "are needed. Make room, or set TRACETRACK_STATE_DIR to a folder on another disk."
            )


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _new_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


class PostgresAccess(_Record):
    """Where the embedded PostgreSQL listens, and its passwords."""

    port: int
    superuser_password: str = Field(default_factory=_new_password, repr=False)
    owner_password: str = Field(default_factory=_new_password, repr=False)
    app_password: str = Field(default_factory=_new_password, repr=False)


class ValkeyAccess(_Record):
    """Where the embedded Valkey listens, and its passwords."""

    port: int
    password: str = Field(default_factory=_new_password, repr=False)
    admin_password: str = Field(default_factory=_new_password, repr=False)


class FlowerAccess(_Record):
    """The login of Flower."""

    username: str = "tracetrack"
    password: str = Field(default_factory=_new_password, repr=False)


class ServerAccess(_Record):
    """
    Ports and passwords that were made here at the first start, and are the same at every start.

    They are on disk before the servers are made with them, so that no crash leaves a server whose password is lost.
    """

    postgres: PostgresAccess
    valkey: ValkeyAccess
    flower: FlowerAccess = Field(default_factory=FlowerAccess)

    @classmethod
    def settle(cls, state: StateFolder) -> Self:
        """
        Read them, or make them at the first start; a port that others have taken since is replaced.

        Raises
        ------
        LauncherError
            When the file is damaged, or missing beside data that it belongs to.
        """
        if state.servers_file.exists():
            access = cls.load(state)
        elif state.postgres.exists():
            raise LauncherError(
                f"{state.servers_file} is gone, and with it the password of the data in {state.postgres}: "
                "restore it from a copy, or move the whole state folder away to begin anew."
            )
        else:
            first = ports.choose_free()
            second = ports.choose_free(frozenset({first}))
            access = cls(postgres=PostgresAccess(port=first), valkey=ValkeyAccess(port=second))
        access = access._with_free_ports()
        write_private(state.servers_file, access.model_dump_json(indent=2) + "\n")
        return access

    @classmethod
    def load(cls, state: StateFolder) -> Self:
        """
        Read them.

        Raises
        ------
        LauncherError
            When the file cannot be read or is damaged.
        """
        try:
            return cls.model_validate_json(state.servers_file.read_bytes())
        except ValidationError:
            raise LauncherError(
                f"{state.servers_file} is damaged: restore it from a copy, "
                "or move the whole state folder away to begin anew."
            ) from None

    def _with_free_ports(self) -> Self:
        taken = frozenset({self.postgres.port, self.valkey.port})
        update: dict[str, _Record] = {}
        if not ports.is_free(self.postgres.port):
            port = ports.choose_free(taken)
            taken |= {port}
            update["postgres"] = self.postgres.model_copy(update={"port": port})
        if not ports.is_free(self.valkey.port):
            update["valkey"] = self.valkey.model_copy(update={"port": ports.choose_free(taken)})
        return self.model_copy(update=update)
