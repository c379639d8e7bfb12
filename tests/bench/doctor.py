"""What the doctor takes on a large database, and what it costs those who scan meanwhile.

`python -m tests.bench.doctor`. The scans go through the worker's own code, so that every count, effect, total
and audit row is real.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice

import structlog
from sqlalchemy import text

from tests.support.scans import Maker, child, load
from tests.support.servers import EmbeddedServers
from tests.support.settings import make_settings
from tests.support.warehouse import Warehouse
from tracetrack_common.credentials import mirror_all
from tracetrack_common.db.session import Database
from tracetrack_common.doctor.examination import CHECKS
from tracetrack_common.domain.scans import Scan
from tracetrack_common.migrate import migrate
from tracetrack_common.redis_client import connect_worker
from tracetrack_common.settings import PREFIX, Settings

CHILDREN_PER_SACK = 30
SACKS_PER_BILL = 20
SCANS_PER_BATCH = 200
PROBES = 40
_MEGABYTE_IN_KILOBYTES = 1024


def main() -> None:
    """Fill a database, run the doctor on it, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=1_000_000)
    wanted = parser.parse_args().scans
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with EmbeddedServers(durable=True) as servers:
        settings = make_settings(servers.create_database("doctor"), servers.redis_url())
        database = Database(settings, application_name="bench-doctor")
        migrate(database)
        warehouse = Warehouse(database)
        began = time.monotonic()
        scans = _fill(warehouse, wanted)
        _say(f"{wanted:,} scans applied in {time.monotonic() - began:.0f} s")
        with database.snapshot() as connection:
            mirror_all(connect_worker(settings), connection)
        with database.transaction() as connection:
            connection.execute(text("ANALYZE"))
        quiet = _probe(warehouse, scans, PROBES)
        doctor = _start_doctor(settings)
        meanwhile: list[float] = []
        while doctor.poll() is None:
            meanwhile += _probe(warehouse, scans, 1)
        _say((doctor.stdout.read() if doctor.stdout else b"").decode())
        peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // _MEGABYTE_IN_KILOBYTES
        _say(f"exit code {doctor.returncode}; the doctor had at most {peak_mb} MB")
        for name, times in (("without the doctor", quiet), ("beside it", meanwhile)):
            _say(f"a batch of {SCANS_PER_BATCH} scans {name}: median {statistics.median(times):.1f} ms of {len(times)}")
        database.close()


def _fill(warehouse: Warehouse, wanted: int) -> Iterator[list[Scan]]:
    """Apply so many scans; give the batches that come after them."""
    gun = warehouse.device()
    warehouse.person("admin")
    batches = _batches(warehouse, gun)
    for batch in islice(batches, wanted // SCANS_PER_BATCH):
        warehouse.apply(batch)
    return batches


def _batches(warehouse: Warehouse, gun: Maker) -> Iterator[list[Scan]]:
    """Give the scans of sacks that are filled and put on bills, a batch at a time."""
    batch: list[Scan] = []
    sack = 0
    while True:
        code, bill_no = f"SB{sack:05d}", f"BENCH-{sack // SACKS_PER_BILL:05d}"
        if sack % SACKS_PER_BILL == 0:
            warehouse.bill(bill_no, capacity=SACKS_PER_BILL)
        batch += [child(f"C{sack:05d}{number:02d}", code, by=gun) for number in range(CHILDREN_PER_SACK)]
        batch.append(load(code, bill_no, by=gun))
        sack += 1
        while len(batch) >= SCANS_PER_BATCH:
            yield batch[:SCANS_PER_BATCH]
            batch = batch[SCANS_PER_BATCH:]


def _probe(warehouse: Warehouse, batches: Iterator[list[Scan]], count: int) -> Sequence[float]:
    """Apply so many batches; give the milliseconds that each took."""
    times = []
    for batch in islice(batches, count):
        began = time.monotonic()
        warehouse.apply(batch)
        times.append((time.monotonic() - began) * 1000)
    return times


def _start_doctor(settings: Settings) -> "subprocess.Popen[bytes]":
    checks = [word for check in CHECKS if check.name != "workers" for word in ("--only", check.name)]
    environment = {
        **os.environ,
        f"{PREFIX}DATABASE_URL": settings.database_url.get_secret_value(),
        f"{PREFIX}REDIS_URL": settings.redis_url.get_secret_value(),
    }
    command = [sys.executable, "-m", "tracetrack_common.doctor", *checks]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)  # noqa: S603 - the project's own command


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
