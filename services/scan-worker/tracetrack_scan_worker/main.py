"""Composition root of the scan-worker: `celery -A tracetrack_scan_worker.main:app worker -Q scans`."""

from redis import Redis

from tracetrack_common import delivery
from tracetrack_common.celery_app import build_app
from tracetrack_common.credentials import COMPLETE_FIELD, MIRROR_KEY
from tracetrack_common.settings import Settings
from tracetrack_common.worker import install_worker_signals
from tracetrack_scan_worker.tasks import DELIVERY_MIRROR_TASK, MIRROR_TASK, ScanWorkerProcess, register_tasks

_settings = Settings()
app = build_app(_settings, name="tracetrack-scan-worker")
register_tasks(app, ScanWorkerProcess(_settings, name="tracetrack-scan-worker"))


_MIRRORS = {
    (MIRROR_KEY, COMPLETE_FIELD): MIRROR_TASK,
    (delivery.MIRROR_KEY, delivery.COMPLETE_FIELD): DELIVERY_MIRROR_TASK,
}


def _keep_mirrors(redis: Redis) -> None:
    """Have what gateways read in Redis mirrored again when Redis has lost it."""
    for (key, field), task in _MIRRORS.items():
        if not redis.hexists(key, field):
            app.send_task(task, queue="commands", ignore_result=True)


install_worker_signals(
    app, _settings, process="scan-worker", queues=("scans", "commands"), chores={"commands": _keep_mirrors}
)
