"""Running background jobs: claimed in Postgres, under a lease, for as long as they take.

No ledger entry and no transaction is held meanwhile. A thread beside the work renews the lease, writes the progress
and hears of a wish to stop, once a second in a short transaction of its own. Each claim raises the job's `attempts`;
whoever holds an older number can no longer write to the job: that is the fence.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from tracetrack_common import job_files
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.errors import TraceTrackError
from tracetrack_common.job_files import ResultFile
from tracetrack_common.log import get_logger
from tracetrack_common.settings import Settings

log = get_logger(__name__)

MOST_ATTEMPTS = 5
"""A job whose worker died, or whose database was away, so often has failed."""
BEAT_S = 1.0
JOB_MOST_S = 6 * 3600
"""The time limit of the task that runs a job; a summons that Redis hands out again meanwhile finds nothing to claim."""
_FOR_LONG_READS = text(
    "SELECT set_config(name, value, true) FROM (VALUES ('statement_timeout', '30min'),"
    " ('idle_in_transaction_session_timeout', '5min'), ('work_mem', '64MB'), ('cursor_tuple_fraction', '1'))"
    " AS settings (name, value)"
)
"""Few run at once. A cursor is read to its end, which the planner does not expect by itself."""
_DEFECT = "This could not be done, for a reason that is not yours; the log has it under the job's id."

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('job'), hashtext(:queue))")
_CLAIM = text("""
    UPDATE job SET state = 'running', attempts = attempts + 1, leased_until = clock_timestamp() + :lease,
        started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp(),
        done = CASE WHEN checkpoint IS NULL THEN 0 ELSE done END,
        errors = CASE WHEN checkpoint IS NULL THEN 0 ELSE errors END
    WHERE job_id = (
        SELECT job_id FROM job
        WHERE queue = :queue AND (state = 'queued' OR (state = 'running' AND leased_until < clock_timestamp()))
            AND kind = ANY(:kinds)
        ORDER BY job_id LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AND :at_once > (
        SELECT count(*) FROM job
        WHERE queue = :queue AND state = 'running' AND leased_until >= clock_timestamp()
    )
    RETURNING job_id, kind, arguments, actor, area_id, readers, schedule_id, due_at, created_at, attempts, checkpoint,
        done, total, errors, cancel_requested_at
""")
_BEAT = text("""
    UPDATE job SET leased_until = clock_timestamp() + :lease, updated_at = clock_timestamp(),
        done = :done, total = :total, errors = :errors
    WHERE job_id = :job_id AND attempts = :attempt AND state = 'running' RETURNING cancel_requested_at
""")
_KEEP = text("""
    UPDATE job SET checkpoint = CAST(:checkpoint AS jsonb), done = :done, total = :total, errors = :errors
    WHERE job_id = :job_id AND attempts = :attempt AND state = 'running'
""")
_END = text("""
    UPDATE job SET state = :state, finished_at = clock_timestamp(), updated_at = clock_timestamp(),
        done = :done, total = :total, errors = :errors, detail = :detail, result = CAST(:result AS jsonb),
        file_name = :file_name, file_size = :file_size, file_sha256 = :file_sha256,
        expires_at = CASE WHEN :file_name IS NOT NULL THEN clock_timestamp() + :keep END
    WHERE job_id = :job_id AND attempts = :attempt AND state = 'running'
""")


class JobCancelledError(Exception):
    """Somebody asked this job to stop."""


class JobLostError(Exception):
    """Another worker has claimed this job; nothing that this one does for it counts any more."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a job has made.

    Parameters
    ----------
    file_name
        Of the file that it wrote through `RunningJob.file`, as it is offered; None when there is none.
    result
        Figures that are shown with the job.
    """

    file_name: str | None = None
    result: Mapping[str, Any] | None = None


@dataclass
class RunningJob:
    """A job that this process has claimed.

    Parameters
    ----------
    database
        Where it is.
    settings
        For the folder of files and the lease.
    job_id, kind, arguments, actor, area_id
        As it was asked for.
    attempt
        Which claim this is: 1 at first.
    checkpoint
        What `keep` kept last; None when it begins.
    done, total, errors
        How far it is.
    row
        Everything the claim gave.
    """

    database: Database
    settings: Settings
    job_id: UUID
    kind: str
    arguments: Mapping[str, Any]
    actor: str
    area_id: int | None
    attempt: int
    checkpoint: Any
    done: int = 0
    total: int | None = None
    errors: int = 0
    row: Any = None
    _is_cancelled: threading.Event = field(default_factory=threading.Event)
    _is_lost: threading.Event = field(default_factory=threading.Event)
    _interrupt: Callable[[], None] | None = None

    def advance(self, done: int = 1, *, errors: int = 0) -> None:
        """Note how many more rows are done, and how many of them were at fault.

        Raises
        ------
        JobCancelledError, JobLostError
            The work shall stop.
        """
        self.done += done
        self.errors += errors
        self.check()

    def check(self) -> None:
        """Go on only while the work is wanted.

        Raises
        ------
        JobCancelledError, JobLostError
            It is not.
        """
        if self._is_lost.is_set():
            raise JobLostError(str(self.job_id))
        if self._is_cancelled.is_set():
            raise JobCancelledError(str(self.job_id))

    def keep(self, connection: Connection, checkpoint: Any) -> None:
        """Keep in a transaction of the work how far it is: when its worker dies, it goes on from there.

        Raises
        ------
        JobLostError
            Another worker has it; the transaction must not commit.
        """
        values = self._values() | {"checkpoint": orjson.dumps(checkpoint).decode()}
        if connection.execute(_KEEP, values).rowcount != 1:
            raise JobLostError(str(self.job_id))

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Read in one snapshot, with statements that may take long; a wish to stop interrupts them."""
        with self.database.snapshot() as connection:
            driver: Any = connection.connection.driver_connection
            connection.execute(_FOR_LONG_READS)
            self._interrupt = driver.cancel
            try:
                yield connection
            finally:
                self._interrupt = None

    @contextmanager
    def file(self) -> Iterator[Path]:
        """Give where the file of this job is to be written."""
        with job_files.writing(self.path) as path:
            yield path

    @property
    def path(self) -> Path:
        """Where this attempt's file is."""
        return job_files.path_of(self.settings.files, self.job_id, self.attempt)

    def beat(self) -> None:
        """Write the progress, renew the lease, and hear whether to stop."""
        values = self._values() | {"lease": timedelta(seconds=self.settings.job_lease_s)}
        with self.database.transaction() as connection:
            found = connection.execute(_BEAT, values).one_or_none()
        if found is None:
            self._is_lost.set()
        elif found.cancel_requested_at is not None:
            self._is_cancelled.set()
        if (self._is_lost.is_set() or self._is_cancelled.is_set()) and (interrupt := self._interrupt) is not None:
            interrupt()

    def end(
        self,
        state: str,
        *,
        detail: str | None = None,
        made: Made | None = None,
        along: Callable[[Connection], None] = lambda _: None,
    ) -> bool:
        """Write how it ended, with what goes along in the same transaction; False when another worker has it by now."""
        made = made or Made()
        file: ResultFile | None = None
        if made.file_name is not None:
            file = job_files.describe(self.path, made.file_name)
        values = self._values() | {
            "state": state,
            "detail": detail,
            "result": None if made.result is None else orjson.dumps(made.result).decode(),
            "file_name": file and file.name,
            "file_size": file and file.size,
            "file_sha256": file and file.sha256,
            "keep": timedelta(hours=self.settings.files_keep_hours),
        }
        with self.database.transaction() as connection:
            ended = connection.execute(_END, values).rowcount == 1
            if ended:
                along(connection)
        if not ended or file is None:
            self.path.unlink(missing_ok=True)
        return ended

    def _values(self) -> dict[str, Any]:
        return {
            "job_id": self.job_id,
            "attempt": self.attempt,
            "done": self.done,
            "total": self.total,
            "errors": self.errors,
        }


Work = Callable[[RunningJob], Made]
"""Does one kind of job. It may be done again from the start, or from its checkpoint, by another worker."""


class JobRunner:
    """Runs one queue's jobs.

    Parameters
    ----------
    database
        Where they are.
    settings
        How many run at once, and the lease.
    queue
        Whose: ``reports``, ``imports``.
    works
        What to do, by the job's kind.
    along
        What is written in the transaction that ends a job which was done.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        queue: str,
        works: Mapping[str, Work],
        along: Callable[[Connection, RunningJob, Made], None] = lambda *_: None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._queue = queue
        self._works = works
        self._along = along

    def run_next(self) -> bool:
        """Run the job that has waited longest; False when there is none, or as many as may are running.

        Raises
        ------
        sqlalchemy.exc.DBAPIError
            Postgres is away; the job stays.
        """
        job = self._claim()
        if job is None:
            return False
        fields = {"job_id": str(job.job_id), "kind": job.kind, "attempt": job.attempt}
        if job.row.cancel_requested_at is not None:
            job.end("cancelled")
        elif job.attempt > MOST_ATTEMPTS:
            job.end("failed", detail=f"It was begun {MOST_ATTEMPTS} times and never ended: its workers died.")
        else:
            log.info("job_started", **fields)
            state = self._run(job)
            log.info("job_ended", state=state, done=job.done, errors=job.errors, **fields)
        return True

    def _claim(self) -> RunningJob | None:
        values = {
            "queue": self._queue,
            "kinds": list(self._works),  # a kind of the next release is for a worker of it
            "at_once": self._settings.jobs_at_once,
            "lease": timedelta(seconds=self._settings.job_lease_s),
        }
        with self._database.transaction() as connection:
            connection.execute(_ONE_AT_A_TIME, {"queue": self._queue})
            row = connection.execute(_CLAIM, values).one_or_none()
        if row is None:
            return None
        return RunningJob(
            database=self._database,
            settings=self._settings,
            job_id=row.job_id,
            kind=row.kind,
            arguments=row.arguments,
            actor=row.actor,
            area_id=row.area_id,
            attempt=row.attempts,
            checkpoint=row.checkpoint,
            done=row.done,
            total=row.total,
            errors=row.errors,
            row=row,
        )

    def _run(self, job: RunningJob) -> str:
        with _kept(job):
            try:
                made = self._works[job.kind](job)
                job.check()
                if not job.end("done", made=made, along=lambda connection: self._along(connection, job, made)):
                    return "lost"
            except Exception as error:  # noqa: BLE001 - whatever it ends with is written down with the job
                return _settle(job, error)
        return "done"


def _settle(job: RunningJob, error: Exception) -> str:
    """Write down what a job ended with instead of its end; give the word for the log."""
    with suppress(FileNotFoundError):
        job.path.unlink()
    try:
        job.check()
    except JobLostError:
        return "lost"
    except JobCancelledError:
        # Whatever the work ended with: an interrupted statement looks like a fault of its own.
        job.end("cancelled")
        return "cancelled"
    if isinstance(error, JobLostError):
        return "lost"
    if isinstance(error, TraceTrackError):
        job.end("failed", detail=error.detail)
        return "failed"
    if is_transient(error):
        # Its lease runs out, and it is begun again: by then what was away may be back.
        log.warning("job_broken_off", job_id=str(job.job_id), reason=str(error).splitlines()[0])
        return "broken off"
    log.error("job_failed", job_id=str(job.job_id), kind=job.kind, exc_info=error)
    job.end("failed", detail=_DEFECT)
    return "failed"


@contextmanager
def _kept(job: RunningJob) -> Iterator[None]:
    """Beat for a job, from a thread of its own, while it is worked on."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_S):
            try:
                job.beat()
            except SQLAlchemyError as error:
                log.warning("job_beat_failed", job_id=str(job.job_id), reason=str(error).splitlines()[0])

    keeper = threading.Thread(target=beat, name="job-beat", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join(timeout=2 * BEAT_S)
