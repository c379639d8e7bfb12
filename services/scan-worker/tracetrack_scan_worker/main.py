"""Composition root of the scan-worker: `celery -A tracetrack_scan_worker.main:app worker -Q scans`."""

from redis import Redis

from tracetrack_common.celery_app import build_app
from tracetrack_common.credentials import COMPLETE_FIELD, MIRROR_KEY
from tracetrack_common.settings import Settings
from tracetrack_common.worker import install_worker_signals
from tracetrack_scan_worker.tasks import MIRROR_TASK, ScanWorkerProcess, register_tasks

_settings = Settings()
app = build_app(_settings, name="tracetrack-scan-worker")
register_tasks(app, ScanWorkerProcess(_settings, name="tracetrack-scan-worker"))


def _keep_mirror(redis: Redis) -> None:
    """Have the credentials mirrored again when Redis has lost them."""
    if not redis.hexists(MIRROR_KEY, COMPLETE_FIELD):
        app.send_task(MIRROR_TASK, queue="commands", ignore_result=True)


install_worker_signals(
    app, _settings, process="scan-worker", queues=("scans", "commands"), chores={"commands": _keep_mirror}
)
