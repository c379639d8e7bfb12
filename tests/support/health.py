"""A system with something of everything in it, in which the doctor finds nothing."""

from collections.abc import Callable, Collection
from contextlib import closing

import psycopg2
from redis import Redis

from tests.support.scans import child, come_back, filled, load, sack
from tests.support.servers import EmbeddedServers
from tests.support.warehouse import Warehouse
from tracetrack_common.credentials import mirror_all
from tracetrack_common.db.session import Database
from tracetrack_common.doctor.examination import CHECKS
from tracetrack_common.doctor.finding import Finding
from tracetrack_common.doctor.system import Limits
from tracetrack_common.settings import Settings

PATIENT = Limits(settle_s=0.0)
"""Nothing else is at work in a test, so that nothing needs to settle."""
Diagnose = Callable[..., list[Finding]]
"""Examines the test's own system."""
ALL_BUT_WORKERS = tuple(check.name for check in CHECKS if check.name not in {"workers", "protection"})
"""No workers run, and a test's database belongs to the role that uses it."""


def fill_with_everything(warehouse: Warehouse) -> None:
    """Have sacks, children, bills, a return, refusals, a device and an admin; and some of it undone and deleted."""
    gun = warehouse.device()
    warehouse.person("admin")
    for bill_no in ("BILL-1", "BILL-2"):
        warehouse.bill(bill_no, capacity=2)
    return_no = warehouse.goods_return()
    for scans in (
        filled("SB00001", 3),
        filled("SB00002", 30),
        [sack("SB00003"), sack("SB00003"), child("CH1 2", "SB00003")],
        [load("SB00001", "BILL-1"), load("SB00002", "BILL-2"), load("SB00003", "BILL-2")],
        [come_back("SB00003", return_no), load("SB00003", "BILL-1"), sack("SB00004")],
    ):
        warehouse.apply([scan._replace(device_id=gun.device_id) for scan in scans])
    warehouse.complete("BILL-2")
    for name, arguments in (
        ("bag.undo", {"code": "SB00001", "child": "C00001003"}),
        ("bag.delete", {"code": "C00001003"}),
        ("bag.relink", {"code": "C00001001", "parent_code": "SB00003"}),
        ("bag.delete", {"code": "SB00004"}),
    ):
        warehouse.execute(warehouse.command(name, arguments, by=warehouse.biller))
    warehouse.apply([sack("SB00004")._replace(device_id=gun.device_id)])


def mirror(database: Database, redis: Redis) -> None:
    """Make the mirror of the credentials as the workers do."""
    with database.snapshot() as connection:
        mirror_all(redis, connection)


def overrule(servers: EmbeddedServers, settings: Settings, statement: str) -> None:
    """Do as PostgreSQL's superuser what no rule of the schema allows."""
    name = settings.database_url.get_secret_value().rpartition("/")[2]
    with closing(psycopg2.connect(servers.superuser_url(name))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("SET allow_system_table_mods = on")
            cursor.execute(statement)


def told(findings: Collection[Finding]) -> list[tuple[str, str]]:
    """Give what was found and on what."""
    return [(finding.code, finding.subject) for finding in findings]
