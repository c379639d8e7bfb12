"""One whole system for the end-to-end tests; each test uses codes of its own."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.system import RunningSystem

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def system() -> Iterator[RunningSystem]:
    """Every process, started as a user starts them."""
    with tempfile.TemporaryDirectory(prefix="tracetrack-e2e-") as folder:
        Path(folder).chmod(0o711)
        running = RunningSystem(Path(folder)).start()
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="session")
def admin(system: RunningSystem) -> httpx.Client:
    """Give a client with the first admin's session."""
    return system.admin()


@pytest.fixture(scope="session")
def device(system: RunningSystem) -> httpx.Client:
    """Give a client with the first device's token; the device is in lucknow."""
    return system.device()


@pytest.fixture
def sack() -> Callable[[], str]:
    """Give codes of sacks that no other test uses."""
    return lambda: f"SB{next(_numbers):05d}"


@pytest.fixture
def child() -> Callable[[], str]:
    """Give codes of child bags that no other test uses."""
    return lambda: f"CH{next(_numbers):06d}"
