"""Clients of Redis: one place for their timeouts (reliability.md, Settings and why)."""

import socket

from redis import Redis
from redis import asyncio as aioredis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tracetrack_common.settings import Settings

_GATEWAY_SOCKET_TIMEOUT_S = 1.0
_GATEWAY_CONNECT_TIMEOUT_S = 0.5
_WORKER_SOCKET_TIMEOUT_S = 5.0
_LISTENER_KEEPALIVE = {
    socket.TCP_KEEPIDLE: 5,
    socket.TCP_KEEPINTVL: 2,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 10_000,
}
"""A line that was cut without a word shows after some 10 s: whoever only listens sends nothing that could fail."""


def connect_worker(settings: Settings) -> Redis:
    """Give a worker's client: patient, and checking a connection that was idle."""
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=_WORKER_SOCKET_TIMEOUT_S,
        socket_connect_timeout=_WORKER_SOCKET_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=25,
    )


def connect_gateway(settings: Settings) -> aioredis.Redis:
    """Give the gateway's client: impatient and without retries, since the device on the other end can retry."""
    return aioredis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=_GATEWAY_SOCKET_TIMEOUT_S,
        socket_connect_timeout=_GATEWAY_CONNECT_TIMEOUT_S,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        max_connections=200,
    )


def connect_listener(settings: Settings) -> aioredis.Redis:
    """Give the gateway's client for subscriptions: patient only with silence, and without retries of its own."""
    return aioredis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=_GATEWAY_SOCKET_TIMEOUT_S,
        socket_connect_timeout=_GATEWAY_CONNECT_TIMEOUT_S,
        socket_keepalive=True,
        socket_keepalive_options=_LISTENER_KEEPALIVE,
        retry=Retry(NoBackoff(), 0),
    )
