"""PostgreSQL: settings that hold the promise (reliability.md), and who is connected."""

from collections.abc import Mapping

from sqlalchemy import text

from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import System

_SUBJECT = "PostgreSQL"
_SELECT_SETTINGS = text(
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit',"
    " 'synchronous_standby_names', 'max_connections', 'superuser_reserved_connections', 'reserved_connections')"
)
_COUNT_CONNECTIONS = text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
_SELECT_OPEN_TRANSACTIONS = text(
    "SELECT pid, application_name, state, CAST(extract(epoch FROM clock_timestamp() - xact_start) AS int) AS age_s"
    " FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database()"
    " AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - make_interval(secs => :age_s) ORDER BY"
    " xact_start"
)


def check_postgres(system: System) -> Examined:
    """Hold the server's settings and connections against what the promise needs."""
    settings = {row.name: row.setting for row in system.rows.execute(_SELECT_SETTINGS)}
    findings = judge_settings(settings)
    if system.rows.scalar(text("SELECT pg_is_in_recovery()")):
        findings.append(Finding("postgres_is_replica", _SUBJECT, "pg_is_in_recovery() is true"))
    used = int(system.rows.execute(_COUNT_CONNECTIONS).scalar_one())
    reserved = int(settings["superuser_reserved_connections"]) + int(settings.get("reserved_connections", 0))
    most = int(settings["max_connections"]) - reserved
    if used >= most * system.limits.connections_share:
        findings.append(Finding("connections_short", _SUBJECT, f"{used} of {most} connections are in use"))
    findings += [
        Finding(
            "transaction_left_open",
            f"pid {row.pid}",
            f"{row.application_name or 'a program without a name'} is {row.state} since {row.age_s:,} s",
        )
        for row in system.rows.execute(_SELECT_OPEN_TRANSACTIONS, {"age_s": system.limits.transaction_age_s})
    ]
    return Examined(f"its settings; {used} of {most} connections", tuple(findings))


def judge_settings(settings: Mapping[str, str]) -> list[Finding]:
    """Find the settings under which PostgreSQL can lose what it has confirmed.

    Parameters
    ----------
    settings
        As in `pg_settings`, of a session like the workers'.
    """
    must = {"fsync": "on", "full_page_writes": "on"}
    findings = [
        Finding("postgres_setting", name, f"{name} is {settings[name]}; it must be {value}")
        for name, value in must.items()
        if settings[name] != value
    ]
    commit = settings["synchronous_commit"]
    # Without a standby to wait for, `local` and `remote_write` wait for the same disk as `on` does.
    enough = {"on", "remote_apply"} | (
        set() if settings.get("synchronous_standby_names") else {"local", "remote_write"}
    )
    if commit not in enough:
        detail = f"synchronous_commit is {commit}; it must be on"
        findings.append(Finding("postgres_setting", "synchronous_commit", detail))
    return findings
