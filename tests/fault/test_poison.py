"""Scans that cannot be applied, and scans whose handling kills the worker."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil
from sqlalchemy import text

from tests.fault.case import Case
from tests.fault.sabotage import find_pool, kill
from tests.fault.waves import Wanted, plan_wave
from tests.support.waiting import PATIENCE_S, eventually
from tracetrack_common.db.session import Database

POISONED_WITHIN_S = 120.0
WAVE = 500
SMALL_WAVE = 100

_SLEEPERS = text("SELECT client_port FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
_IS_FAILED = text("SELECT count(*) FROM failed_work WHERE payload ->> 'body' LIKE '%' || CAST(:code AS text) || '%'")


@contextmanager
def poisoned(database: Database, code: str, effect: str) -> Iterator[None]:
    """Have Postgres do something when the scan of this code is written."""
    with database.transaction() as connection:
        connection.execute(
            text(f"CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {effect}; RETURN NEW; END $$")
        )
        connection.execute(
            text(
                "CREATE TRIGGER poison BEFORE INSERT ON scan FOR EACH ROW"
                f" WHEN (NEW.code = '{code}') EXECUTE FUNCTION poison()"
            )
        )
    try:
        yield
    finally:
        with database.transaction() as connection:
            connection.execute(text("DROP FUNCTION poison CASCADE"))


def plan_with_one_bad(case: Case, scans: int) -> tuple[Sequence[Sequence[Wanted]], str]:
    """Plan a wave and choose the code of one of its children."""
    wave = plan_wave(case.rng, scans=scans, devices=case.fleet.size)
    return wave, case.rng.choice([each.code for part in wave for each in part if each.kind == "child"])


def test_one_bad_scan_in_500(case: Case) -> None:
    """Promised: a scan that cannot be applied hurts no other. Broken by one in 500 that Postgres refuses."""
    for _ in case.runs(short=1, full=5):
        wave, bad = plan_with_one_bad(case, WAVE)
        with case.database() as database, poisoned(database, bad, "RAISE EXCEPTION 'this row cannot be written'"):
            case.fleet.record(wave)
            case.await_recovery()
    case.close_books(failed=Counter(not_applicable=case.figures.runs))


def test_scan_that_kills_its_worker(case: Case) -> None:
    """Promised: a scan that kills its worker is set aside within 60 s. Broken by SIGKILL of whoever handles it."""
    took_s = []
    for _ in case.runs(short=1, full=3):
        wave, bad = plan_with_one_bad(case, SMALL_WAVE)
        with case.database() as database, poisoned(database, bad, "PERFORM pg_sleep(60)"), killing(case, database):
            case.fleet.record(wave)
            case.fleet.await_accepted()
            began = time.monotonic()

            def is_failed(database: Database = database, bad: str = bad) -> bool:
                with database.snapshot() as connection:
                    return bool(connection.scalar(_IS_FAILED, {"code": bad}))

            eventually(is_failed, within_s=POISONED_WITHIN_S)
            took_s.append(time.monotonic() - began)
        case.await_recovery()
    case.figures.also["in failed work within s"] = round(max(took_s), 1)
    case.close_books(failed=Counter(worker_died=case.figures.runs))


@contextmanager
def killing(case: Case, database: Database) -> Iterator[None]:
    """Kill every pool process whose statement sleeps, for as long as the block runs."""
    stopping = threading.Event()

    def watch() -> None:
        while not stopping.wait(0.05):
            with database.snapshot() as connection:
                ports = set(connection.scalars(_SLEEPERS))
            for process in find_pool(case.system, "scan-worker") if ports else []:
                with suppress(psutil.Error):
                    if ports & {each.laddr.port for each in process.net_connections("tcp")}:
                        kill(process)

    killer = threading.Thread(target=watch, name="killer")
    killer.start()
    try:
        yield
    finally:
        stopping.set()
        killer.join(PATIENCE_S)
