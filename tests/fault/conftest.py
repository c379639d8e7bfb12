"""What the fault suite shares: its two forms, one system for most cases, and the table at the end."""

import itertools
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.fault.case import HEADINGS, Case, Figures
from tests.fault.fleet import Fleet
from tests.support.system import RunningSystem

REPORT = Path("build/fault.json")
LOGS = Path("build/fault-logs")
DEVICES = 6
SHORT_LEASE_S = "2"
TICK_S = "2"
"""How often beat asks for what is due, so that no case waits a minute for it."""
FULL_TIMEOUT_S = 3_600
SHORT, FULL = "short", "full"

MakeCase = Callable[[RunningSystem, Fleet], Case]

_figures = pytest.StashKey[list[Figures]]()
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fault")
    group.addoption("--fault-form", choices=[SHORT, FULL], default=SHORT, help="every case, or a few of each, for CI")
    group.addoption("--fault-seed", type=int, default=20261124, help="chooses the moments and what is scanned")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: a case of the long form of the fault suite only")
    config.stash[_figures] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cases of the long form to it, and give it the time it takes."""
    if config.getoption("--fault-form") == FULL:
        for item in items:
            item.add_marker(pytest.mark.timeout(FULL_TIMEOUT_S))
        return
    left = [item for item in items if item.get_closest_marker("full")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def is_full(request: pytest.FixtureRequest) -> bool:
    """Tell whether the long form is run."""
    return bool(request.config.getoption("--fault-form") == FULL)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Give a folder that ordinary users can find their way through, as PostgreSQL must."""
    with tempfile.TemporaryDirectory(prefix="tracetrack-fault-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture(scope="session")
def system(folder: Path, *, is_full: bool) -> Iterator[RunningSystem]:
    """Every process, started as a user starts them; with a shorter lease in the short form, as each death costs one."""
    environment = {"TRACETRACK_EOD_TICK_S": TICK_S} | ({} if is_full else {"TRACETRACK_LEASE_S": SHORT_LEASE_S})
    running = RunningSystem(folder, environment=environment).start()
    try:
        yield running
    finally:
        running.stop()
        shutil.copytree(running.state_dir / "logs", LOGS, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def admin(system: RunningSystem) -> httpx.Client:
    """Give a client with the first admin's session."""
    return system.admin()


@pytest.fixture
def make_case(request: pytest.FixtureRequest, *, is_full: bool) -> MakeCase:
    """Give what makes a test's case, on whatever system, and keeps its line for the table."""

    def make(system: RunningSystem, fleet: Fleet) -> Case:
        claim = " ".join((request.node.obj.__doc__ or "").split())
        figures = Figures(request.node.name.removeprefix("test_"), claim)
        request.config.stash[_figures].append(figures)
        rng = random.Random(f"{request.config.getoption('--fault-seed')} {request.node.name}")  # noqa: S311 - repeatable
        return Case(figures, system, fleet, rng, is_full=is_full)

    return make


@pytest.fixture
def fleet(system: RunningSystem, admin: httpx.Client, folder: Path) -> Iterator[Fleet]:
    """Devices at work that trust every 2xx."""
    journals = folder / f"fleet-{next(_numbers)}"
    journals.mkdir()
    with Fleet(system, journals, size=DEVICES, resends=False).at_work(admin) as devices:
        yield devices


@pytest.fixture
def case(make_case: MakeCase, system: RunningSystem, fleet: Fleet) -> Case:
    """Give the test's case on the system that most cases share."""
    return make_case(system, fleet)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the figures after each case, so that a run that is broken off leaves those it had."""
    report = yield
    figures = item.config.stash[_figures]
    if figures:
        form, seed = item.config.getoption("--fault-form"), item.config.getoption("--fault-seed")
        document = {"form": form, "seed": seed, "cases": [vars(each) for each in figures]}
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    figures = config.stash[_figures]
    if not figures:
        return
    lines = [list(HEADINGS), *(each.cells() for each in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS) - 1)]
    terminalreporter.section("never lost, never twice")
    for line in lines:
        terminalreporter.write_line("  ".join([*map(str.ljust, line, widths), line[-1]]).rstrip())
