"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import tracetrack_common
import tracetrack_device
import tracetrack_gateway
import tracetrack_report_worker
import tracetrack_scan_worker

_PACKAGES = (tracetrack_common, tracetrack_device, tracetrack_gateway, tracetrack_report_worker, tracetrack_scan_worker)
# Composition roots and migrations do things when they are imported.
_MODULES = [
    module.name
    for package in _PACKAGES
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith((".main", ".__main__"))
    and ".versions." not in module.name
    and ".env" not in module.name
]


@pytest.mark.parametrize("name", _MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in _MODULES) > 0
