"""An import that breaks off goes on where it was; one that meets trouble goes on all the same."""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from tests.support.tables import BAG_HEADS, make_csv, write
from tests.support.warehouse import Warehouse
from tracetrack_common import uploads
from tracetrack_common.commands import CommandExecutor
from tracetrack_common.db.session import StateChangedError
from tracetrack_common.ids import uuid7, uuid7_of
from tracetrack_common.job_runner import JobRunner
from tracetrack_common.jobs import insert_job
from tracetrack_common.settings import Settings
from tracetrack_scan_worker.apply import Applier
from tracetrack_scan_worker.imports import run
from tracetrack_scan_worker.imports.applying import StepApplier
from tracetrack_scan_worker.imports.run import Importer
from tracetrack_scan_worker.imports.steps import Said, Step
from tracetrack_scan_worker.imports.wanted import Wanted

_ROWS = 95


class Killed(BaseException):
    """Stands for the end of a worker: nothing catches it."""


class Trouble(StepApplier):
    """Applies rows as ever, but for what a test does before each batch's commit."""

    def __init__(self, warehouse: Warehouse, meet: Callable[[Sequence[Step]], None]) -> None:
        super().__init__(Applier(warehouse.database), CommandExecutor(warehouse.database, queue="imports"))
        self._meet = meet

    def take(self, connection: Connection, wanted: Wanted, steps: Sequence[Step]) -> list[Said]:
        answers = super().take(connection, wanted, steps)
        self._meet(steps)
        return answers


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "STEPS_PER_BATCH", 10)
    monkeypatch.setattr(run, "REST_SHARE", 0.0)


def _start(warehouse: Warehouse, settings: Settings, prefix: str = "CH") -> str:
    rows = [[f"{prefix}{number:06d}", "child", f"SB{40_000 + number // 30}"] for number in range(_ROWS)]
    folder = uploads.folder_of(settings.files)
    folder.mkdir(exist_ok=True)
    write(folder / prefix, make_csv(BAG_HEADS, *rows))
    job_id = str(uuid7())
    arguments = {"area": "lucknow", "dry_run": False, "name": None, "sha256": prefix, "size": 1}
    with warehouse.database.transaction() as connection:
        insert_job(
            connection, job_id=job_id, queue="imports", kind="bags", arguments=arguments, actor=warehouse.biller.actor
        )
    return job_id


def _run(warehouse: Warehouse, settings: Settings, meet: Callable[[Sequence[Step]], None] = lambda _: None) -> None:
    importer = Importer(warehouse.database, Applier(warehouse.database), Trouble(warehouse, meet))
    JobRunner(warehouse.database, settings, queue="imports", works={"bags": importer}).run_next()


def _job(warehouse: Warehouse, job_id: str) -> dict[str, Any]:
    return warehouse.row("SELECT state, done, errors, attempts, result FROM job WHERE job_id = :id", id=job_id)


def _abandon(warehouse: Warehouse, job_id: str) -> None:
    """Have a job's lease run out, as it does when its worker is gone."""
    warehouse.change("UPDATE job SET leased_until = now() - interval '1 minute' WHERE job_id = :id", id=job_id)


def test_an_import_that_was_killed_goes_on_where_it_was(warehouse: Warehouse, settings: Settings) -> None:
    """In whichever batch, and as often as it is: every row is done once, and answered as if nothing had been."""
    job_id = _start(warehouse, settings)
    seen: list[int] = []

    def die_at(row: int) -> Callable[[Sequence[Step]], None]:
        def meet(steps: Sequence[Step]) -> None:
            seen.append(steps[0].number)
            if steps[0].number >= row:
                raise Killed

        return meet

    for row in (32, 72):
        with pytest.raises(Killed):
            _run(warehouse, settings, die_at(row))
        _abandon(warehouse, job_id)
    assert seen == [2, 12, 22, 32, 32, 42, 52, 62, 72]
    _run(warehouse, settings)

    job = _job(warehouse, job_id)
    assert (job["state"], job["done"], job["errors"], job["attempts"]) == ("done", _ROWS, 0, 3)
    assert job["result"]["ok"] == _ROWS
    assert warehouse.value("SELECT count(*) FROM scan") == _ROWS == warehouse.value("SELECT count(*) FROM bag_link")
    assert not list(settings.files.glob("*3.journal"))


def test_an_import_whose_answers_are_lost_begins_anew_and_does_nothing_twice(
    warehouse: Warehouse, settings: Settings
) -> None:
    """As when the folder of files was restored from an older copy: the first answers are given again."""
    job_id = _start(warehouse, settings)

    def die(steps: Sequence[Step]) -> None:
        if steps[0].number > 50:
            raise Killed

    with pytest.raises(Killed):
        _run(warehouse, settings, die)
    _abandon(warehouse, job_id)
    for journal in settings.files.glob("*.journal"):
        journal.unlink()
    _run(warehouse, settings)

    job = _job(warehouse, job_id)
    assert (job["state"], job["done"], job["result"]["ok"]) == ("done", _ROWS, _ROWS)
    assert warehouse.value("SELECT count(*) FROM scan") == _ROWS


def test_a_worker_that_has_lost_an_import_changes_nothing_more(warehouse: Warehouse, settings: Settings) -> None:
    """One that was frozen comes back to find that another did the rest."""
    job_id = _start(warehouse, settings)
    overtaken: list[int] = []

    def be_overtaken(steps: Sequence[Step]) -> None:
        if steps[0].number > 50 and not overtaken:
            overtaken.append(steps[0].number)
            raise StateChangedError("another was faster")

    def freeze(steps: Sequence[Step]) -> None:
        if steps[0].number == 32:
            _abandon(warehouse, job_id)
            warehouse.change("UPDATE job SET attempts = attempts + 1 WHERE job_id = :id", id=job_id)

    _run(warehouse, settings, freeze)
    assert _job(warehouse, job_id)["state"] == "running"
    assert warehouse.value("SELECT count(*) FROM scan") == 30
    _run(warehouse, settings, be_overtaken)

    assert overtaken
    assert (_job(warehouse, job_id)["state"], warehouse.value("SELECT count(*) FROM scan")) == ("done", _ROWS)


def test_a_row_that_cannot_be_applied_spoils_no_other(warehouse: Warehouse, settings: Settings) -> None:
    """Whatever it fails with: it is looked for by halves, and said to."""
    job_id = _start(warehouse, settings)

    def refuse(steps: Sequence[Step]) -> None:
        if any(step.number == 47 and not isinstance(step, Said) for step in steps):
            raise ValueError("this one")

    _run(warehouse, settings, refuse)

    job = _job(warehouse, job_id)
    assert (job["state"], job["done"], job["errors"]) == ("done", _ROWS, 1)
    assert warehouse.value("SELECT count(*) FROM scan") == _ROWS - 1
    with closing((settings.files / f"{job_id}-1").open("rb")) as file:
        assert file.read(2) == b"PK"


@given(
    time_ms=st.integers(0, 2**48 - 1),
    places=st.lists(st.integers(1, 2**24 - 1), unique=True, min_size=2, max_size=20),
    name=st.text(max_size=40),
)
@hypothesis_settings(max_examples=200)
def test_identities_are_the_same_again_and_sort_as_the_rows(time_ms: int, places: list[int], name: str) -> None:
    """They are UUIDv7 of the list's own time."""
    ids = [uuid7_of(time_ms, place, name) for place in sorted(places)]

    assert ids == sorted(ids) == [uuid7_of(time_ms, place, name) for place in sorted(places)]
    assert {(each.version, each.int >> 80) for each in ids} == {(7, time_ms)}
