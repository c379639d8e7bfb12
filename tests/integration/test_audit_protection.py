"""Audit tampering (reliability.md, Security): the role of the services can only append; what others do shows."""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.exc import ProgrammingError

from tests.support.health import overrule
from tests.support.scans import filled
from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tests.support.warehouse import Warehouse
from tracetrack_common.audit_export import export_lines
from tracetrack_common.db.partitions import ensure_partitions
from tracetrack_common.db.session import Database
from tracetrack_common.doctor.examination import examine
from tracetrack_common.migrate import migrate
from tracetrack_common.settings import Settings
from tracetrack_local.postgres import APP_ROLE, OWNER_ROLE

_RECIPE = re.compile(r"```python\n(.*?)```", re.DOTALL)
_TEMPLATE = "guarded"
_numbers = itertools.count(1)
_PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture(scope="module")
def template(servers: EmbeddedServers) -> str:
    """Migrate a database as the launcher does: by an owner who gives the services' role its rights, at every start."""
    servers.create_database(_TEMPLATE, owner=OWNER_ROLE)
    owner = make_settings(servers.postgres_server.owner_url(_TEMPLATE), servers.redis_url())
    with closing(Database(owner, application_name="tests-owner")) as database:
        for _ in range(2):
            migrate(database, services_role=APP_ROLE)
    return _TEMPLATE


@pytest.fixture
def settings(servers: EmbeddedServers, template: str) -> Iterator[Settings]:
    """Give settings of a copy of it, for the services' role."""
    name = f"guarded_{next(_numbers)}"
    servers.create_database(name, template=template, owner=OWNER_ROLE)
    yield make_settings(servers.database_url(name), servers.redis_url())
    servers.drop_database(name)


@pytest.fixture
def guarded(warehouse: Warehouse) -> Warehouse:
    """Give a warehouse in which something was done, by the services' role."""
    warehouse.bill("BILL-1", capacity=2)
    warehouse.apply(filled("SB00001", 3))
    return warehouse


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE audit_log SET actor = 'user:9'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "ALTER TABLE audit_log ADD COLUMN mine text",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "ALTER TABLE audit_log OWNER TO tracetrack",
        "DROP TABLE audit_log",
        "CREATE RULE mine AS ON INSERT TO audit_log DO INSTEAD NOTHING",
        "CREATE TRIGGER mine BEFORE INSERT ON audit_log EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "INSERT INTO audit_log SELECT * FROM audit_log ON CONFLICT (chain, seq) DO UPDATE SET actor = 'user:9'",
        "MERGE INTO audit_log USING audit_chain USING_ ON true WHEN MATCHED THEN DELETE",
        "DELETE FROM audit_chain",
        "INSERT INTO audit_chain VALUES (9, 0, '')",
        "UPDATE scan SET code = 'CH9'",
        "DELETE FROM scan",
        "TRUNCATE scan",
        "ALTER TABLE scan DETACH PARTITION scan_default",
        "DROP TABLE scan_default",
        "DELETE FROM scan_default",
        "UPDATE alembic_version SET version_num = '0001'",
        "SET session_replication_role = replica",
        "SET ROLE tracetrack_owner",
        "CREATE OR REPLACE FUNCTION make_scan_partition(month date) RETURNS text LANGUAGE sql AS ''",
        "GRANT DELETE ON audit_log TO tracetrack",
        "CREATE TABLE mine ()",
    ],
)
def test_the_services_role_cannot_take_back_what_was_recorded(guarded: Warehouse, attack: str) -> None:
    before = guarded.everything()

    try:
        guarded.change(attack)
    except ProgrammingError as error:
        assert isinstance(error.orig, psycopg2.errors.InsufficientPrivilege)  # noqa: PT017 - a warning is no error
    else:
        assert attack.startswith("GRANT")  # PostgreSQL warns that nothing was granted

    assert guarded.everything() == before
    assert guarded.value("SELECT has_table_privilege('audit_log', 'DELETE')") is False


def test_the_services_role_can_do_all_that_services_do(guarded: Warehouse, settings: Settings) -> None:
    with guarded.database.transaction() as connection:
        made = ensure_partitions(connection, datetime.now(UTC) + timedelta(days=400))

    assert len(made) == 5
    assert guarded.value("SELECT count(*) FROM scan") == 3
    assert examine(settings, only=("schema", "partitions", "audit", "protection")).findings == []


def test_the_doctor_says_where_the_services_role_could_change_what_was_recorded(
    servers: EmbeddedServers, settings: Settings
) -> None:
    overrule(servers, settings, "GRANT DELETE ON scan TO tracetrack; ALTER TABLE audit_log OWNER TO tracetrack")

    found = examine(settings, only=("protection",)).findings

    assert [(finding.code, finding.subject) for finding in found] == [
        ("audit_not_protected", "audit_log"),
        ("audit_not_protected", "scan"),
    ]


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        ("UPDATE audit_log SET actor = 'user:9' WHERE action = 'bill.create'", "audit_chain_broken"),
        ("DELETE FROM audit_log WHERE action = 'bill.create'", "audit_chain_broken"),
        ("TRUNCATE audit_log", "audit_chain_broken"),
        ("UPDATE scan SET code = 'CH9' WHERE code <> 'SB00001'", "audit_scans_altered"),
    ],
)
def test_what_a_superuser_changes_shows(
    servers: EmbeddedServers, settings: Settings, guarded: Warehouse, attack: str, code: str
) -> None:
    assert guarded.value("SELECT count(*) FROM audit_log") > 0
    assert examine(settings, only=("audit",)).findings == []

    overrule(servers, settings, attack)

    assert code in {finding.code for finding in examine(settings, only=("audit",)).findings}


def export(database: Database, since: datetime | None = None, until: datetime | None = None) -> list[bytes]:
    with database.snapshot() as connection:
        return list(export_lines(connection, since=since, until=until))


def verify(lines: list[bytes]) -> "subprocess.CompletedProcess[bytes]":
    """Verify an export as the documentation tells a third party to, in a Python that has nothing else."""
    (recipe,) = _RECIPE.findall(_PAGE.read_text(encoding="utf-8"))
    return subprocess.run(  # noqa: S603 - the documentation's own words
        [sys.executable, "-I", "-S", "-c", recipe], input=b"".join(lines), capture_output=True, check=False, timeout=60
    )


def test_anybody_can_verify_an_export_by_the_documented_recipe(guarded: Warehouse, database: Database) -> None:
    for number in range(20):
        guarded.bill(f"BÜLL\t“{number}”", capacity=3)
    lines = export(database)

    done = verify(lines)

    assert len(lines) == guarded.value("SELECT count(*) FROM audit_log") == 22
    assert (done.returncode, done.stdout) == (0, b"22 rows hold\n"), done.stderr


@pytest.mark.parametrize("tamper", ["change", "remove"])
def test_an_export_that_was_tampered_with_fails_the_recipe(guarded: Warehouse, database: Database, tamper: str) -> None:
    for number in range(40):
        guarded.bill(f"BILL-2-{number}", capacity=3)
    lines = export(database)
    middle = json.loads(lines[5])
    kept = [json.dumps(middle | {"actor": "user:9"}).encode() + b"\n"] if tamper == "change" else []

    done = verify([*lines[:5], *kept, *lines[6:]])

    assert done.returncode != 0
    assert f"chain {middle['chain']}".encode() in done.stderr


def test_an_export_of_a_time_is_a_part_without_gaps(guarded: Warehouse, database: Database) -> None:
    times = sorted(row["at"] for row in guarded.rows("SELECT at FROM audit_log"))

    assert export(database, since=times[-1] + timedelta(seconds=1)) == []
    assert export(database, until=times[0]) == []
    part = export(database, since=times[0], until=times[-1] + timedelta(seconds=1))
    assert part == export(database)
    assert verify(part).returncode == 0
