"""The doctor on the ledgers, the mirror and the servers themselves: each damage gives exactly its finding."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import text

from tests.support.health import PATIENT, Diagnose, mirror, told
from tests.support.ledgers import LEASE_S, accept_body, accept_scans, let_lease_run_out, open_ledger
from tests.support.scans import ORIGIN, sack
from tests.support.servers import EmbeddedServers
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse
from tracetrack_common import failed_work
from tracetrack_common.contracts import ScanSubmission, encode_submissions
from tracetrack_common.credentials import COMPLETE_FIELD, MIRROR_KEY
from tracetrack_common.db.session import Database
from tracetrack_common.doctor.ledgers import LEASES_OF_GRACE
from tracetrack_common.doctor.system import utc_now
from tracetrack_common.domain.scans import Scan
from tracetrack_common.ids import uuid7
from tracetrack_common.ledger import LedgerKeys
from tracetrack_common.settings import Settings
from tracetrack_local.ports import choose_free

_SCANS = LedgerKeys("scans")


def _accept_in_the_past(redis: Redis, scan: Scan, *, age_s: float) -> None:
    """Accept a scan that has been waiting for so long."""
    seconds, _ = redis.time()
    body = encode_submissions([ScanSubmission(ORIGIN, [scan], None)])
    redis.xadd(_SCANS.stream, {"e": body}, id=f"{int((seconds - age_s) * 1000)}-0")
    redis.hset(_SCANS.index, scan.scan_id, "device:1")


def _applied(warehouse: Warehouse) -> Scan:
    """Give a scan that is in the database."""
    scan = sack("SB00008")._replace(device_id=warehouse.value("SELECT device_id FROM device"))
    warehouse.apply([scan])
    return scan


def test_work_that_waits_is_no_finding(diagnose: Diagnose, redis: Redis) -> None:
    accept_scans(redis, [sack("SB00008")])
    open_ledger(redis).take(1)

    assert diagnose() == []


def test_work_that_waits_for_long_shows(diagnose: Diagnose, redis: Redis) -> None:
    _accept_in_the_past(redis, sack("SB00008"), age_s=3_600)

    (found,) = diagnose()

    assert (found.code, found.subject) == ("ledger_old", "scans")
    assert "1 entries wait, the oldest for 3,6" in found.detail


def test_entries_whose_holder_is_gone_show(diagnose: Diagnose, redis: Redis) -> None:
    accept_scans(redis, [sack("SB00008")])
    held = open_ledger(redis, consumer="gone").take(1)
    let_lease_run_out(redis, held, lease_s=LEASE_S * LEASES_OF_GRACE)

    (found,) = diagnose()

    assert (found.code, found.detail) == ("ledger_abandoned", "1 entries are held by gone 1")


def test_an_entry_whose_scans_are_all_applied_shows(diagnose: Diagnose, warehouse: Warehouse, redis: Redis) -> None:
    _accept_in_the_past(redis, _applied(warehouse), age_s=LEASE_S * LEASES_OF_GRACE + 1)

    assert told(diagnose()) == [("ledger_applied", "scans")]


def test_an_identity_without_an_entry_shows(diagnose: Diagnose, warehouse: Warehouse, redis: Redis) -> None:
    redis.hset(_SCANS.index, _applied(warehouse).scan_id, "device:1")
    assert told(diagnose()) == [("ledger_id_left", "scans")]

    redis.delete(_SCANS.index)
    redis.hset(LedgerKeys("commands").index, lost := str(uuid7()), "user:1")
    (found,) = diagnose()
    assert (found.code, found.subject) == ("ledger_id_lost", "commands")
    assert f"{lost} of user:1" in found.detail


def test_an_identity_in_the_failed_work_is_not_lost(diagnose: Diagnose, database: Database, redis: Redis) -> None:
    redis.hset(_SCANS.index, identity := str(uuid7()), "device:1")
    with database.transaction() as connection:
        payload = {"scan_id": identity, "body": ""}
        failed_work.insert(connection, queue="scans", reason="id_reused", detail="", payload=payload, attempts=1)

    assert told(diagnose()) == [("ledger_id_left", "scans")]


def test_a_ledger_too_large_to_compare_shows(diagnose: Diagnose, redis: Redis) -> None:
    accept_body(redis, b"a")

    assert told(diagnose(replace(PATIENT, ledger_entries=0))) == [("ledger_backlog", "scans")]


def test_failed_work_shows_unless_it_was_only_an_attempt(diagnose: Diagnose, database: Database) -> None:
    with database.transaction() as connection:
        for reason in ("id_reused", "not_applicable"):
            failed_work.insert(
                connection, queue="scans", reason=reason, detail="", payload={"scan_id": reason}, attempts=1
            )

    assert told(diagnose()) == [("failed_work_open", "scans: not_applicable")]


def test_a_system_without_an_admin_shows(diagnose: Diagnose, warehouse: Warehouse, redis: Redis) -> None:
    warehouse.change("UPDATE app_user SET disabled_at = now() WHERE role = 'admin'")
    mirror(warehouse.database, redis)

    assert told(diagnose()) == [("admin_missing", "app_user")]


def test_a_credential_that_is_not_mirrored_shows(diagnose: Diagnose, redis: Redis) -> None:
    fields = [field for field in redis.hkeys(MIRROR_KEY) if field != COMPLETE_FIELD.encode()]
    redis.hdel(MIRROR_KEY, fields[0])
    assert told(diagnose()) == [("mirror_missing", MIRROR_KEY)]

    redis.delete(MIRROR_KEY)
    (found,) = diagnose()
    assert found.code == "mirror_incomplete"
    assert f"{len(fields)} credentials" in found.detail


def test_a_credential_that_outlives_its_end_shows(diagnose: Diagnose, warehouse: Warehouse, redis: Redis) -> None:
    warehouse.change("UPDATE device SET revoked_at = now()")
    (found,) = diagnose()
    assert found.code == "mirror_outdated"
    assert "1 entries are not so in PostgreSQL: device:" in found.detail

    mirror(warehouse.database, redis)
    redis.hset(MIRROR_KEY, "f" * 64, "nonsense")
    (found,) = diagnose()
    assert (found.code, found.severity) == ("mirror_outdated", "critical")


def test_a_session_that_ended_by_itself_is_no_finding(diagnose: Diagnose) -> None:
    codes = {finding.code for finding in diagnose(now=lambda: utc_now() + timedelta(hours=2))}

    assert codes == {"clock_skew"}


def test_a_clock_that_is_off_shows_against_both_servers(diagnose: Diagnose) -> None:
    findings = diagnose(now=lambda: utc_now() - timedelta(seconds=30))

    assert told(findings) == [("clock_skew", "PostgreSQL"), ("clock_skew", "Redis")]
    assert all("30.0 s ahead of ours" in finding.detail for finding in findings)


@contextmanager
def _configured(redis: Redis, name: str, value: str) -> Iterator[None]:
    before = redis.config_get(name)[name] or ""
    redis.config_set(name, value)
    try:
        yield
    finally:
        redis.config_set(name, before)


@pytest.mark.parametrize(
    ("name", "value", "finding"),
    [
        ("appendonly", "no", ("redis_setting", "appendonly")),
        ("appendfsync", "everysec", ("redis_setting", "appendfsync")),
        ("maxmemory-policy", "allkeys-lru", ("redis_setting", "maxmemory-policy")),
        ("maxmemory", "0", ("redis_memory_short", "Redis")),
    ],
)
def test_a_setting_of_redis_that_breaks_the_promise_shows(
    diagnose: Diagnose, redis: Redis, name: str, value: str, finding: tuple[str, str]
) -> None:
    with _configured(redis, name, value):
        assert told(diagnose()) == [finding]


def test_settings_of_redis_that_may_not_be_read_show(diagnose: Diagnose, settings: Settings, redis: Redis) -> None:
    address = urlsplit(settings.redis_url.get_secret_value())
    redis.acl_setuser(
        "narrow", enabled=True, passwords=["+secret"], keys=["*"], channels=["*"], commands=["+@all", "-config"]
    )
    url = f"redis://narrow:secret@{address.hostname}:{address.port}{address.path}"
    try:
        findings = diagnose(settings=settings.model_copy(update={"redis_url": SecretStr(url)}))
    finally:
        redis.acl_deluser("narrow")

    assert told(findings) == [("redis_settings_hidden", "Redis")]


def test_a_database_that_does_not_wait_for_its_disk_shows(diagnose: Diagnose, warehouse: Warehouse) -> None:
    name = warehouse.value("SELECT current_database()")
    warehouse.change(f"ALTER DATABASE {name} SET synchronous_commit = off")

    assert told(diagnose()) == [("postgres_setting", "synchronous_commit")]


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_that_may_damage_pages_shows(
    diagnose: Diagnose, durable: EmbeddedServers, warehouse: Warehouse, name: str
) -> None:
    def switch(statement: str, until: str) -> None:
        with closing(durable.postgres_server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.execute("SELECT pg_reload_conf()")
        eventually(lambda: warehouse.value(f"SHOW {name}") == until)

    switch(f"ALTER SYSTEM SET {name} = off", "off")
    try:
        assert told(diagnose()) == [("postgres_setting", name)]
    finally:
        switch(f"ALTER SYSTEM RESET {name}", "on")


def test_connections_that_run_out_show(diagnose: Diagnose) -> None:
    findings = diagnose(replace(PATIENT, connections_share=0.0))

    assert told(findings) == [("connections_short", "PostgreSQL"), ("connections_short", "Redis")]


def test_a_transaction_that_was_left_open_shows(diagnose: Diagnose, database: Database) -> None:
    with database.snapshot() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()

        assert told(diagnose(replace(PATIENT, transaction_age_s=0))) == [("transaction_left_open", f"pid {pid}")]


def test_a_server_that_is_away_is_one_finding(diagnose: Diagnose, settings: Settings) -> None:
    port = choose_free()
    no_postgres = settings.model_copy(update={"database_url": SecretStr(f"postgresql://a:b@127.0.0.1:{port}/c")})
    no_redis = settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}/0")})

    assert told(diagnose(settings=no_postgres)) == [("postgres_silent", "PostgreSQL")]
    assert told(diagnose(settings=no_redis)) == [("redis_silent", "Redis")]


def test_a_check_that_would_wait_is_given_up_and_the_others_are_made(
    diagnose: Diagnose, settings: Settings, database: Database
) -> None:
    with database.transaction() as connection:
        connection.execute(text("LOCK TABLE tally"))

        findings = diagnose(settings=settings.model_copy(update={"db_lock_timeout_ms": 100}))

    assert told(findings) == [("check_timed_out", "tallies")]
