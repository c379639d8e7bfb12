"""Pickle, Redis and Flower exposed (reliability.md, Security): nothing of a stranger's runs, nobody gets in unasked."""

import base64
import os
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest
import redis as redis_package

from tests.support.system import RunningSystem, scan_of, submit
from tests.support.waiting import eventually
from tracetrack_common.celery_app import DRAIN_TASKS
from tracetrack_local.services import PROCESSES

Codes = Callable[[], str]
_PICKLE = "application/x-python-serialize"


class _Intruder:
    """Makes a file where it is unpickled."""

    def __init__(self, sign: Path) -> None:
        self._sign = sign

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._sign),)


def message(queue: str, body: bytes, content_type: str) -> bytes:
    """Give a message as it stands in a queue of Celery's."""
    task_id = str(uuid.uuid4())
    task = DRAIN_TASKS.get(queue, "mail.send_due")
    return orjson.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "argsrepr": "()"},
            "properties": {
                "correlation_id": task_id,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "delivery_tag": task_id,
                "body_encoding": "base64",
            },
        }
    )


def restarts_of(system: RunningSystem) -> dict[str, int]:
    return {name: record.restarts for name, record in system.records().items()}


@pytest.mark.parametrize(
    ("queue", "content_type"),
    [
        *((queue, _PICKLE) for queue in ("scans", "commands", "reports", "mail")),
        *(("commands", other) for other in ("application/json", "application/x-yaml", "text/plain")),
    ],
)
def test_a_pickled_message_is_never_unpickled(
    system: RunningSystem, device: httpx.Client, sack: Codes, tmp_path: Path, queue: str, content_type: str
) -> None:
    sign, before = tmp_path / "intruded", restarts_of(system)
    body = pickle.dumps(([], {"intruder": _Intruder(sign)}, {}))
    with system.redis() as redis:
        redis.lpush(queue, message(queue, body, content_type))
        eventually(lambda: redis.llen(queue) == 0)
        eventually(lambda: redis.hlen("unacked") == 0)

    assert not sign.exists()
    assert submit(device, scan_of("parent", sack()))["outcome"] == "applied"
    assert restarts_of(system) == before


def test_every_process_listens_on_this_machine_only(system: RunningSystem) -> None:
    listening = {
        name: {
            connection.laddr.ip
            for process in (psutil.Process(record.pid), *psutil.Process(record.pid).children(recursive=True))
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        for name, record in system.records().items()
        if record.pid is not None
    }

    assert set(listening) == set(PROCESSES)
    assert listening["valkey"] == listening["postgres"] == listening["flower"] == listening["gateway"] == {"127.0.0.1"}
    assert all(addresses <= {"127.0.0.1"} for addresses in listening.values())


def test_redis_asks_for_its_password(system: RunningSystem) -> None:
    address = system.servers.redis_url.get_secret_value().rpartition("@")[2]
    for url in (f"redis://{address}", f"redis://:guessed@{address}", f"redis://admin:guessed@{address}"):
        with redis_package.Redis.from_url(url) as stranger, pytest.raises(redis_package.AuthenticationError):
            stranger.get("tt:anything")


@pytest.mark.parametrize(
    "command",
    [
        *("FLUSHALL", "FLUSHDB", "KEYS *", "SHUTDOWN NOSAVE", "SAVE", "BGREWRITEAOF", "MONITOR"),
        *("CONFIG SET maxmemory 1", "CONFIG REWRITE", "REPLICAOF 127.0.0.1 1", "MODULE LIST", "ACL LIST", "SWAPDB 0 1"),
        *("CLIENT KILL TYPE normal", "MIGRATE 127.0.0.1 1 key 0 1", "RESTORE key 0 x", "FAILOVER"),
    ],
)
def test_the_services_user_of_redis_has_no_dangerous_commands(system: RunningSystem, command: str) -> None:
    url = system.servers.redis_url.get_secret_value()
    with redis_package.Redis.from_url(url) as service, pytest.raises(redis_package.exceptions.NoPermissionError):
        service.execute_command(*command.split())
    with system.redis() as admin:
        assert admin.ping()


@pytest.mark.parametrize(
    "path",
    ["/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks", "/api/queues/length", "/api/task/types"],
)
def test_flower_asks_for_its_login(system: RunningSystem, path: str) -> None:
    url = system.credentials.flower_url
    assert httpx.get(url + path).status_code == 401
    assert httpx.get(url + path, auth=("tracetrack", "guessed")).status_code == 401


@pytest.mark.parametrize("path", ["/api/worker/shutdown/scans@x", "/api/task/apply/scans.drain", "/api/task/revoke/x"])
def test_nobody_commands_workers_through_flower_without_its_login(system: RunningSystem, path: str) -> None:
    assert httpx.post(system.credentials.flower_url + path).status_code == 401


def test_what_flower_tells_without_a_login_has_nothing_of_what_people_scan(
    system: RunningSystem, device: httpx.Client, sack: Codes
) -> None:
    code = sack()
    submit(device, scan_of("parent", code))
    url = system.credentials.flower_url

    assert httpx.get(f"{url}/healthcheck").text == "OK"
    metrics = httpx.get(f"{url}/metrics").text
    assert code not in metrics
    assert system.credentials.flower.password not in metrics
