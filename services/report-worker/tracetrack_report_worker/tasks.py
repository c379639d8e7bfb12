"""The tasks of the report-worker: draining its ledger, and the tick that makes what is due."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cached_property, partial
from typing import Any

from celery import Celery
from sqlalchemy import Connection, text

from tracetrack_common import failed_work, uploads
from tracetrack_common.commands import CommandExecutor, Handler, Job
from tracetrack_common.contracts import Command
from tracetrack_common.drain import Handled
from tracetrack_common.job_files import remove_old
from tracetrack_common.job_runner import JOB_MOST_S, JobRunner, Made, RunningJob, Work
from tracetrack_common.jobs import JobDesk
from tracetrack_common.ledger import Entry
from tracetrack_common.nights import ALL_AREAS
from tracetrack_common.replay import JobReplayer, give_up
from tracetrack_common.worker import WorkerProcess, summoner
from tracetrack_report_worker import lateness, printing, schedule, sending, summary
from tracetrack_report_worker.exports import export
from tracetrack_report_worker.mail import Mailer
from tracetrack_report_worker.report_figures import REPORTS
from tracetrack_report_worker.report_schedules import ScheduleDesk, make_due, tell_recipients
from tracetrack_report_worker.reports import check_area, make_report

TICK_TASK = "reports.tick"
JOBS_TASK = "reports.run_jobs"
FILES_TASK = "reports.remove_old_files"
SEND_OUT_TASK = "reports.send_out"
MAIL_TASK = "mail.send_due"

_HOUR_S = 3600.0
_WORKS: Mapping[str, Work] = {"export": export, **dict.fromkeys(REPORTS, make_report)}

_SELECT_AREAS = text("SELECT code FROM area ORDER BY area_id")


class ReportWorkerProcess(WorkerProcess):
    """What a pool process of this service holds: made at first use, so after the fork.

    Attributes
    ----------
    summon_jobs
        Has a worker look for jobs; beat does so as well.
    """

    summon_jobs: Callable[[], None] = staticmethod(lambda: None)

    @cached_property
    def handle_reports(self) -> Callable[[Sequence[Entry]], Handled]:
        """What the drain of the reports' ledger calls."""
        jobs: dict[str, Job] = {"eod.run": self.run_eod, "eod.preview": partial(sending.preview, self.database)}
        desk = JobDesk("reports", noun="report", check=check_area)
        schedules = ScheduleDesk(self.settings)
        handlers: dict[str, Handler] = {
            "report.create": desk.create,
            "report.cancel": desk.cancel,
            "report_schedule.create": schedules.create,
            "report_schedule.change": schedules.change,
            "report_schedule.delete": schedules.delete,
            "eod.send": sending.send,
        }
        replayer = JobReplayer(
            self.database, CommandExecutor(self.database, queue="reports", handlers=handlers, jobs=jobs)
        )
        return CommandExecutor(
            self.database,
            queue="reports",
            handlers=handlers,
            jobs={**jobs, failed_work.REPLAY: replayer},
            after_commit={"report.create": lambda *_: self.summon_jobs()},
            given_up={failed_work.REPLAY: give_up},
        ).handle

    @cached_property
    def job_runner(self) -> JobRunner:
        """What runs reports and exports."""
        return JobRunner(self.database, self.settings, queue="reports", works=_WORKS, along=self._tell)

    def _tell(self, connection: Connection, job: RunningJob, made: Made) -> None:
        host, port = self.settings.gateway_host, self.settings.gateway_port
        address = self.settings.gateway_url or f"http://{host}:{port}"
        tell_recipients(connection, job, made.file_name, address=address.rstrip("/"))

    def run_eod(self, command: Command) -> dict[str, Any]:
        """Make the summaries of a day that a person asks for: one area's, or every area's and the one over all.

        Returns
        -------
        dict
            ``summaries``: a list of ``{"area", "date", "revision", "made"}``.

        Raises
        ------
        TraceTrackError
            The area is not there, or the day is not one that can be summed up.
        """
        wanted = command.arguments["area"]
        made = [
            summary.make(
                self.database,
                self.settings,
                area=None if area == ALL_AREAS else area,
                business_date=date.fromisoformat(command.arguments["date"]),
                now=datetime.now(UTC),
                actor=command.actor,
                request_id=command.origin.request_id,
                address=command.origin.address,
            )
            for area in ([wanted] if wanted is not None else [*self._areas(), ALL_AREAS])
        ]
        with suppress(ExceptionGroup):  # it is in the log; the next tick tries again
            printing.print_missing(self.database, business_date=date.fromisoformat(command.arguments["date"]))
        return {
            "summaries": [
                {"area": each.area, "date": each.date.isoformat(), "revision": each.revision, "made": each.made}
                for each in made
            ]
        }

    def _areas(self) -> list[str]:
        with self.database.snapshot() as connection:
            return list(connection.scalars(_SELECT_AREAS))


def register_tasks(app: Celery, process: ReportWorkerProcess) -> None:
    """Put this service's tasks on its application.

    Parameters
    ----------
    app
        The service's application.
    process
        What the tasks use.
    """
    process.summon_jobs = summoner(app, "reports", task=JOBS_TASK)

    @app.task(name="reports.drain", queue="reports")
    def drain_reports() -> None:
        process.drain(app, "reports", process.handle_reports)

    @app.task(name=TICK_TASK, queue="reports")
    def tick() -> None:
        now = datetime.now(UTC)
        try:
            lateness.tell_late(process.database, process.settings, now=now)
        finally:
            schedule.make_due(process.database, process.settings, now=now)
        schedule.revise_touched(process.database, process.settings, now=now)

    @app.task(name=JOBS_TASK, queue="reports", time_limit=JOB_MOST_S)
    def run_jobs() -> None:
        make_due(process.database, now=datetime.now(UTC))
        if process.job_runner.run_next():
            process.summon_jobs()

    @app.task(name=FILES_TASK, queue="reports")
    def remove_old_files() -> None:
        for folder in (process.settings.files, uploads.folder_of(process.settings.files)):
            remove_old(folder, keep_s=process.settings.files_keep_hours * _HOUR_S)

    @app.task(name=SEND_OUT_TASK, queue="reports")
    def send_out() -> None:
        try:
            printing.print_missing(process.database)
        finally:  # a mail can go without a document
            sending.send_out(process.database, now=datetime.now(UTC))

    @app.task(name=MAIL_TASK, queue="mail")
    def send_due_mail() -> None:
        Mailer(process.database, process.settings).send_due()
