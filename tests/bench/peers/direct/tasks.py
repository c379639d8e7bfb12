"""The direct pipeline's Celery application and its one task."""

from collections.abc import Sequence

from tests.bench.peers.direct import TASK
from tracetrack_common.celery_app import build_app
from tracetrack_common.db.session import is_transient
from tracetrack_common.ledger import Entry
from tracetrack_common.settings import Settings
from tracetrack_common.worker import install_worker_signals
from tracetrack_scan_worker.tasks import ScanWorkerProcess

_settings = Settings()
_process = ScanWorkerProcess(_settings, name="direct-worker")
app = build_app(_settings, name="direct-worker")
# Each message would cost three of them; ours has a summons where this has a thousand messages.
app.conf.worker_send_task_events = False
install_worker_signals(app, _settings, process="direct-worker", queues=())


@app.task(name=TASK, queue="scans")
def apply(bodies: Sequence[str]) -> None:
    """Apply one group; two transactions that make the same bag meet, and the later one is done again."""
    entries = [Entry(b"", body.encode()) for body in bodies]
    while True:
        try:
            _process.handle_scans(entries)
        except Exception as error:
            if not is_transient(error):
                raise
        else:
            return
