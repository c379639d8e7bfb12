"""The Celery application each service builds: one policy for all (reliability.md, Settings and why)."""

from celery import Celery
from kombu import Queue

from tracetrack_common.broker import install_transport
from tracetrack_common.settings import Settings

QUEUES = ("scans", "commands", "imports", "reports", "mail")
"""Interactive commands never wait behind bulk scans: each kind of work has its own queue and its own pool."""

TASK_TIME_LIMIT_S = 300
VISIBILITY_TIMEOUT_S = 3600
"""Above the time limit, so that Redis never hands out a message whose task still runs."""

DRAIN_TASKS = {"scans": "scans.drain", "commands": "commands.drain", "reports": "reports.drain"}
"""The task that each ledger's summons names."""


_PUBLISH_PATIENCE = {"max_retries": 1, "interval_start": 0}
"""How a publisher without a connection tries to get one. By itself kombu takes 6 s to give up, and a drain that sends a
summons may hold entries meanwhile."""


def build_app(settings: Settings, *, name: str) -> Celery:
    """Build a service's Celery application; `docs/workers.md` has the reason for each setting.

    Parameters
    ----------
    settings
        The broker's address.
    name
        The application's name.
    """
    install_transport()
    app = Celery(name, set_as_current=False)
    app.conf.update(
        broker_url=settings.redis_url.get_secret_value(),
        result_backend=None,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=TASK_TIME_LIMIT_S,
        task_queues=[Queue(queue) for queue in QUEUES],
        task_create_missing_queues=False,
        task_default_queue="commands",
        task_send_sent_event=False,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        worker_hijack_root_logger=False,
        worker_max_tasks_per_child=10_000,
        worker_max_memory_per_child=400_000,
        worker_soft_shutdown_timeout=25.0,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
            **_PUBLISH_PATIENCE,
        },
        timezone="UTC",
        enable_utc=True,
    )
    return app


def build_publisher(settings: Settings, *, name: str) -> Celery:
    """Build an application that only sends: it gives up fast, since what it sends is only a summons."""
    app = build_app(settings, name=name)
    app.conf.update(
        task_publish_retry=False,
        broker_pool_limit=2,
        broker_transport_options={
            "socket_timeout": 1,
            "socket_connect_timeout": 0.5,
            "socket_keepalive": True,
            **_PUBLISH_PATIENCE,
        },
    )
    return app
