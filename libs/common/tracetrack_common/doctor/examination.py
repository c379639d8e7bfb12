"""The examination: every check on one snapshot, each with a limit to what it may cost."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from tracetrack_common.db.session import Database
from tracetrack_common.doctor import STATEMENT_TIMEOUT_S
from tracetrack_common.doctor.audit import check_audit
from tracetrack_common.doctor.clocks import check_clocks
from tracetrack_common.doctor.counts import check_counts, check_tallies
from tracetrack_common.doctor.credentials import check_credentials
from tracetrack_common.doctor.effects import check_effects
from tracetrack_common.doctor.failed import check_failed_work
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.ledgers import check_ledgers
from tracetrack_common.doctor.orphans import check_orphans
from tracetrack_common.doctor.partitions import check_partitions
from tracetrack_common.doctor.people import check_people
from tracetrack_common.doctor.postgres import check_postgres
from tracetrack_common.doctor.protection import check_protection
from tracetrack_common.doctor.redis_server import check_redis
from tracetrack_common.doctor.report import CheckDone, Report
from tracetrack_common.doctor.schema import check_schema
from tracetrack_common.doctor.system import Limits, System, utc_now
from tracetrack_common.doctor.workers import check_workers
from tracetrack_common.redis_client import connect_worker
from tracetrack_common.settings import Settings

_WORK_MEMORY: Final = "64MB"
"""For sorting a batch's scans together; what does not fit goes to files, never to more memory."""
_TOO_LONG: Final = frozenset({"57014", "55P03"})  # query_canceled, lock_not_available
_POSTGRES, _REDIS, _SCHEMA = "PostgreSQL", "Redis", "the schema"


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Parameters
    ----------
    name
        By which it is asked for.
    run
        Makes it.
    needs
        What must be there for it to make sense.
    """

    name: str
    run: Callable[[System], Examined]
    needs: Collection[str] = ()


CHECKS: Final[Sequence[Check]] = (
    Check("postgres", check_postgres, (_POSTGRES,)),
    Check("redis", check_redis, (_REDIS,)),
    Check("clocks", check_clocks, (_POSTGRES, _REDIS)),
    Check("schema", check_schema, (_POSTGRES,)),
    Check("partitions", check_partitions, (_POSTGRES, _SCHEMA)),
    Check("people", check_people, (_POSTGRES, _SCHEMA)),
    Check("credentials", check_credentials, (_POSTGRES, _REDIS, _SCHEMA)),
    Check("ledgers", check_ledgers, (_POSTGRES, _REDIS, _SCHEMA)),
    Check("failed-work", check_failed_work, (_POSTGRES, _SCHEMA)),
    Check("counts", check_counts, (_POSTGRES, _SCHEMA)),
    Check("tallies", check_tallies, (_POSTGRES, _SCHEMA)),
    Check("orphans", check_orphans, (_POSTGRES, _SCHEMA)),
    Check("effects", check_effects, (_POSTGRES, _SCHEMA)),
    Check("audit", check_audit, (_POSTGRES, _SCHEMA)),
    Check("protection", check_protection, (_POSTGRES, _SCHEMA)),
    Check("workers", check_workers, (_REDIS,)),
)
"""Every check that needs the servers only, quick ones first."""


def examine(
    settings: Settings,
    *,
    only: Collection[str] = (),
    further: Sequence[Check] = (),
    limits: Limits | None = None,
    now: Callable[[], datetime] = utc_now,
    statement_timeout_s: int = STATEMENT_TIMEOUT_S,
) -> Report:
    """Examine the system that the settings name; nothing is changed.

    Parameters
    ----------
    settings
        Addresses.
    only
        Names of the checks to make; all when empty.
    further
        Checks besides `CHECKS`.
    limits
        From where on something is a finding.
    now
        This machine's clock.
    statement_timeout_s
        Seconds after which a statement is given up.
    """
    timeout_ms = statement_timeout_s * 1000
    # Two connections: the snapshot's, and one for looks that must be newer. The snapshot idles while Redis is asked.
    own = {"db_pool_size": 2, "db_max_overflow": 0, "db_statement_timeout_ms": timeout_ms}
    patient = settings.model_copy(update={**own, "db_idle_in_transaction_timeout_ms": timeout_ms})
    database = Database(patient, application_name="tracetrack-doctor", read_only=True)
    redis = connect_worker(settings)
    with ExitStack() as stack:
        stack.callback(database.close)
        stack.callback(redis.close)
        missing: set[str] = set()
        done = []
        snapshot: Connection | None = None
        try:
            snapshot = stack.enter_context(_open_snapshot(database))
        except SQLAlchemyError as error:
            missing.add(_POSTGRES)
            done.append(CheckDone("postgres", "", (Finding("postgres_silent", _POSTGRES, _first_line(error)),), 0))
        if (complaint := _ask(redis)) is not None:
            missing.add(_REDIS)
            done.append(CheckDone("redis", "", (Finding("redis_silent", _REDIS, complaint),), 0))
        system = System(
            settings=settings, database=database, redis=redis, snapshot=snapshot, now=now, limits=limits or Limits()
        )
        for check in (*CHECKS, *further):
            if (only and check.name not in only) or missing.intersection(check.needs):
                continue
            done.append(_make(check, system))
            if any(finding.code in {"schema_not_migrated", "schema_unknown"} for finding in done[-1].findings):
                missing.add(_SCHEMA)
        return Report(done)


@contextmanager
def _open_snapshot(database: Database) -> Iterator[Connection]:
    with database.snapshot() as connection:
        connection.execute(text(f"SET LOCAL work_mem = '{_WORK_MEMORY}'"))
        # One processor is enough for it, and leaves the others to the workers.
        connection.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))
        yield connection


def _make(check: Check, system: System) -> CheckDone:
    """Make a check; that it could not be made is a finding too."""
    began = time.monotonic()
    try:
        with ExitStack() as stack:
            if _POSTGRES in check.needs:
                stack.enter_context(system.database.savepoint(system.rows))
            examined = check.run(system)
    except SQLAlchemyError as error:
        sqlstate = getattr(getattr(error, "orig", None), "pgcode", None)
        code = "check_timed_out" if sqlstate in _TOO_LONG else "check_failed"
        examined = Examined("", (Finding(code, check.name, _first_line(error)),))
    except (RedisError, BrokerError, OSError) as error:
        examined = Examined("", (Finding("check_failed", check.name, _first_line(error)),))
    took_ms = round((time.monotonic() - began) * 1000)
    return CheckDone(check.name, examined.looked_at, examined.findings, took_ms)


def _ask(redis: Redis) -> str | None:
    try:
        redis.ping()
    except (RedisError, OSError) as error:
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0].rstrip(".")
