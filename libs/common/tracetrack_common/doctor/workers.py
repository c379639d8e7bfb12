"""Workers: somebody answers for every queue that has a ledger."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tracetrack_common.celery_app import DRAIN_TASKS, build_app
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import System

ROLL_CALL_S: Final = 2.0
"""How long answers are waited for; a worker's main process answers within milliseconds whatever its pool does."""


def check_workers(system: System) -> Examined:
    """Ask every worker on the broker which queues it serves."""
    app = build_app(system.settings, name="tracetrack-doctor")
    try:
        answers: Mapping[str, Sequence[Mapping[str, Any]]] = (
            app.control.inspect(timeout=ROLL_CALL_S).active_queues() or {}
        )
    finally:
        app.close()
    served = {queue["name"] for queues in answers.values() for queue in queues}
    return Examined(
        f"{len(answers)} workers",
        tuple(
            Finding("worker_silent", queue, f"no worker answered within {ROLL_CALL_S:.0f} s")
            for queue in DRAIN_TASKS
            if queue not in served
        ),
    )
