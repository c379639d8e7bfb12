"""The supervisor with real tiny processes: it restarts what dies, gives up on what cannot start, and tidies up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tracetrack_local.errors import LauncherError
from tracetrack_local.process import Child, ChildSpec, set_aside_large, stop_all
from tracetrack_local.record import ProcessRecord, SupervisorRecord, end_leftovers
from tracetrack_local.supervisor import Supervisor
from tracetrack_local.waiting import wait_until

PATIENCE_S = 20.0
WAITS = "import signal; print('up', flush=True); signal.pause()"
DEFIES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
HAS_A_CHILD = (
    "import signal, subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']);"
    "print('child', child.pid, 'up', flush=True); signal.pause()"
)
DIES = "import sys; print('no luck today', flush=True); sys.exit(3)"


def spec(name: str, program: str, state_dir: Path | None = None) -> ChildSpec:
    env = {"TRACETRACK_STATE_DIR": str(state_dir)} if state_dir else {}
    return ChildSpec(name=name, command=(sys.executable, "-c", program), env=env)


def is_up(child: Child) -> Callable[[], bool]:
    return lambda: "up" in child.output()


def pid_of(child: Child) -> int:
    assert child.pid is not None
    return child.pid


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Scene:
    """A supervisor with what it said and what it recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.records: Sequence[ProcessRecord] = ()
        self.supervisor = Supervisor(announce=self.said.append, on_change=self.record)

    def record(self, records: Sequence[ProcessRecord]) -> None:
        self.records = records

    def start(self, *programs: tuple[str, str], timeout_s: float = PATIENCE_S) -> list[Child]:
        children = [Child(spec(name, program), self.folder) for name, program in programs]
        self.supervisor.start([{child: is_up(child)} for child in children], timeout_s=timeout_s)
        return children

    def look_until(self, condition: Callable[[], bool]) -> None:
        def look() -> bool:
            self.supervisor.look()
            return condition()

        assert wait_until(look, timeout_s=PATIENCE_S)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.supervisor.stop(grace_s=0)


def test_a_child_that_dies_is_started_again_and_it_is_said_how_it_died(scene: Scene) -> None:
    (child,) = scene.start(("worker", WAITS))
    first = pid_of(child)

    os.kill(first, signal.SIGKILL)
    scene.look_until(lambda: child.is_running() and child.pid != first)

    assert scene.said[0].startswith("worker was killed by SIGKILL; starting it again in 0.2 s (restart 1")
    scene.look_until(lambda: scene.records[0].state == "ready")
    assert scene.records[0].restarts == 1
    assert scene.records[0].pid == child.pid
    assert scene.said[-1] == "worker is ready again"


def test_only_the_child_that_died_is_started_again(scene: Scene) -> None:
    one, other = scene.start(("one", WAITS), ("other", WAITS))
    untouched = other.pid

    os.kill(pid_of(one), signal.SIGKILL)
    scene.look_until(lambda: scene.records[0].restarts == 1 and scene.records[0].state == "ready")

    assert other.pid == untouched
    assert scene.records[1].restarts == 0


def test_what_a_dead_child_had_started_dies_with_it(scene: Scene) -> None:
    (child,) = scene.start(("pool", HAS_A_CHILD))
    grandchild = int(child.output().split()[1])

    os.kill(pid_of(child), signal.SIGKILL)
    scene.look_until(lambda: scene.records[0].restarts == 1)

    assert wait_until(lambda: is_gone(grandchild), timeout_s=PATIENCE_S)


def test_a_child_that_cannot_start_is_given_up_with_its_log_and_last_lines(scene: Scene) -> None:
    with pytest.raises(LauncherError) as caught:
        scene.start(("luckless", DIES))

    sentence = str(caught.value)
    assert "luckless keeps dying" in sentence
    assert str(scene.folder / "luckless.log") in sentence
    assert sentence.endswith("no luck today")


def test_a_child_that_is_never_ready_is_given_up_when_its_time_is_up(scene: Scene) -> None:
    with pytest.raises(LauncherError, match=r"silent was not ready after 0 s"):
        scene.start(("silent", "import signal; signal.pause()"), timeout_s=0.0)


def test_children_stop_in_reverse_order(scene: Scene, tmp_path: Path) -> None:
    order = tmp_path / "order"
    notes = (
        "import os, signal, sys;"
        "file = os.open({path!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT);"
        "note = lambda *_: (os.write(file, b'{name} '), sys.exit());"
        "signal.signal(signal.SIGTERM, note); print('up', flush=True); signal.pause()"
    )
    for name in ("first", "second", "third"):
        scene.start((name, notes.format(path=str(order), name=name)))

    scene.supervisor.stop()

    assert order.read_text().split() == ["third", "second", "first"]
    assert [record.state for record in scene.records] == ["stopped"] * 3


def test_a_child_that_defies_the_request_is_killed_when_its_time_is_up(scene: Scene) -> None:
    (child,) = scene.start(("stubborn", DEFIES))

    scene.supervisor.stop(grace_s=0.1)

    assert not child.is_running()
    assert scene.said == ["stubborn did not stop in time and was killed"]


def test_impatience_ends_the_time_to_stop(tmp_path: Path) -> None:
    child = Child(spec("stubborn", DEFIES), tmp_path)
    child.start()
    assert wait_until(is_up(child), timeout_s=PATIENCE_S)

    began = time.monotonic()
    killed = stop_all([child], grace_s=60, is_impatient=lambda: True)

    assert killed == ["stubborn"]
    assert time.monotonic() - began < PATIENCE_S


def test_a_run_to_the_end_must_end_well(scene: Scene) -> None:
    scene.supervisor.run_once(Child(spec("good", "print('done')"), scene.folder), timeout_s=PATIENCE_S)

    with pytest.raises(LauncherError, match=r"bad ended with exit code 3; its log is .*bad\.log") as caught:
        scene.supervisor.run_once(Child(spec("bad", DIES), scene.folder), timeout_s=PATIENCE_S)
    assert "no luck today" in str(caught.value)


def test_a_program_that_is_not_there_says_so_in_its_log(tmp_path: Path) -> None:
    child = Child(ChildSpec(name="missing", command=("/nonexistent/program",), env={}), tmp_path)

    child.start()

    assert wait_until(lambda: child.exit_code() is not None, timeout_s=PATIENCE_S)
    assert child.exit_code() == 126
    assert child.last_lines() == "cannot start /nonexistent/program: No such file or directory"


def test_secrets_in_the_environment_are_not_in_the_printed_plan() -> None:
    plan = ChildSpec(name="flower", command=("flower",), env={"FLOWER_BASIC_AUTH": "user:s3cret"})

    assert "s3cret" not in repr(plan)


def test_a_large_log_is_set_aside_and_a_small_one_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    log.write_text("12345")

    set_aside_large(log, limit_bytes=5)
    assert log.read_text() == "12345"

    set_aside_large(log, limit_bytes=4)
    assert not log.exists()
    assert (tmp_path / "gateway.log.1").read_text() == "12345"


LAUNCHER = """
import pathlib, sys
from tracetrack_local.process import Child, ChildSpec
from tracetrack_local.record import SupervisorRecord
from tracetrack_local.supervisor import Supervisor
from tracetrack_local.waiting import wait_until
folder = pathlib.Path(sys.argv[1])
def record(processes):
    SupervisorRecord(pid=1, started_at=0, gateway_url="", flower_url="", processes=processes).save(folder)
supervisor = Supervisor(announce=print, on_change=record)
supervisor.install_signals()
child = Child(ChildSpec(name="worker", command=(sys.executable, "-c", sys.argv[2]),
                        env={"TRACETRACK_STATE_DIR": str(folder)}), folder)
supervisor.start([{child: lambda: "up" in child.output()}], timeout_s=20)
print("running", flush=True)
supervisor.run()
supervisor.stop(grace_s=20)
"""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[[str], tuple[subprocess.Popen[str], ProcessRecord]]]:
    started: list[subprocess.Popen[str]] = []

    def start(program: str) -> tuple[subprocess.Popen[str], ProcessRecord]:
        command = [sys.executable, "-c", LAUNCHER, str(tmp_path), program]
        launcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this very test
        started.append(launcher)
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "running\n"
        record = SupervisorRecord.load(tmp_path)
        assert record is not None
        return launcher, record.processes[0]

    yield start
    for launcher in started:
        launcher.kill()
        launcher.communicate()
    end_leftovers(tmp_path, grace_s=0.1)


Launch = Callable[[str], tuple[subprocess.Popen[str], ProcessRecord]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_supervisor_stops_everything(launch: Launch, number: signal.Signals) -> None:
    launcher, worker = launch(HAS_A_CHILD)
    assert worker.pid is not None
    children = psutil.Process(worker.pid).children()

    launcher.send_signal(number)

    assert launcher.wait(PATIENCE_S) == 0
    assert is_gone(worker.pid)
    assert all(is_gone(child.pid) for child in children)


def test_a_second_request_kills_what_defies_the_first(launch: Launch) -> None:
    launcher, worker = launch(DEFIES)
    assert worker.pid is not None

    def is_asked_again() -> bool:
        launcher.send_signal(signal.SIGINT)
        return launcher.poll() is not None

    assert wait_until(is_asked_again, timeout_s=PATIENCE_S, pause_s=0.2)
    assert is_gone(worker.pid)


def test_a_killed_supervisor_takes_its_children_with_it(launch: Launch) -> None:
    launcher, worker = launch(WAITS)
    pid = worker.pid
    assert pid is not None

    launcher.kill()

    assert wait_until(lambda: is_gone(pid), timeout_s=PATIENCE_S)


def test_the_next_start_ends_what_survived_a_killed_supervisor(launch: Launch, tmp_path: Path) -> None:
    launcher, worker = launch(DEFIES)
    launcher.kill()
    launcher.wait()
    assert worker.pid is not None

    ended = end_leftovers(tmp_path, grace_s=0.1)

    assert ended == ["worker"]
    assert is_gone(worker.pid)


def test_a_stranger_who_has_a_recorded_pid_now_is_left_alone(tmp_path: Path) -> None:
    stranger = ProcessRecord(name="worker", pid=os.getpid(), started_at=1.0, restarts=0, state="ready")
    SupervisorRecord(pid=1, started_at=0, gateway_url="", flower_url="", processes=(stranger,)).save(tmp_path)

    assert end_leftovers(tmp_path, grace_s=0.1) == []


def test_an_orphan_pool_of_a_killed_supervisor_is_ended_too(launch: Launch, tmp_path: Path) -> None:
    launcher, worker = launch(HAS_A_CHILD)
    pid = worker.pid
    assert pid is not None
    (grandchild,) = psutil.Process(pid).children()
    os.kill(launcher.pid, signal.SIGSTOP)  # so that it cannot look after the next death
    os.kill(pid, signal.SIGKILL)
    launcher.kill()

    assert wait_until(lambda: is_gone(pid), timeout_s=PATIENCE_S)
    end_leftovers(tmp_path, grace_s=PATIENCE_S)

    assert is_gone(grandchild.pid)
