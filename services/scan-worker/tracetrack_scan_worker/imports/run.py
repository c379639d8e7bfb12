"""Running an import: batch after batch, from where it was, until it is done or told to stop."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from tracetrack_common import failed_work, job_files, uploads
from tracetrack_common.contracts import ImportKind, Origin
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.errors import GoneError, InvalidInputError
from tracetrack_common.job_runner import JobLostError, Made, RunningJob
from tracetrack_common.log import get_logger
from tracetrack_scan_worker.apply import Applier
from tracetrack_scan_worker.areas import find_area
from tracetrack_scan_worker.imports.applying import StepApplier
from tracetrack_scan_worker.imports.heads import read_table
from tracetrack_scan_worker.imports.journal import Journal, encode_answers, write_workbook
from tracetrack_scan_worker.imports.orders import ANY_KIND
from tracetrack_scan_worker.imports.planning import plan
from tracetrack_scan_worker.imports.reading import read_rows
from tracetrack_scan_worker.imports.rehearsal import Rehearsal
from tracetrack_scan_worker.imports.steps import Said, Step, refuse
from tracetrack_scan_worker.imports.wanted import Place, Wanted

log = get_logger(__name__)

T = TypeVar("T")

STEPS_PER_BATCH = 500
"""Rows of one transaction: enough to make its fixed cost small, few enough that no scan waits long for a bag."""
BILLS_PER_BATCH = 50
"""Each bill is a command with an audit row of its own."""
REST_SHARE = 0.25
"""For how much of the time that a batch took the next one is waited with: scans get their turn (docs/imports.md)."""
_PATIENCE_S = 60.0
"""How long a batch is tried again while the database is away or others are faster, before the job is given back."""
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MOST_S = 2.0


class Taker(Protocol):
    """Answers rows: by doing what they ask for, or by saying what that would do."""

    def take(self, connection: Connection, wanted: Wanted, steps: Sequence[Step]) -> list[Said]:
        """Answer these rows."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: the job's checkpoint.

    Parameters
    ----------
    kind
        What the file holds.
    row_number
        The last row whose answer was committed.
    ok, already, stop
        Rows answered, and how.
    attempt, journal_bytes
        Whose journal has the answers, and how much of it counts.
    """

    kind: ImportKind
    attempt: int
    row_number: int = 0
    ok: int = 0
    already: int = 0
    stop: int = 0
    journal_bytes: int = 0

    @property
    def done(self) -> int:
        """Rows answered."""
        return self.ok + self.already + self.stop


class Importer:
    """Does the jobs of the queue ``imports``.

    Parameters
    ----------
    database
        Where what is imported goes.
    applier
        Applies scans.
    steps
        Does what rows ask for.
    """

    def __init__(self, database: Database, applier: Applier, steps: StepApplier) -> None:
        self._database = database
        self._applier = applier
        self._steps = steps

    def __call__(self, job: RunningJob) -> Made:
        """Run an import from where it was, and make its result workbook.

        Raises
        ------
        TraceTrackError
            The file cannot be imported at all; no row of it was.
        JobCancelledError, JobLostError
            The work shall stop.
        """
        wanted = self._read(job)
        run = _Run(self._database, self._applier, job, wanted)
        progress = run.resume()
        with ExitStack() as stack:
            taker: Taker = self._steps
            if wanted.dry_run:
                taker = stack.enter_context(Rehearsal(self._applier, job.path.with_suffix(".rehearsal")))
            progress = run.go_on(progress, taker)
        journal = run.journal(progress)
        with job.file() as path:
            write_workbook(journal.lines(), path)
        journal.path.unlink(missing_ok=True)
        return Made(f"import-{wanted.import_id}.xlsx", _result(wanted, progress))

    def _read(self, job: RunningJob) -> Wanted:
        area = job.arguments["area"]
        with self._database.transaction() as connection:
            place = None if area is None else Place(find_area(connection, area).area_id, area)
        import_id = str(job.job_id)
        return Wanted(
            import_id=import_id,
            kind=None if job.kind == ANY_KIND else ImportKind(job.kind),
            place=place,
            dry_run=job.arguments["dry_run"],
            sha256=job.arguments["sha256"],
            actor=job.actor,
            origin=Origin(import_id, None, job.row.created_at),
        )


class _Run:
    """One attempt at one import."""

    def __init__(self, database: Database, applier: Applier, job: RunningJob, wanted: Wanted) -> None:
        self._database = database
        self._applier = applier
        self._job = job
        self._wanted = wanted
        self._upload = uploads.path_of(job.settings.files, wanted.sha256)

    def journal(self, progress: Progress) -> Journal:
        """Give the journal of this attempt."""
        return Journal(self._journal_path(self._job.attempt), progress.journal_bytes)

    def resume(self) -> Progress:
        """Give where to go on: at the beginning when it is new, or when its answers are not there any more.

        Doing a row again gives its first answer and changes nothing.
        """
        if not self._upload.exists():
            raise GoneError("The file is not kept any more; upload it again.")
        if self._job.checkpoint is not None:
            progress = Progress(**{**self._job.checkpoint, "kind": ImportKind(self._job.checkpoint["kind"])})
            before, path = self._journal_path(progress.attempt), self._journal_path(self._job.attempt)
            if Journal.continue_from(before, path, progress.journal_bytes) is not None:
                return replace(progress, attempt=self._job.attempt)
        return self._begin()

    def _begin(self) -> Progress:
        """Read the file once, so that one which is broken at its end is not half imported, and count what is in it."""
        kind, steps = self._plan(self._wanted.kind)
        if self._wanted.place is None and kind is not ImportKind.PARENT_TO_BILL:
            raise InvalidInputError("These rows create bags or bills: give the area they belong to.")
        total = 0
        for total, _ in enumerate(steps, start=1):  # noqa: B007 - the count is all that is wanted
            self._job.check()
        self._job.done, self._job.total, self._job.errors = 0, total, 0
        return Progress(kind, self._job.attempt)

    def go_on(self, progress: Progress, taker: Taker) -> Progress:
        """Answer the rows after those that were answered."""
        _, steps = self._plan(progress.kind)
        left = (step for step in steps if step.number > progress.row_number)
        most = BILLS_PER_BATCH if progress.kind is ImportKind.BILLS else STEPS_PER_BATCH
        for batch in _in_batches(left, most):
            self._job.check()
            started = time.monotonic()
            progress = self._take(progress, taker, batch)
            time.sleep((time.monotonic() - started) * REST_SHARE)
        return progress

    def _journal_path(self, attempt: int) -> Path:
        return job_files.path_of(self._job.settings.files, self._job.job_id, attempt).with_suffix(".journal")

    def _plan(self, kind: ImportKind | None) -> tuple[ImportKind, Iterator[Step]]:
        with self._database.transaction() as connection:
            catalogue = self._applier.current_catalogue(connection)
        table = read_table(read_rows(self._upload), kind)
        return table.kind, plan(table, catalogue)

    def _take(self, progress: Progress, taker: Taker, steps: Sequence[Step]) -> Progress:
        """Answer some rows in one transaction; when that fails for good, in halves, until the one at fault is alone."""
        try:
            return self._insist(progress, taker, steps)
        except JobLostError:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            failure = error
        if len(steps) > 1:
            middle = len(steps) // 2
            return self._take(self._take(progress, taker, steps[:middle]), taker, steps[middle:])
        log.error("import_row_failed", import_id=self._wanted.import_id, row=steps[0].number, exc_info=failure)
        said = refuse(steps[0].number, "not_applicable", failed_work.describe(failure))
        return self._insist(progress, taker, [said])

    def _insist(self, progress: Progress, taker: Taker, steps: Sequence[Step]) -> Progress:
        """Answer some rows in one transaction, again while what fails is transient."""
        pause_s = _BACKOFF_FIRST_S
        give_up_at = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._take_together(progress, taker, steps)
            except Exception as error:
                if not is_transient(error) or time.monotonic() + pause_s > give_up_at:
                    raise
                log.warning("import_retried", import_id=self._wanted.import_id, reason=str(error).splitlines()[0])
            self._job.check()
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _BACKOFF_MOST_S)

    def _take_together(self, progress: Progress, taker: Taker, steps: Sequence[Step]) -> Progress:
        with self._database.transaction() as connection:
            answers = taker.take(connection, self._wanted, steps)
            lines = encode_answers(steps, answers)
            feedback = Counter(str(answer.feedback) for answer in answers)
            later = replace(
                progress,
                row_number=steps[-1].number,
                ok=progress.ok + feedback["ok"],
                already=progress.already + feedback["already"],
                stop=progress.stop + feedback["stop"],
                journal_bytes=progress.journal_bytes + len(lines),
            )
            self._job.done, self._job.errors = later.done, later.stop
            if not self._wanted.dry_run:
                self._job.keep(connection, asdict(later))
            self.journal(progress).write(lines)
        return later


def _result(wanted: Wanted, progress: Progress) -> dict[str, object]:
    return {
        "kind": progress.kind,
        "dry_run": wanted.dry_run,
        "rows": progress.done,
        "ok": progress.ok,
        "already": progress.already,
        "stop": progress.stop,
    }


def _in_batches(steps: Iterable[T], most: int) -> Iterator[list[T]]:
    left = iter(steps)
    while batch := list(islice(left, most)):
        yield batch
