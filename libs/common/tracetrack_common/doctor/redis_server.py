"""Redis: settings that hold the promise (reliability.md), its disk, its memory and who is connected."""

from collections.abc import Mapping
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError

from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import Limits, System

_SUBJECT = "Redis"
_MUST = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
_MEGABYTE = 1024 * 1024


def check_redis(system: System) -> Examined:
    """Hold the server's settings and state against what the promise needs."""
    info = system.redis.info()
    settings = _read_settings(system.redis)
    if settings is None:
        findings = [Finding("redis_settings_hidden", _SUBJECT, "CONFIG GET is refused to this user")]
        settings = {"maxmemory": str(info["maxmemory"]), "maxclients": str(info.get("maxclients", 0))}
    else:
        findings = judge_settings(settings)
    findings += judge_state(info, settings, system.limits)
    used, most = int(info["used_memory"]) // _MEGABYTE, int(settings["maxmemory"]) // _MEGABYTE
    return Examined(f"its settings; {used:,} of {most:,} MB; {info['connected_clients']} clients", tuple(findings))


def judge_settings(settings: Mapping[str, str]) -> list[Finding]:
    """Find the settings under which Redis can lose what it has confirmed.

    Parameters
    ----------
    settings
        As `CONFIG GET` gives them.
    """
    return [
        Finding("redis_setting", name, f"{name} is {settings.get(name)}; it must be {value}")
        for name, value in _MUST.items()
        if settings.get(name) != value
    ]


def judge_state(info: Mapping[str, Any], settings: Mapping[str, str], limits: Limits) -> list[Finding]:
    """Find what is wrong with the server at this moment.

    Parameters
    ----------
    info
        As `INFO` gives it.
    settings
        ``maxmemory`` in bytes and ``maxclients``; 0 is no limit.
    limits
        The shares from which on it is short.
    """
    findings = []
    if info["role"] != "master":
        findings.append(Finding("redis_is_replica", _SUBJECT, f"its role is {info['role']}"))
    if info.get("aof_enabled") and info.get("aof_last_write_status") != "ok":
        findings.append(Finding("redis_append_fails", _SUBJECT, "aof_last_write_status is not ok"))
    if evicted := int(info["evicted_keys"]):
        findings.append(Finding("redis_evicted", _SUBJECT, f"{evicted:,} keys since its start"))
    used, most = int(info["used_memory"]), int(settings["maxmemory"])
    if not most:
        findings.append(Finding("redis_memory_short", _SUBJECT, "maxmemory is 0: there is no limit"))
    elif used >= most * limits.memory_share:
        detail = f"{used // _MEGABYTE:,} of {most // _MEGABYTE:,} MB are in use"
        findings.append(Finding("redis_memory_short", _SUBJECT, detail))
    clients, most_clients = int(info["connected_clients"]), int(settings["maxclients"])
    if most_clients and clients >= most_clients * limits.connections_share:
        findings.append(
            Finding("connections_short", _SUBJECT, f"{clients:,} of {most_clients:,} clients are connected")
        )
    return findings


def _read_settings(redis: Redis) -> dict[str, str] | None:
    """Give the settings that matter, or None where this user may not read them."""
    try:
        return cast("dict[str, str]", redis.config_get(*_MUST, "maxmemory", "maxclients"))
    except ResponseError:
        return None
