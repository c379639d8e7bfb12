"""A system with something of everything in it, in which the doctor finds nothing."""

from collections.abc import Collection

from redis import Redis

from tests.support.scans import child, come_back, filled, load, sack
from tests.support.warehouse import Device, Warehouse
from tracetrack_common.credentials import mirror_all
from tracetrack_common.doctor.examination import CHECKS, examine
from tracetrack_common.doctor.finding import Finding
from tracetrack_common.doctor.system import Limits
from tracetrack_common.settings import Settings

PATIENT = Limits(settle_s=0.0)
"""Nothing else is at work in a test, so that nothing needs to settle."""
WITHOUT_PROCESSES = tuple(check.name for check in CHECKS if check.name != "workers")


def fill_with_everything(warehouse: Warehouse, redis: Redis) -> Device:
    """Have sacks, children, a bill under way, a completed one, a return and refusals; give the device that scanned."""
    gun = warehouse.device()
    warehouse.person("admin")
    for bill_no in ("BILL-1", "BILL-2"):
        warehouse.bill(bill_no, capacity=2)
    return_no = warehouse.goods_return()
    for scans in (
        filled("SB00001", 3),
        filled("SB00002", 30),
        [sack("SB00003", by=gun), sack("SB00003", by=gun), child("CH1 2", "SB00003", by=gun)],
        [load("SB00001", "BILL-1"), load("SB00002", "BILL-2"), load("SB00003", "BILL-2")],
        [come_back("SB00003", return_no), load("SB00003", "BILL-1")],
    ):
        warehouse.apply([scan._replace(device_id=gun.device_id) for scan in scans])
    warehouse.complete("BILL-2")
    with warehouse.database.snapshot() as connection:
        mirror_all(redis, connection)
    return gun


def diagnose(settings: Settings, *, only: Collection[str] = WITHOUT_PROCESSES, limits: Limits = PATIENT) -> list[Finding]:
    """Give what the doctor finds."""
    return examine(settings, only=only, limits=limits).findings


def codes_of(findings: Collection[Finding]) -> list[tuple[str, str]]:
    """Give what was found and on what."""
    return [(finding.code, finding.subject) for finding in findings]
