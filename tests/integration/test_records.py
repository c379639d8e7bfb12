"""What is kept beside the business data: audit chains, totals, the mirror, partitions, the schema itself."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from redis import Redis

from tests.support.books import assert_counts_follow_history, assert_totals_follow_rows
from tests.support.scans import make_scan
from tests.support.together import at_once
from tests.support.warehouse import Warehouse
from tracetrack_common import audit, bootstrap
from tracetrack_common.accounts import hash_token
from tracetrack_common.credentials import COMPLETE_FIELD, MIRROR_KEY, decode_principal, find_principal, mirror_all
from tracetrack_common.db.partitions import ensure_partitions
from tracetrack_common.db.schema import metadata
from tracetrack_common.db.session import Database
from tracetrack_common.domain.scans import Kind
from tracetrack_common.ids import uuid7
from tracetrack_common.settings import Settings

_ROOT = Path(__file__).parents[2]
_PARTITION = re.compile(r"scan_(\d{6}|default)")


def _fill(warehouse: Warehouse) -> None:
    at_once(
        [
            lambda number=number: warehouse.apply(  # type: ignore[misc]
                [make_scan(Kind.CHILD, f"CH{number:02d}{each:03d}", f"SB{number:05d}") for each in range(10)]
            )
            for number in range(12)
        ]
    )


def _broken(database: Database) -> list[tuple[int, int]]:
    with database.snapshot() as connection:
        return list(audit.find_broken_rows(connection))


def test_every_batch_is_a_row_in_an_unbroken_chain(warehouse: Warehouse, database: Database) -> None:
    _fill(warehouse)
    assert warehouse.value("SELECT count(*) FROM audit_log WHERE action = 'scans.apply'") == 12
    assert _broken(database) == []


def test_a_row_that_was_changed_or_removed_shows(warehouse: Warehouse, database: Database) -> None:
    for number in range(3):
        warehouse.apply([make_scan(Kind.PARENT, f"SB{number:05d}", None)])
    warehouse.change("UPDATE audit_log SET actor = 'user:9' WHERE seq = 2")
    assert _broken(database) == [(1, 2)]
    warehouse.change("DELETE FROM audit_log WHERE seq = 2")
    assert _broken(database) == [(1, 3)]
    warehouse.change("DELETE FROM audit_log")
    assert _broken(database) == [(1, 3)]


def test_a_batchs_digest_covers_its_scans(warehouse: Warehouse) -> None:
    scan = make_scan(Kind.PARENT, "SB00001", None)
    (result,) = warehouse.apply([scan])
    noted = warehouse.value("SELECT after FROM audit_log")
    assert noted == {"scans": 1, "sha256": audit.digest_scans([(scan, result)])}
    assert noted["sha256"] != audit.digest_scans([(scan._replace(code="SB00002"), result)])


def test_totals_and_counts_are_exact_whatever_runs_at_once(warehouse: Warehouse) -> None:
    _fill(warehouse)
    assert_totals_follow_rows(warehouse)
    assert_counts_follow_history(warehouse)


def test_the_mirror_is_made_equal_to_postgres(warehouse: Warehouse, database: Database, redis: Redis) -> None:
    device, person = warehouse.device(), warehouse.person()
    redis.hset(MIRROR_KEY, "of-nobody", "{}")
    with database.snapshot() as connection:
        assert mirror_all(redis, connection) == 2
        assert find_principal(connection, hash_token(device.token)) is not None
    mirrored = cast("dict[bytes, bytes]", redis.hgetall(MIRROR_KEY))
    assert set(mirrored) == {
        COMPLETE_FIELD.encode(),
        hash_token(device.token).hex().encode(),
        hash_token(person.token).hex().encode(),
    }
    found = decode_principal(mirrored[hash_token(device.token).hex().encode()])
    assert (found.kind, found.id, found.area) == ("device", device.device_id, "lucknow")
    warehouse.change("UPDATE device SET revoked_at = now()")
    with database.snapshot() as connection:
        assert mirror_all(redis, connection) == 1


def test_an_identity_of_another_time_waits_in_the_default_partition_for_its_month(
    warehouse: Warehouse, database: Database
) -> None:
    later = datetime(2031, 5, 15, tzinfo=UTC)
    ahead = str(uuid7(int(later.timestamp() * 1000)))
    warehouse.apply([make_scan(Kind.PARENT, "SB00001", None, scan_id=ahead)])
    where = "SELECT CAST(CAST(tableoid AS regclass) AS text) FROM scan"
    assert warehouse.value(where) == "scan_default"
    with database.transaction() as connection:
        assert "scan_203105" in ensure_partitions(connection, later)
    assert warehouse.value(where) == "scan_203105"
    with database.transaction() as connection:
        assert ensure_partitions(connection, later) == []


def test_the_migrated_schema_is_the_one_in_the_models(database: Database) -> None:
    def is_ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (kind in {"table", "index"} and _PARTITION.match(name or ""))

    with database.snapshot() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": is_ours, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_the_first_start_keeps_what_it_makes_before_it_is_in_force(warehouse: Warehouse, settings: Settings) -> None:
    seen: list[int] = []

    def keep(made: bootstrap.FirstCredentials) -> None:
        assert made.admin_password
        seen.append(warehouse.value("SELECT count(*) FROM app_user"))

    assert bootstrap.first_start(settings, keep=keep) is not None
    assert seen == [0]
    assert bootstrap.first_start(settings, keep=keep) is None
    assert seen == [0]


def test_transactions_are_opened_in_one_place() -> None:
    opens = re.compile(r"\.(commit|begin|begin_nested|autocommit)\(|autocommit")
    allowed = {"libs/common/tracetrack_common/db/session.py", "libs/common/tracetrack_common/commands.py"}
    found = {
        str(path.relative_to(_ROOT))
        for folder in ("libs", "services")
        for path in (_ROOT / folder).rglob("*.py")
        if opens.search(path.read_text())
    }
    assert found == allowed
