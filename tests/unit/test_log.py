"""Logs: one JSON object a line, whoever writes it, and each says which process it comes from."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tracetrack_common.log import configure_logging, get_logger


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    yield
    configure_logging("critical", process="tests")


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_line_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", process="gateway")

    get_logger("tests.one").info("scan_accepted", scans=3, code='a "quoted"\nnew line')

    (record,) = written(capsys)
    assert (record["event"], record["scans"], record["code"]) == ("scan_accepted", 3, 'a "quoted"\nnew line')
    assert (record["level"], record["logger"], record["process"]) == ("info", "tests.one", "gateway")
    assert record["timestamp"].endswith("Z")


def test_what_libraries_log_takes_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", process="scan-worker")

    logging.getLogger("celery.worker").warning("lost %s\n{'event': 'forged'}", "a connection")

    (record,) = written(capsys)
    assert record["event"] == "lost a connection\n{'event': 'forged'}"
    assert (record["level"], record["process"]) == ("warning", "scan-worker")


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("error", process="gateway")

    get_logger("tests.two").warning("not_so_bad")
    logging.getLogger("kombu").info("connected")

    assert written(capsys) == []


def test_a_failure_is_written_with_its_traceback_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", process="gateway")
    try:
        int("no number")
    except ValueError:
        get_logger("tests.three").exception("request_failed")

    (record,) = written(capsys)
    assert record["event"] == "request_failed"
    assert "ValueError: invalid literal" in record["exception"]
