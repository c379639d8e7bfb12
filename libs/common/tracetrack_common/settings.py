"""Settings: read from the environment once, frozen, and strict about names."""

import difflib
import os
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PostgresDsn, RedisDsn, SecretStr, TypeAdapter, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tracetrack_common.mail_request import is_address

PREFIX = "TRACETRACK_"
_DATABASE_URL = TypeAdapter(PostgresDsn)
_REDIS_URL = TypeAdapter(RedisDsn)


class Settings(BaseSettings):
    """What every process of TraceTrack is told by its environment (`TRACETRACK_…`).

    Raises
    ------
    pydantic.ValidationError
        A value is missing or wrong, or a `TRACETRACK_…` name is not known; the message names it.
    """

    # Compose hands on what nobody gave as an empty text.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: SecretStr = Field(description="postgresql://user:password@host:port/database")
    migration_database_url: SecretStr | None = Field(
        default=None, description="the same database as the role that owns its tables; only `migrate` wants it"
    )
    redis_url: SecretStr = Field(description="redis://:password@host:port/0: the ledger, the broker, the mirrors")
    state_dir: Path = Field(default=Path(".tracetrack"), description="where files of this machine are kept")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8080, ge=1, le=65535)
    gateway_url: str | None = Field(default=None, description="the address people and devices use, when it differs")
    trusted_proxies: str | None = Field(
        default=None, description="addresses of proxies in front, with commas: those say who calls (X-Forwarded-For)"
    )
    flower_port: int = Field(default=5555, ge=1, le=65535)
    max_body_bytes: int = Field(default=2 * 1024 * 1024, ge=1024, description="largest request body")
    request_head_timeout_s: float = Field(default=10.0, gt=0, description="how long a request's head may take to come")
    request_timeout_s: float = Field(default=30.0, gt=0, description="how long its body may; and an answer to be read")
    connections_most: int = Field(default=2_000, ge=1, description="connections a gateway holds")
    address_connections_most: int = Field(default=300, ge=1, description="of one address, where no proxy is trusted")
    caller_requests_per_s: float = Field(default=100.0, gt=0, description="of one device or person, for ever")
    caller_requests_burst: int = Field(default=500, ge=1, description="and at once")
    address_requests_per_s: float = Field(default=1_000.0, gt=0, description="of one address, for ever")
    address_requests_burst: int = Field(default=5_000, ge=1, description="and at once")
    feeds_most: int = Field(default=200, ge=1, description="live feeds that a gateway holds open")
    reply_timeout_s: float = Field(default=10.0, gt=0, description="how long a person's command is waited for")
    credential_ttl_s: float = Field(default=2.0, ge=0, le=5, description="how long a process trusts a looked-up token")
    session_idle_s: float = Field(default=1_800, gt=0, description="a session unused for so long has ended")

    db_pool_size: int = Field(default=5, ge=1, description="connections each process keeps")
    db_max_overflow: int = Field(default=5, ge=0, description="connections it may open beyond those")
    db_connect_timeout_s: int = Field(default=3, ge=1)
    db_statement_timeout_ms: int = Field(default=15_000, ge=100)
    db_read_timeout_s: float = Field(default=2.0, gt=0, description="how long the gateway waits for Postgres to answer")
    db_lock_timeout_ms: int = Field(default=5_000, ge=100)
    db_idle_in_transaction_timeout_ms: int = Field(default=20_000, ge=100)

    lease_s: float = Field(default=5.0, gt=0, description="a ledger entry untouched for so long is taken over")
    sweep_interval_s: float = Field(default=1.0, gt=0, description="how often a worker looks for forgotten entries")
    scans_per_transaction: int = Field(default=2_000, ge=1, description="most scans one transaction applies")

    ledger_most_scans: int = Field(
        default=1_000_000, ge=1, description="accepted and not applied scans above which no more are accepted"
    )
    ledger_most_age_s: float | None = Field(
        default=None, gt=0, description="the same for the age of the oldest ledger entry; left out: no limit"
    )
    redis_most_memory_share: float = Field(
        default=0.9, gt=0, le=1, description="the same for the share of Redis' maxmemory in use"
    )
    retry_after_most_s: int = Field(default=60, ge=1, description="longest time a refused device is told to wait")

    smtp_url: SecretStr | None = Field(
        default=None,
        description="smtp://user:password@host:587 (STARTTLS), smtps://…:465, smtp+insecure://…:25 (a relay at hand);"
        " left out: mail is written to files in `outbox` of the state folder",
    )
    mail_from: str = Field(default="TraceTrack <tracetrack@localhost>", description="the sender of every mail")
    mail_tick_s: float = Field(default=10.0, gt=0, le=300, description="how often it is looked whether mail is due")

    eod_zone: str = Field(default="Asia/Kolkata", description="zone of the summary over all areas")
    eod_delay_minutes: int = Field(default=15, ge=0, description="minutes after the day's end the nightly run comes")
    eod_deadline_minutes: int = Field(
        default=60, ge=0, description="minutes after the day's end a summary that is not there is told of as late"
    )
    eod_quiet_minutes: int = Field(
        default=10, ge=0, description="minutes for which nothing must come to a closed day before it is revised"
    )
    eod_quiet_most_minutes: int = Field(
        default=60, ge=0, description="minutes after the first late one at which it is revised although more comes"
    )
    eod_tick_s: float = Field(default=60.0, gt=0, le=300, description="how often it is looked whether one is due")

    files_dir: Path | None = Field(
        default=None, description="files that jobs make and take, shared by gateways and workers; `files` of state_dir"
    )
    import_max_bytes: int = Field(default=128 * 1024 * 1024, ge=1024, description="largest file that is imported")
    files_keep_hours: float = Field(default=72, gt=0, description="how long a job's file is kept")
    jobs_at_once: int = Field(
        default=1,
        ge=1,
        description="jobs of a queue running at once, on all workers together; fewer than their pools",
    )
    job_lease_s: float = Field(default=15.0, ge=3, description="a running job untouched for so long is begun again")
    job_tick_s: float = Field(default=10.0, gt=0, le=300, description="how often it is looked whether a job waits")

    @property
    def files(self) -> Path:
        """The folder of the files that jobs make and take."""
        return self.files_dir or self.state_dir / "files"

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        for name, form, url in (
            ("DATABASE_URL", _DATABASE_URL, self.database_url),
            ("MIGRATION_DATABASE_URL", _DATABASE_URL, self.migration_database_url or self.database_url),
            ("REDIS_URL", _REDIS_URL, self.redis_url),
        ):
            try:
                form.validate_python(url.get_secret_value())
            except ValidationError as error:
                # The error itself quotes the address, password and all.
                raise ValueError(f"{PREFIX}{name}: {error.errors(include_input=False)[0]['msg']}") from None
        if self.smtp_url is not None and not _is_smtp_url(self.smtp_url.get_secret_value()):
            raise ValueError(f"{PREFIX}SMTP_URL: give smtp://, smtps:// or smtp+insecure:// with a host")
        if not is_address(parseaddr(self.mail_from)[1]):
            raise ValueError(f"{PREFIX}MAIL_FROM: give an e-mail address, with a name before it in <> if you like")
        return self

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_names(cls, values: dict[str, object]) -> dict[str, object]:
        known = {PREFIX + name.upper() for name in cls.model_fields}
        for name in os.environ:
            if name.startswith(PREFIX) and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"{name} is not a setting of TraceTrack{hint}")
        return values


def _is_smtp_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"smtp", "smtps", "smtp+insecure"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
