"""Composition root of the report-worker and of beat.

`celery -A tracetrack_report_worker.main:app worker -Q reports`, and `… beat`.
"""

from celery.schedules import schedule

from tracetrack_common.celery_app import build_app
from tracetrack_common.settings import Settings
from tracetrack_common.worker import install_worker_signals
from tracetrack_report_worker.clockwork import ForgetfulScheduler, steady_clock
from tracetrack_report_worker.tasks import (
    FILES_TASK,
    JOBS_TASK,
    MAIL_TASK,
    SEND_OUT_TASK,
    TICK_TASK,
    ReportWorkerProcess,
    register_tasks,
)

_MINUTE_S = 60.0
_HOUR_S = 3600.0

_settings = Settings()
_clock = steady_clock()
app = build_app(_settings, name="tracetrack-report-worker")
app.conf.beat_schedule = {
    # Often, since Postgres decides what is due: a tick that is missed or doubled costs nothing.
    "make-due-summaries": {
        "task": TICK_TASK,
        "schedule": schedule(_settings.eod_tick_s, nowfun=_clock),
        "options": {"queue": "reports"},
    },
    "run-waiting-jobs": {
        "task": JOBS_TASK,
        "schedule": schedule(_settings.job_tick_s, nowfun=_clock),
        "options": {"queue": "reports"},
    },
    "remove-old-files": {
        "task": FILES_TASK,
        "schedule": schedule(_HOUR_S, nowfun=_clock),
        "options": {"queue": "reports"},
    },
    "send-summaries-out": {
        "task": SEND_OUT_TASK,
        "schedule": schedule(_settings.eod_tick_s, nowfun=_clock),
        "options": {"queue": "reports"},
    },
    "send-due-mail": {
        "task": MAIL_TASK,
        "schedule": schedule(_settings.mail_tick_s, nowfun=_clock),
        "options": {"queue": "mail"},
    },
    **{
        f"mirror-{what}": {
            "task": f"commands.mirror_{what}",
            "schedule": schedule(_MINUTE_S, nowfun=_clock),
            "options": {"queue": "commands"},
        }
        for what in ("credentials", "delivery")
    },
    "look-after-sessions": {
        "task": "commands.look_after_sessions",
        "schedule": schedule(_MINUTE_S, nowfun=_clock),
        "options": {"queue": "commands"},
    },
    "run-imports": {
        "task": "imports.run",
        "schedule": schedule(_settings.job_tick_s, nowfun=_clock),
        "options": {"queue": "imports"},
    },
    "keep-partitions": {
        "task": "commands.keep_partitions",
        "schedule": schedule(_HOUR_S, nowfun=_clock),
        "options": {"queue": "commands"},
    },
}
app.conf.beat_scheduler = ForgetfulScheduler
# Also how often beat's file is touched, which is what a health check looks at.
app.conf.beat_max_loop_interval = 5
register_tasks(app, ReportWorkerProcess(_settings, name="tracetrack-report-worker"))
install_worker_signals(app, _settings, process="report-worker", queues=("reports",))
