"""After a replay the doctor finds nothing: effects, totals, audit, delivery and ledgers are those of any scan."""

from redis import Redis

from tests.support.faults import refusing
from tests.support.health import Diagnose, mirror, told
from tests.support.ledgers import accept_command, accept_scans, open_ledger
from tests.support.scans import filled, load, sack
from tests.support.warehouse import Warehouse
from tracetrack_common import failed_work
from tracetrack_common.db.session import Database
from tracetrack_common.drain import Drainer
from tracetrack_common.settings import Settings
from tracetrack_scan_worker.tasks import ScanWorkerProcess


def test_scans_and_commands_that_were_replayed_leave_nothing_to_find(
    diagnose: Diagnose, settings: Settings, database: Database, redis: Redis
) -> None:
    warehouse, process = Warehouse(database), ScanWorkerProcess(settings, name="tests-worker")
    device_id, biller, person = warehouse.value("SELECT device_id FROM device"), warehouse.biller, warehouse.person()
    mirror(database, redis)
    arguments = {"bill_no": "BILL-3", "area": "lucknow", "capacity": 2, "destination": "x", "vehicle": None}
    with refusing(warehouse, "bag", "NEW.code LIKE '%777%'"):
        scans = [sack("SB00777"), *filled("SB00778", 3), load("SB00001", "BILL-1")]
        accept_scans(redis, [scan._replace(device_id=device_id) for scan in scans])
        drain(process, redis, "scans")
    with refusing(warehouse, "bill", "true"):
        accept_command(redis, warehouse.command("bill.create", arguments | {"description": None}, by=biller))
        drain(process, redis, "commands")
    assert told(diagnose()) == [
        ("failed_work_open", "commands: not_executable"),
        ("failed_work_open", "scans: not_applicable"),
    ]

    for row in warehouse.rows("SELECT CAST(failed_id AS text) AS failed_id FROM failed_work"):
        accept_command(redis, warehouse.command(failed_work.REPLAY, row, by=person))
    drain(process, redis, "commands")

    assert warehouse.rows("SELECT DISTINCT state FROM failed_work") == [{"state": "replayed"}]
    assert told(diagnose()) == []
    process.database.close()
    process.redis.close()


def drain(process: ScanWorkerProcess, redis: Redis, queue: str) -> None:
    handle = process.handle_scans if queue == "scans" else process.handle_commands
    Drainer(open_ledger(redis, queue=queue), handle, summon=lambda: None, lease_s=5.0).drain()
