"""The services of the system and how each is started."""

import sys

from tracetrack_common.settings import Settings
from tracetrack_local.process import ChildSpec
from tracetrack_local.settings import MIGRATION_DATABASE_URL, environment
from tracetrack_local.state import FlowerAccess, StateFolder

GATEWAY = "gateway"
BEAT = "beat"
FLOWER = "flower"
WORKERS = {"scan-worker": "scans", "command-worker": "commands", "import-worker": "imports", "report-worker": "reports"}
"""The Celery workers, and the first part of the node name by which each answers."""

SERVERS = ("postgres", "valkey")
PROCESSES = (*SERVERS, GATEWAY, *WORKERS, BEAT, FLOWER)
"""Everything the system consists of, in the order of its start."""

_SCAN_APP = "tracetrack_scan_worker.main:app"
_REPORT_APP = "tracetrack_report_worker.main:app"
_ALONE = ("--without-gossip", "--without-mingle")
"""Workers have nothing to tell one another: that would be a second more for every start and every reconnection."""


def migrate_spec(settings: Settings) -> ChildSpec:
    """Give what brings the database to the newest schema."""
    owner = settings.migration_database_url
    env = {} if owner is None else {MIGRATION_DATABASE_URL: owner.get_secret_value()}
    return _spec("migrate", settings, "-m", "tracetrack_common.migrate", **env)


def gateway_spec(settings: Settings) -> ChildSpec:
    """Give the gateway."""
    return _spec(GATEWAY, settings, "-m", "tracetrack_gateway")


def worker_specs(settings: Settings) -> list[ChildSpec]:
    """Give the workers; scans and commands have pools of their own, so that no person waits behind bulk scans.

    Of the reports' two, one runs a job of minutes at most (`jobs_at_once`), the other what cannot wait.
    """
    plans = (
        ("scan-worker", _SCAN_APP, "scans", 2),
        ("command-worker", _SCAN_APP, "commands", 2),
        ("import-worker", _SCAN_APP, "imports", 1),
        ("report-worker", _REPORT_APP, "reports,mail", 2),
    )
    return [
        _spec(
            name,
            settings,
            *_celery(app, "worker", "-Q", queues, "-n", f"{WORKERS[name]}@%h", "-c", str(pool), *_ALONE),
        )
        for name, app, queues, pool in plans
    ]


def beat_spec(settings: Settings, state: StateFolder) -> ChildSpec:
    """Give beat; without a pidfile, which a killed one would leave behind."""
    return _spec(BEAT, settings, *_celery(_REPORT_APP, "beat", "-s", str(state.beat_schedule), "--pidfile="))


def flower_spec(settings: Settings, login: FlowerAccess) -> ChildSpec:
    """Give Flower, on this machine only and behind its login."""
    arguments = _celery(_REPORT_APP, "flower", f"--port={settings.flower_port}", "--address=127.0.0.1")
    return _spec(FLOWER, settings, *arguments, FLOWER_BASIC_AUTH=f"{login.username}:{login.password}")


def _celery(app: str, *arguments: str) -> tuple[str, ...]:
    return ("-m", "celery", "-A", app, *arguments)


def _spec(name: str, settings: Settings, *arguments: str, **env: str) -> ChildSpec:
    return ChildSpec(
        name=name,
        command=(sys.executable, *arguments),
        env={**environment(settings), **env},
        cwd=settings.state_dir,
    )
