"""The settings of this start, with the embedded servers' addresses filled in where none are given."""

import os
from pathlib import Path

from pydantic import SecretStr, ValidationError

from tracetrack_common.settings import PREFIX, Settings
from tracetrack_local.errors import LauncherError

DATABASE_URL = PREFIX + "DATABASE_URL"
REDIS_URL = PREFIX + "REDIS_URL"
MIGRATION_DATABASE_URL = PREFIX + "MIGRATION_DATABASE_URL"

# Stand for an embedded server until its port and password are known.
_DATABASE_TO_COME = "postgresql://127.0.0.1/tracetrack"
_REDIS_TO_COME = "redis://127.0.0.1/0"


def load_settings() -> Settings:
    """
    Read the environment; the state folder becomes an absolute path.

    Raises
    ------
    LauncherError
        When a value is wrong or a name is unknown; the sentence names it and quotes no secret.
    """
    try:
        settings = Settings(
            database_url=SecretStr(os.environ.get(DATABASE_URL) or _DATABASE_TO_COME),
            redis_url=SecretStr(os.environ.get(REDIS_URL) or _REDIS_TO_COME),
        )
    except ValidationError as error:
        raise LauncherError(" ".join(_sentence(mistake["loc"], mistake["msg"]) for mistake in error.errors())) from None
    return settings.model_copy(update={"state_dir": Path(settings.state_dir).expanduser().absolute()})


def with_servers(
    settings: Settings, *, database_url: str | None, redis_url: str | None, migration_database_url: str | None = None
) -> Settings:
    """Put in the addresses of embedded servers; None leaves the one that was given."""
    update: dict[str, SecretStr] = {}
    if database_url is not None:
        update["database_url"] = SecretStr(database_url)
    if redis_url is not None:
        update["redis_url"] = SecretStr(redis_url)
    if migration_database_url is not None:
        update["migration_database_url"] = SecretStr(migration_database_url)
    return settings.model_copy(update=update)


def embeds_postgres() -> bool:
    """Tell whether this system runs its own PostgreSQL."""
    return not os.environ.get(DATABASE_URL)


def embeds_valkey() -> bool:
    """Tell whether this system runs its own Valkey."""
    return not os.environ.get(REDIS_URL)


def environment(settings: Settings) -> dict[str, str]:
    """Give a service's environment: this process's, with the addresses and folders that were settled here.

    The address that only `migrate` wants is not in it: no service could use it for good.
    """
    return {
        **{name: value for name, value in os.environ.items() if name != MIGRATION_DATABASE_URL},
        DATABASE_URL: settings.database_url.get_secret_value(),
        REDIS_URL: settings.redis_url.get_secret_value(),
        PREFIX + "STATE_DIR": str(settings.state_dir),
        # What a service logs last, when it dies, must not stay in a buffer.
        "PYTHONUNBUFFERED": "1",
    }


def gateway_url(settings: Settings) -> str:
    """Give the address at which this machine reaches the gateway."""
    return f"http://{_reachable(settings.gateway_host)}:{settings.gateway_port}"


def flower_url(settings: Settings) -> str:
    """Give the address of Flower, which listens on this machine only."""
    return f"http://127.0.0.1:{settings.flower_port}"


def _reachable(host: str) -> str:
    """Give the address under which a server that listens everywhere is reached from here."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared with, not listened on
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    first_line = message.removeprefix("Value error, ").splitlines()[0]
    name = PREFIX + str(location[0]).upper() if location else ""
    return f"{name}: {first_line}." if name else f"{first_line}."
