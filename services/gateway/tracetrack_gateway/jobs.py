"""Background jobs as people look at them: how far they are, how long they will take, and their files."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from redis import asyncio as aioredis
from redis.exceptions import RedisError
from sqlalchemy import Row, text

from tracetrack_common.credentials import Principal
from tracetrack_common.errors import ConflictError, GoneError, NotFoundError, UnavailableError
from tracetrack_common.job_files import path_of
from tracetrack_common.ledger import LedgerKeys
from tracetrack_gateway.cursors import invalid_cursor
from tracetrack_gateway.models import Page
from tracetrack_gateway.paging import page_of
from tracetrack_gateway.reading import found
from tracetrack_gateway.snapshots import Snapshots

State = Literal["queued", "running", "done", "failed", "cancelled"]

_EXAMPLE: dict[str, JsonValue] = {
    "job_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
    "kind": "export",
    "arguments": {"list": "bags", "format": "csv", "filters": {"kind": "parent"}},
    "state": "running",
    "created_at": "2026-11-23T04:45:00Z",
    "started_at": "2026-11-23T04:45:00Z",
    "updated_at": "2026-11-23T04:45:10Z",
    "finished_at": None,
    "done": 400_000,
    "total": 1_000_000,
    "errors": 0,
    "rows_per_s": 40_000.0,
    "left_s": 15.0,
    "cancel_requested": False,
    "attempts": 1,
    "detail": None,
    "result": None,
    "file": None,
}
_MAY_SEE = "(actor = :actor OR CAST(:user_id AS int) = ANY(readers) OR :sees_all)"
_COLUMNS = (
    "SELECT job_id, kind, arguments, state, created_at, started_at, updated_at, finished_at, done, total, errors,"
    " cancel_requested_at, attempts, detail, result, file_name, file_size, file_sha256, expires_at FROM job"
)
_FIND = text(f"{_COLUMNS} WHERE job_id = :job_id AND queue = :queue AND {_MAY_SEE}")
_LIST = text(
    f"{_COLUMNS} WHERE queue = :queue AND {_MAY_SEE}"
    " AND (CAST(:below AS uuid) IS NULL OR job_id < :below) ORDER BY job_id DESC LIMIT :limit"
)


class JobFile(BaseModel):
    """The file that a job made."""

    name: str
    size: int = Field(description="bytes")
    sha256: str
    expires_at: datetime


class JobOut(BaseModel):
    """A background job."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    job_id: str
    kind: str | None = Field(description="null while only its order is known, as are its arguments")
    arguments: dict[str, Any] | None
    state: State
    created_at: datetime | None
    started_at: datetime | None
    updated_at: datetime | None
    finished_at: datetime | None
    done: int = Field(description="rows")
    total: int | None = Field(description="rows, once that is known")
    errors: int = Field(description="rows at fault")
    rows_per_s: float | None
    left_s: float | None = Field(description="seconds it will take yet, as it goes")
    cancel_requested: bool
    attempts: int = Field(description="how often a worker began it")
    detail: str | None = Field(description="why it failed")
    result: dict[str, Any] | None
    file: JobFile | None


@dataclass(frozen=True, slots=True)
class Download:
    """A file to hand out."""

    path: Path
    name: str
    sha256: str


class JobReader:
    """Reads jobs: a person's own, those they are a recipient of, and for admins everybody's.

    Parameters
    ----------
    snapshots
        Reads Postgres.
    redis
        Tells what waits in the ledgers.
    files
        The folder of the jobs' files.
    """

    def __init__(self, snapshots: Snapshots, redis: aioredis.Redis, files: Path) -> None:
        self._read = snapshots.read
        self._redis = redis
        self._files = files

    async def find(self, job_id: UUID, queue: str, caller: Principal) -> JobOut:
        """Give a job, or that it waits to be one.

        Raises
        ------
        NotFoundError
            There is none of this queue, or it is somebody else's.
        """
        # The ledger first: what leaves it between the two looks is in Postgres at the second.
        try:
            sender = cast("bytes | None", await self._redis.hget(LedgerKeys(queue).index, str(job_id)))
        except (RedisError, OSError) as error:
            raise UnavailableError("The ledger does not answer; try again.") from error
        row = await self._row(job_id, queue, caller)
        if row is None and sender is not None and sender.decode() == caller.actor:
            return waiting(str(job_id))
        return _job_of(found(row, f"job {job_id}"))

    async def page(self, queue: str, caller: Principal, *, cursor: str | None, limit: int) -> Page[JobOut]:
        """Give a queue's jobs, newest first."""
        try:
            below = None if cursor is None else UUID(cursor)
        except ValueError:
            raise invalid_cursor() from None
        values = {**_seen_by(caller), "queue": queue, "below": below, "limit": limit + 1}
        rows = await self._read(lambda connection: connection.execute(_LIST, values).all())
        return page_of(rows, limit, _job_of, lambda row: str(row.job_id))

    async def file(self, job_id: UUID, queue: str, caller: Principal) -> Download:
        """Give a job's file.

        Raises
        ------
        NotFoundError
            There is no such job, or it made no file.
        ConflictError
            It has not ended.
        GoneError
            The file is not kept any more.
        """
        row = found(await self._row(job_id, queue, caller), f"job {job_id}")
        if row.state in {"queued", "running"}:
            raise ConflictError("It is not done yet.")
        if row.file_name is None:
            raise NotFoundError(f"Job {job_id} made no file.")
        path = path_of(self._files, job_id, row.attempts)
        if row.expires_at <= datetime.now(UTC) or not path.is_file():
            raise GoneError("This file is not kept any more; have it made again.")
        return Download(path, row.file_name, bytes(row.file_sha256).hex())

    async def _row(self, job_id: UUID, queue: str, caller: Principal) -> Row[Any] | None:
        values = {**_seen_by(caller), "job_id": job_id, "queue": queue}
        return await self._read(lambda connection: connection.execute(_FIND, values).one_or_none())


def waiting(job_id: str) -> JobOut:
    """Give a job whose order was accepted and is not written down yet."""
    given: dict[str, Any] = dict.fromkeys(JobOut.model_fields)
    return JobOut(
        **given
        | {"job_id": job_id, "state": "queued", "cancel_requested": False}
        | dict.fromkeys(("done", "errors", "attempts"), 0)
    )


def _seen_by(caller: Principal) -> dict[str, Any]:
    return {"actor": caller.actor, "user_id": caller.id, "sees_all": caller.role == "admin"}


def _job_of(row: Row[Any]) -> JobOut:
    fields = row._asdict()
    cancel_requested = fields.pop("cancel_requested_at") is not None
    names = {name: fields.pop(name) for name in ("file_name", "file_size", "file_sha256", "expires_at")}
    file = None
    if names["file_name"] is not None:
        file = JobFile(
            name=names["file_name"],
            size=names["file_size"],
            sha256=bytes(names["file_sha256"]).hex(),
            expires_at=names["expires_at"],
        )
    rate = _rate_of(row)
    left = None if not rate or row.total is None or row.state != "running" else max(0, row.total - row.done) / rate
    return JobOut(
        **fields | {"job_id": str(row.job_id)},
        cancel_requested=cancel_requested,
        rows_per_s=rate and round(rate, 1),
        left_s=left if left is None else round(left, 1),
        file=file,
    )


def _rate_of(row: Row[Any]) -> float | None:
    """Give the rows a second since it began; of one that goes on where another stopped, since the first began."""
    until = row.finished_at or row.updated_at
    if row.started_at is None or until is None or until <= row.started_at:
        return None
    return float(row.done / (until - row.started_at).total_seconds())
