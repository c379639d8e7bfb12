"""The broker's transport when Redis goes: a lost connection is a lost connection, whatever kombu calls it."""

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue
from kombu.common import ignore_errors
from kombu.transport.redis import Transport as RedisTransport

from tests.support.servers import EmbeddedServers
from tests.support.waiting import eventually
from tracetrack_common.broker import Transport
from tracetrack_common.celery_app import build_app, build_publisher
from tracetrack_common.settings import Settings


@pytest.fixture
def own_servers() -> Iterator[EmbeddedServers]:
    """Give servers that no other test uses, so that they can be killed."""
    with EmbeddedServers() as servers:
        yield servers


def lose(transport: type[RedisTransport], servers: EmbeddedServers) -> None:
    """Lose Redis as a worker does that holds a message, waits for the next one, and hears of control commands.

    The steps are those of Celery's consumer after a connection error.
    """
    valkey = servers.valkey_server
    connection = Connection("127.0.0.1", port=valkey.port, password=valkey.password, transport=transport)
    work: Any = connection.default_channel
    control = connection.channel()
    queue = Queue("work", channel=work)
    commands = Queue("commands", Exchange("commands", type="fanout"), channel=control, auto_delete=True)
    connection.Consumer([queue], channel=work, on_message=lambda _: None).consume()
    connection.Consumer([commands], channel=control, on_message=lambda _: None).consume()
    connection.Producer().publish({}, routing_key="work")

    def holds_one_and_waits() -> bool:
        with ignore_errors(connection):
            connection.drain_events(timeout=0.1)
        return len(work.qos._delivered) == 1 and bool(work._in_poll)  # noqa: SLF001 - there is no other way to see it

    eventually(holds_one_and_waits)
    servers.valkey.kill_group()
    with ignore_errors(connection):
        connection.collect(socket_timeout=1)
    ignore_errors(connection, connection.close)


def test_a_worker_that_holds_a_message_gets_over_the_loss_of_redis(own_servers: EmbeddedServers) -> None:
    lose(Transport, own_servers)


def test_with_kombus_own_transport_it_would_not(own_servers: EmbeddedServers) -> None:
    with pytest.raises(AttributeError, match="hostname"):
        lose(RedisTransport, own_servers)


def test_every_application_uses_the_transport(settings: Settings) -> None:
    for app in (build_app(settings, name="tests"), build_publisher(settings, name="tests")):
        with app.connection() as connection:
            assert isinstance(connection.transport, Transport)
