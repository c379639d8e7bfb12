"""Background jobs: how far they are shows, they can be stopped, and a killed worker costs time and nothing else."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.support.gateway import Api, GatewayThread, problem_of
from tests.support.reports import ReportWorkerThread, look, order, wait_until
from tests.support.together import at_once
from tests.support.waiting import eventually
from tests.support.warehouse import Warehouse
from tracetrack_common.db.session import Database
from tracetrack_common.ids import uuid7
from tracetrack_common.job_files import remove_old
from tracetrack_common.job_runner import MOST_ATTEMPTS, JobLostError, JobRunner, Made, RunningJob
from tracetrack_common.jobs import insert_job
from tracetrack_common.settings import Settings
from tracetrack_local import services
from tracetrack_local.process import Child

_EXPORT = {"kind": "export", "format": "csv", "list": "bags"}


@dataclass
class SlowWork:
    """Work that goes on when the test says so: ten rows at a time."""

    begun: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    attempts: list[int] = field(default_factory=list)

    def __call__(self, job: RunningJob) -> Made:
        self.attempts.append(job.attempt)
        job.total = 20
        job.advance(10, errors=1)
        self.begun.set()
        while not self.goes_on.wait(0.05):
            job.check()
        job.advance(10)
        with job.file() as path:
            path.write_text(f"made by {job.attempt}")
        return Made("made.txt", {"rows": 20})


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"files_dir": tmp_path / "files", "job_lease_s": 3.0, "reply_timeout_s": 20.0})


@pytest.fixture
def api(settings: Settings, warehouse: Warehouse) -> Iterator[Api]:
    with GatewayThread(settings) as gateway:
        yield Api(gateway, warehouse, settings)


@pytest.fixture
def work() -> Iterator[SlowWork]:
    slow = SlowWork()
    yield slow
    slow.goes_on.set()


def start(settings: Settings, database: Database, work: SlowWork) -> threading.Thread:
    """Run the next job on a thread."""
    thread = threading.Thread(target=JobRunner(database, settings, queue="reports", works={"slow": work}).run_next)
    thread.start()
    return thread


def put(warehouse: Warehouse, actor: str) -> str:
    """Put a slow job in the queue, and give its address."""
    job_id = uuid7()
    with warehouse.database.transaction() as connection:
        insert_job(connection, job_id=job_id, queue="reports", kind="slow", arguments={}, actor=actor)
    return f"/api/v1/reports/{job_id}"


def lapse(warehouse: Warehouse) -> None:
    """Let the lease of every running job run out, as it does when its worker is stopped."""
    warehouse.change("UPDATE job SET leased_until = now() - interval '1 second' WHERE state = 'running'")


def test_how_far_a_job_is_shows_while_it_runs(api: Api, settings: Settings, database: Database, work: SlowWork) -> None:
    person = api.warehouse.person()
    with api.gateway.client(person.token) as owner:
        place = put(api.warehouse, person.actor)
        thread = start(settings, database, work)
        job = wait_until(owner, place, lambda each: each["done"] == 10)

        assert (job["state"], job["total"], job["errors"], job["attempts"]) == ("running", 20, 1, 1)
        assert 0 < job["rows_per_s"] < 1000
        assert job["left_s"] == pytest.approx(10 / job["rows_per_s"], rel=0.1)
        assert problem_of(owner.get(f"{place}/file"), 409)

        work.goes_on.set()
        thread.join()
        assert (look(owner, place)["state"], look(owner, place)["done"]) == ("done", 20)
        assert owner.get(f"{place}/file").text == "made by 1"


def test_a_running_job_stops_when_it_is_told_to(
    api: Api, settings: Settings, database: Database, work: SlowWork
) -> None:
    person = api.warehouse.person()
    with api.gateway.client(person.token) as owner, ReportWorkerThread(settings):
        place = put(api.warehouse, person.actor)
        thread = start(settings, database, work)
        work.begun.wait(10)
        answer = owner.post(f"{place}/cancel")

        assert (answer.status_code, answer.headers["location"]) == (202, place)
        thread.join(10)
        job = look(owner, place)
        assert (job["state"], job["cancel_requested"], job["file"]) == ("cancelled", True, None)
        assert list(settings.files.iterdir()) == [] if settings.files.exists() else True
        problem_of(owner.post(f"{place}/cancel"), 409)
        problem_of(owner.get(f"{place}/file"), 404)


def test_a_statement_under_way_is_stopped_too(api: Api, settings: Settings) -> None:
    with api.person("admin") as admin, ReportWorkerThread(settings), api.warehouse.database.transaction() as blocker:
        blocker.execute(text("LOCK TABLE bag IN ACCESS EXCLUSIVE MODE"))
        place = order(admin, **_EXPORT)
        wait_until(admin, place, lambda job: job["state"] == "running")
        admin.post(f"{place}/cancel")
        wait_until(admin, place, lambda job: job["state"] == "cancelled")


def test_a_job_that_has_not_begun_is_cancelled_at_once(
    api: Api, settings: Settings, database: Database, work: SlowWork
) -> None:
    put(api.warehouse, "user:1")
    thread = start(settings, database, work)  # as many run as may, so the next one waits
    work.begun.wait(10)
    person = api.warehouse.person()
    with api.gateway.client(person.token) as owner, ReportWorkerThread(settings):
        place = put(api.warehouse, person.actor)
        owner.post(f"{place}/cancel")
        assert look(owner, place)["state"] == "cancelled"
        work.goes_on.set()
        thread.join()
    assert work.attempts == [1]


def test_a_job_is_begun_anew_when_its_worker_was_lost_and_only_the_new_one_counts(
    api: Api, settings: Settings, database: Database, work: SlowWork
) -> None:
    person = api.warehouse.person()
    with api.gateway.client(person.token) as owner:
        place = put(api.warehouse, person.actor)
        frozen = threading.Event()
        entered = threading.Event()

        def freeze(job: RunningJob) -> Made:
            entered.set()
            frozen.wait(20)
            job.done = 99
            with job.file() as path:
                path.write_text("made by the one that was frozen")
            return Made("made.txt")

        runner = JobRunner(database, settings, queue="reports", works={"slow": freeze})
        first = threading.Thread(target=runner.run_next)
        first.start()
        entered.wait(10)
        with database.transaction() as connection:
            # As for a worker that is stopped: its lease runs out, and its next beat finds another's.
            connection.execute(text("UPDATE job SET leased_until = now() - interval '1 second'"))
            second = start(settings, database, work)
        work.goes_on.set()
        second.join()
        frozen.set()
        first.join()

        assert look(owner, place)["done"] == 20
        assert look(owner, place)["attempts"] == 2
        assert owner.get(f"{place}/file").text == "made by 2"
        assert len(list(settings.files.iterdir())) == 1


def test_two_workers_make_one_result(api: Api, settings: Settings, database: Database, work: SlowWork) -> None:
    work.goes_on.set()
    for _ in range(5):
        put(api.warehouse, "user:1")
    runner = JobRunner(database, settings.model_copy(update={"jobs_at_once": 4}), queue="reports", works={"slow": work})
    ran = at_once([runner.run_next] * 12)

    assert sum(map(bool, ran)) >= 4  # those that found four running leave the fifth
    while runner.run_next():
        pass
    assert work.attempts == [1] * 5
    assert len(list(settings.files.iterdir())) == 5


def test_no_more_jobs_run_at_once_than_may(api: Api, settings: Settings, database: Database, work: SlowWork) -> None:
    for _ in range(2):
        put(api.warehouse, "user:1")
    thread = start(settings, database, work)
    work.begun.wait(10)

    assert not JobRunner(database, settings, queue="reports", works={"slow": work}).run_next()
    work.goes_on.set()
    thread.join()
    assert JobRunner(database, settings, queue="reports", works={"slow": work}).run_next()


def test_a_job_that_kills_its_workers_has_failed_in_the_end(api: Api, settings: Settings, database: Database) -> None:
    def die(job: RunningJob) -> Made:
        raise JobLostError(str(job.job_id))  # as for a worker that is gone: nothing is written

    person = api.warehouse.person()
    place = put(api.warehouse, person.actor)
    runner = JobRunner(database, settings, queue="reports", works={"slow": die})
    for _ in range(MOST_ATTEMPTS + 1):
        assert runner.run_next()
        lapse(api.warehouse)

    assert not runner.run_next()
    with api.gateway.client(person.token) as owner:
        job = look(owner, place)
        assert (job["state"], job["attempts"]) == ("failed", MOST_ATTEMPTS + 1)
        assert "workers died" in job["detail"]


def test_what_a_checkpoint_covers_is_not_done_again_and_only_the_holder_may_write_one(
    api: Api, settings: Settings, database: Database
) -> None:
    put(api.warehouse, "user:1")
    seen: list[tuple[object, int]] = []

    def half(job: RunningJob) -> Made:
        seen.append((job.checkpoint, job.done))
        if job.checkpoint is not None:
            return Made()
        job.advance(10)
        with database.transaction() as connection:
            job.keep(connection, {"row": 10})
        lapse(api.warehouse)
        assert JobRunner(database, settings, queue="reports", works={"slow": half}).run_next()
        with pytest.raises(JobLostError), database.transaction() as connection:
            job.keep(connection, {"row": 20})
        raise JobLostError

    assert JobRunner(database, settings, queue="reports", works={"slow": half}).run_next()

    assert seen == [(None, 0), ({"row": 10}, 10)]
    assert api.warehouse.value("SELECT state FROM job") == "done"


def test_files_go_after_their_time(settings: Settings) -> None:
    settings.files.mkdir(parents=True)
    (settings.files / "old").write_text("x")
    assert remove_old(settings.files, keep_s=3600) == 0
    assert remove_old(settings.files, keep_s=-1) == 1
    assert list(settings.files.iterdir()) == []


def test_a_report_whose_worker_is_killed_in_the_middle_comes_out_right(
    api: Api, settings: Settings, tmp_path: Path
) -> None:
    """A real worker, killed with all its processes while its export waits for a table; another makes it, whole."""
    with api.person("admin") as admin, closing(Database(settings, application_name="tests-lock")) as database:
        specs = services.worker_specs(settings.model_copy(update={"state_dir": tmp_path}))
        spec = next(each for each in specs if each.name == "report-worker")
        env = {**spec.env, "TRACETRACK_FILES_DIR": str(settings.files), "TRACETRACK_JOB_LEASE_S": "3"}
        spec = replace(spec, env={**env, "TRACETRACK_DB_LOCK_TIMEOUT_MS": "60000"})
        first, second = Child(spec, tmp_path), Child(spec, tmp_path)
        try:
            with database.transaction() as blocker:
                blocker.execute(text("LOCK TABLE bag IN ACCESS EXCLUSIVE MODE"))
                first.start()
                place = order(admin, **_EXPORT)
                wait_until(admin, place, lambda job: job["state"] == "running")
                first.kill_group()
            second.start()
            eventually(lambda: "ready" in second.output(), within_s=60)
            lapse(api.warehouse)
            order(admin, **_EXPORT)  # its summons does what beat would do seconds later
            job = wait_until(admin, place, lambda each: each["state"] == "done")
        finally:
            first.kill_group()
            second.kill_group()

        assert job["attempts"] == 2
        assert admin.get(f"{place}/file").text.startswith("code,kind,area,")
