"""Imports whose worker is killed in the middle."""

import itertools
from collections.abc import Callable
from typing import Any

import httpx
from sqlalchemy import text

from tests.fault.case import Case
from tests.fault.sabotage import at_some_moment, find_pool, find_process, kill
from tests.support.tables import BAG_HEADS, make_csv
from tests.support.waiting import eventually

ROWS = 6_000
_CHILDREN = 30
_ENDED_S = 180.0

_SCANS = text("SELECT count(*), count(DISTINCT code) FROM scan WHERE code LIKE :codes")
_LINKS = text(
    "SELECT count(*) FROM bag_link JOIN bag ON bag.bag_id = child_id WHERE code LIKE :codes AND valid_until IS NULL"
)
_sacks = itertools.count(50_000)


def test_kill_import_worker(case: Case) -> None:
    """Promised: an import goes on where it was, and does each row once. Broken by SIGKILL while rows are applied."""
    doubled = 0
    for run in case.runs(short=2, full=20):
        prefix = f"KILL{run:02d}"
        rows = [[f"{prefix}{number:05d}", "child", f"SB{next(_sacks)}"] for number in range(ROWS // _CHILDREN)]
        rows = [[f"{code}X{child:02d}", kind, sack] for code, kind, sack in rows for child in range(_CHILDREN)]
        with case.system.admin() as admin:
            place = _upload(admin, make_csv(BAG_HEADS, *rows))
            _wait_until(admin, place, lambda job: job["done"] > 0)
            at_some_moment(case.rng, within_s=0.5)
            victims = [find_process(case.system, "import-worker"), *find_pool(case.system, "import-worker")]
            kill(victims[run % 2])
            ended = _wait_until(admin, place, lambda job: job["state"] not in {"queued", "running"})
        assert (ended["state"], ended["result"]["ok"], ended["errors"]) == ("done", ROWS, 0)
        with case.database() as database, database.snapshot() as connection:
            scans, codes = connection.execute(_SCANS, {"codes": f"{prefix}%"}).one()
            links = connection.scalar(_LINKS, {"codes": f"{prefix}%"})
        assert codes == links == ROWS
        doubled += scans - ROWS
    case.figures.also |= {"rows": case.figures.runs * ROWS, "doubled": doubled}
    assert doubled == 0
    case.close_books()


def _upload(admin: httpx.Client, content: bytes) -> str:
    answer = admin.post("/api/v1/imports", params={"area": "lucknow"}, content=content)
    return str(answer.raise_for_status().headers["location"])


def _wait_until(admin: httpx.Client, place: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = admin.get(place).raise_for_status().json()
        return job if holds(job) else None

    return eventually(look, within_s=_ENDED_S)
