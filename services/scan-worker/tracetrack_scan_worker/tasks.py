"""The tasks of the scan-worker: each drains a ledger or does a chore; the policy stands in the application."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property

from celery import Celery

from tracetrack_common import failed_work
from tracetrack_common.commands import CommandExecutor
from tracetrack_common.credentials import mirror_all
from tracetrack_common.db.partitions import ensure_partitions
from tracetrack_common.delivery import mirror_every_device
from tracetrack_common.drain import Handled
from tracetrack_common.job_runner import JOB_MOST_S, JobRunner
from tracetrack_common.ledger import Entry, Ledger
from tracetrack_common.replay import CommandRoad, Replayer, Road, give_up
from tracetrack_common.worker import WorkerProcess, summoner
from tracetrack_scan_worker.apply import Applier
from tracetrack_scan_worker.bills import create_bill
from tracetrack_scan_worker.handlers import command_handlers
from tracetrack_scan_worker.imports.applying import StepApplier
from tracetrack_scan_worker.imports.orders import IMPORT_KINDS, IMPORTS_QUEUE
from tracetrack_scan_worker.imports.run import Importer
from tracetrack_scan_worker.mail import MailRoad
from tracetrack_scan_worker.people import follow_up_people
from tracetrack_scan_worker.replay import ScanRoad
from tracetrack_scan_worker.scans import ScanHandler
from tracetrack_scan_worker.sessions import look_after_sessions

IMPORTS_TASK = "imports.run"
MIRROR_TASK = "commands.mirror_credentials"
DELIVERY_MIRROR_TASK = "commands.mirror_delivery"


class ScanWorkerProcess(WorkerProcess):
    """What a pool process of this service holds: made at first use, so after the fork.

    Attributes
    ----------
    summon_imports
        Has an import worker look for imports; beat does so as well.
    """

    summon_imports: Callable[[], None] = staticmethod(lambda: None)

    @cached_property
    def imports(self) -> JobRunner:
        """What runs imports."""
        applier = Applier(self.database)
        bills = CommandExecutor(self.database, queue=IMPORTS_QUEUE, handlers={"bill.create": create_bill})
        importer = Importer(self.database, applier, StepApplier(applier, bills))
        works = dict.fromkeys(IMPORT_KINDS, importer)
        return JobRunner(self.database, self.settings, queue=IMPORTS_QUEUE, works=works)

    @cached_property
    def handle_scans(self) -> Callable[[Sequence[Entry]], Handled]:
        """What the drain of the scans' ledger calls."""
        ledger = Ledger(self.redis, "scans", consumer=self.consumer, lease_s=self.settings.lease_s)
        return ScanHandler(self.database, ledger, most=self.settings.scans_per_transaction).handle

    @cached_property
    def handle_commands(self) -> Callable[[Sequence[Entry]], Handled]:
        """What the drain of the commands' ledger calls."""
        handlers = command_handlers(self.database)
        after_commit = {
            **follow_up_people(self.database, self.redis),
            "import.create": lambda *_: self.summon_imports(),
        }
        plain = CommandExecutor(self.database, queue="commands", handlers=handlers, after_commit=after_commit)
        roads: dict[str, Road] = {"scans": ScanRoad(self.database, self.redis), "commands": CommandRoad(plain)}
        roads[failed_work.MAIL] = MailRoad()
        replayer = Replayer(self.database, roads)
        return CommandExecutor(
            self.database,
            queue="commands",
            handlers={**handlers, failed_work.REPLAY: replayer, failed_work.DISCARD: failed_work.discard},
            after_commit={**after_commit, failed_work.REPLAY: replayer.follow_up},
            given_up={failed_work.REPLAY: give_up},
        ).handle


def register_tasks(app: Celery, process: ScanWorkerProcess) -> None:
    """Put this service's tasks on its application.

    Parameters
    ----------
    app
        The service's application.
    process
        What the tasks use.
    """
    process.summon_imports = summoner(app, IMPORTS_QUEUE, task=IMPORTS_TASK)

    @app.task(name="scans.drain", queue="scans")
    def drain_scans() -> None:
        process.drain(app, "scans", process.handle_scans)

    @app.task(name="commands.drain", queue="commands")
    def drain_commands() -> None:
        process.drain(app, "commands", process.handle_commands)

    @app.task(name=IMPORTS_TASK, queue=IMPORTS_QUEUE, time_limit=JOB_MOST_S)
    def run_imports() -> None:
        if process.imports.run_next():
            process.summon_imports()

    @app.task(name=MIRROR_TASK, queue="commands")
    def mirror_credentials() -> None:
        with process.database.snapshot() as connection:
            mirror_all(process.redis, connection)

    @app.task(name=DELIVERY_MIRROR_TASK, queue="commands")
    def mirror_delivery() -> None:
        with process.database.snapshot() as connection:
            mirror_every_device(process.redis, connection)

    @app.task(name="commands.keep_partitions", queue="commands")
    def keep_partitions() -> None:
        with process.database.transaction() as connection:
            ensure_partitions(connection, datetime.now(UTC))

    @app.task(name="commands.look_after_sessions", queue="commands")
    def end_idle_sessions() -> None:
        look_after_sessions(process.database, process.redis, idle_s=process.settings.session_idle_s)
