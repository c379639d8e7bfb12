"""The doctor on the database: a healthy one gives nothing, and each damage gives exactly its finding."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from redis import Redis

from tests.support.health import ALL_BUT_WORKERS, PATIENT, Diagnose, mirror, overrule, told
from tests.support.ledgers import accept_scans, open_ledger
from tests.support.scans import filled, make_scan
from tests.support.servers import EmbeddedServers
from tests.support.together import at_once
from tests.support.warehouse import Warehouse
from tracetrack_common.credentials import MIRROR_KEY
from tracetrack_common.doctor.examination import examine
from tracetrack_common.doctor.finding import Finding
from tracetrack_common.doctor.partitions import months_needed
from tracetrack_common.doctor.system import utc_now
from tracetrack_common.domain.scans import Kind
from tracetrack_common.ids import uuid7
from tracetrack_common.settings import Settings

DAMAGED_DOCUMENT = """
    WITH summary AS (
        INSERT INTO eod_summary
            (business_date, revision, window_start, window_end, generated_at, figures_sha256, content)
        VALUES ('2026-11-23', 1, now(), now(), now(), '', '{}') RETURNING summary_id
    )
    INSERT INTO eod_document SELECT summary_id, 'xlsx', 'a', sha256('b') FROM summary
"""
SACK_IN_A_SACK = """
    INSERT INTO bag_link SELECT command_id, a.bag_id, b.bag_id, now(), now(), command_id
    FROM command, bag AS a, bag AS b
    WHERE a.code = 'SB00001' AND b.code = 'SB00002' AND name = 'bill.complete'
"""


def test_a_healthy_system_gives_nothing_and_stays_as_it_is(
    diagnose: Diagnose, warehouse: Warehouse, redis: Redis
) -> None:
    before = warehouse.everything(), redis.hgetall(MIRROR_KEY), redis.keys()

    assert diagnose() == []

    assert (warehouse.everything(), redis.hgetall(MIRROR_KEY), redis.keys()) == before


def test_a_system_at_work_gives_nothing(settings: Settings, warehouse: Warehouse, redis: Redis) -> None:
    gun, over = warehouse.device(), Event()

    def work() -> None:
        ledger = open_ledger(redis, consumer="worker")
        for number in range(10, 90_000):
            scans = [each._replace(device_id=gun.device_id) for each in filled(f"SB{number:05d}", 5)]
            accept_scans(redis, scans)
            entries = ledger.take(1)
            warehouse.apply(scans)
            ledger.settle(entries, [scan.scan_id for scan in scans], {})
            if over.is_set():
                return

    def look() -> list[Finding]:
        mirror(warehouse.database, redis)
        try:
            return [finding for _ in range(3) for finding in examine(settings, only=ALL_BUT_WORKERS).findings]
        finally:
            over.set()

    assert at_once([look, work])[0] == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("DELETE FROM alembic_version", ("schema_not_migrated", "alembic_version")),
        ("UPDATE alembic_version SET version_num = '9999'", ("schema_unknown", "alembic_version")),
        ("DROP INDEX bill_created_at_idx", ("schema_missing", "bill_created_at_idx")),
        ("ALTER TABLE bag DROP CONSTRAINT bag_children_check", ("schema_missing", "bag.bag_children_check")),
        ("ALTER TABLE bag DROP CONSTRAINT bag_area_id_fkey", ("schema_missing", "bag_area_id_fkey")),
        ("ALTER TABLE bag_type DROP CONSTRAINT bag_type_name_key", ("schema_missing", "bag_type_name_key")),
        (
            "ALTER TABLE user_session DROP CONSTRAINT user_session_pkey",
            ("schema_missing", "user_session.user_session_pkey"),
        ),
        ("DROP INDEX scan_scanned_at_brin", ("schema_missing", "scan_scanned_at_brin")),
        ("ALTER TABLE area ALTER COLUMN name DROP NOT NULL", ("schema_differs", "area.name")),
        ("ALTER TABLE bill ADD COLUMN colour text", ("schema_extra", "bill.colour")),
        ("CREATE INDEX bill_vehicle ON bill (vehicle)", ("schema_extra", "bill_vehicle")),
        ("ALTER TABLE bill ADD CONSTRAINT small CHECK (capacity < 99)", ("schema_extra", "bill.small")),
        (
            (
                "ALTER TABLE bill DROP CONSTRAINT bill_sacks_check;"
                "ALTER TABLE bill ADD CONSTRAINT bill_sacks_check CHECK (sacks BETWEEN 0 AND capacity) NOT VALID"
            ),
            ("constraint_not_enforced", "bill.bill_sacks_check"),
        ),
    ],
)
def test_a_schema_that_was_changed_shows(
    diagnose: Diagnose, warehouse: Warehouse, damage: str, finding: tuple[str, str]
) -> None:
    warehouse.change(damage)

    assert told(diagnose()) == [finding]


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (
            "ALTER TABLE bill_state DISABLE TRIGGER ALL",
            ("constraint_not_enforced", "bill_state.bill_state_bill_id_fkey"),
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'bag_code_key'::regclass",
            ("index_not_valid", "bag_code_key"),
        ),
        ("UPDATE bill SET created_by = 999 WHERE bill_no = 'BILL-1'", ("orphan", "bill.created_by")),
        ("UPDATE scan SET area_id = 99 WHERE code = 'SB00003'", ("orphan", "scan.area_id")),
        ("UPDATE return_sack SET bill_id = 99", ("orphan", "return_sack.bill_id")),
    ],
)
def test_what_no_rule_allows_shows(
    diagnose: Diagnose, durable: EmbeddedServers, settings: Settings, damage: str, finding: tuple[str, str]
) -> None:
    overrule(durable, settings, damage)

    assert told(diagnose()) == [finding]


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE bag SET children = 2 WHERE code = 'SB00001'", ("sack_count_differs", "bag.children")),
        ("UPDATE bag SET parent_id = NULL WHERE code = 'C00001002'", ("bag_place_differs", "bag.parent_id")),
        ("UPDATE bag SET bill_id = NULL WHERE code = 'SB00001'", ("bag_place_differs", "bag.bill_id")),
        (
            "UPDATE bag SET return_id = goods_return.return_id FROM goods_return WHERE code = 'SB00002'",
            ("bag_place_differs", "bag.return_id"),
        ),
        (
            "UPDATE bill SET actual_weight_g = 1 WHERE bill_no = 'BILL-1'",
            ("bill_total_differs", "bill"),
        ),
        ("UPDATE bill SET sacks = 0 WHERE bill_no = 'BILL-2'", ("bill_total_differs", "bill")),
        ("UPDATE bill SET status = 'processing' WHERE bill_no = 'BILL-2'", ("bill_status_differs", "bill.status")),
        (
            "UPDATE bill_sack SET valid_until = valid_from - interval '1 s' WHERE valid_until IS NOT NULL",
            ("interval_reversed", "bill_sack"),
        ),
        ("UPDATE tally SET value = value + 1 WHERE name = 'scan.known'", ("tally_differs", "scan.known")),
        (
            DAMAGED_DOCUMENT,
            ("document_damaged", "eod_document"),
        ),
        (
            SACK_IN_A_SACK,
            ("link_of_wrong_kind", "bag_link"),
        ),
        (
            (
                "UPDATE bag_link SET link_id = (SELECT command_id FROM command WHERE name = 'bill.complete')"
                " WHERE child_id = (SELECT bag_id FROM bag WHERE code = 'C00001002')"
            ),
            ("scan_without_effect", "scan"),
        ),
        ("UPDATE bag SET created_by = uuidv7() WHERE code = 'C00001002'", ("effect_without_scan", "bag")),
        ("UPDATE bag SET deleted_at = NULL WHERE code = 'C00001003'", ("bag_place_differs", "bag.deleted_at")),
        (
            (
                "UPDATE bag_deletion SET revived_by = (SELECT scan_id FROM scan WHERE code = 'CH1 2')"
                " WHERE revived_at IS NOT NULL"
            ),
            ("scan_without_effect", "scan"),
        ),
        (
            "UPDATE scan_undo SET command_id = (SELECT command_id FROM command WHERE name = 'bill.complete')",
            ("scan_without_effect", "scan"),
        ),
        ("UPDATE audit_log SET actor = 'user:9' WHERE action = 'bill.complete'", ("audit_chain_broken", "audit_log")),
        (
            "UPDATE scan SET scanned_at = now() WHERE code = 'C00002007'",
            ("audit_scans_altered", "scan"),
        ),
    ],
)
def test_a_row_that_was_changed_shows(
    diagnose: Diagnose, warehouse: Warehouse, damage: str, finding: tuple[str, str]
) -> None:
    warehouse.change(damage)

    assert told(diagnose()) == [finding]


def test_what_commands_did_to_bills_and_returns_is_explained(
    diagnose: Diagnose, warehouse: Warehouse, redis: Redis
) -> None:
    gun = warehouse.device()
    return_no = warehouse.goods_return()
    come_back = [make_scan(Kind.RETURN, code, return_no, by=gun) for code in ("SB00001", "SB00003")]
    warehouse.apply(come_back)
    assert len(warehouse.do("return.cancel", return_no=return_no)["restored"]) == len(come_back)
    warehouse.do("bill.edit", bill_no="BILL-1", changes={"destination": "Agra"})
    warehouse.do("bill.detach", bill_no="BILL-1", code="SB00001")
    warehouse.do("bill.reopen", bill_no="BILL-2")
    for bill_no in ("BILL-1", "BILL-2"):
        warehouse.do("bill.delete", bill_no=bill_no)
    mirror(warehouse.database, redis)

    assert diagnose() == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE bill_version SET closed_by = uuidv7()", ("effect_without_scan", "bill_version")),
        (
            (
                "UPDATE bill SET deleted_at = now(), deleted_by = created_by, sacks = 0, children = 0,"
                " actual_weight_g = 0, expected_weight_g = 0 WHERE bill_no = 'BILL-1'"
            ),
            ("bill_total_differs", "bill"),
        ),
    ],
)
def test_a_bill_that_was_edited_or_deleted_by_hand_shows(
    diagnose: Diagnose, warehouse: Warehouse, damage: str, finding: tuple[str, str]
) -> None:
    warehouse.do("bill.edit", bill_no="BILL-1", changes={"destination": "Agra"})
    warehouse.change(damage)

    assert finding in told(diagnose())


def test_scans_that_were_put_into_another_batch_show_on_both_sides(diagnose: Diagnose, warehouse: Warehouse) -> None:
    warehouse.change("UPDATE scan SET batch_id = uuidv7() WHERE code = 'CH1 2'")

    altered, unknown = diagnose()

    assert (altered.code, unknown.code) == ("audit_scans_altered", "audit_batch_unknown")
    assert "3 were written, 2 are there" in altered.detail
    assert "with 1 scans" in unknown.detail


def test_a_finding_counts_everything_and_names_the_first_five(diagnose: Diagnose, warehouse: Warehouse) -> None:
    warehouse.change("UPDATE bag SET parent_id = NULL WHERE code LIKE 'C00002%'")

    (found,) = diagnose()

    assert found.detail.startswith("30 children: C00002")
    assert found.detail.count(" says None, its history SB00002") == 5


def test_a_month_without_a_partition_shows(diagnose: Diagnose, warehouse: Warehouse) -> None:
    name = months_needed(utc_now())[-1]
    warehouse.change(f"DROP TABLE {name}")

    assert told(diagnose()) == [("partition_missing", name)]


def test_many_scans_in_no_months_partition_show(diagnose: Diagnose, warehouse: Warehouse, redis: Redis) -> None:
    gun = warehouse.device()
    ahead = str(uuid7(int(datetime(2099, 1, 1, tzinfo=UTC).timestamp() * 1000)))
    warehouse.apply([make_scan(Kind.PARENT, "SB00009", None, by=gun, scan_id=ahead)])
    mirror(warehouse.database, redis)

    assert told(diagnose()) == []
    assert told(diagnose(replace(PATIENT, default_partition_scans=0))) == [("default_partition_large", "scan_default")]


def test_the_documented_statements_cure_what_differs_from_its_history(diagnose: Diagnose, warehouse: Warehouse) -> None:
    warehouse.change("UPDATE bag SET children = 1, bill_id = NULL WHERE code = 'SB00002'")
    warehouse.change("UPDATE bill SET sacks = 0, status = 'new' WHERE bill_no = 'BILL-2'")
    assert len(diagnose()) == 4

    document = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
    statements = document.split("```sql\n")[1].split("```")[0]
    warehouse.change(statements.replace("SB12345", "SB00002").replace("BILL-2026-000001", "BILL-2"))

    assert diagnose() == []
