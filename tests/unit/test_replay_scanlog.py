"""The scan log: what a line may say, what is said about a bad one, and which requests the lines become."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_local.replay.ids import RANDOM_BITS, uuid7_of
from tracetrack_local.replay.scanlog import MAX_BATCH_SCANS, ScanLine, read_log, requests_of, write_log

LINE: dict[str, Any] = {
    "device": "gate-1",
    "area": "indore",
    "kind": "child",
    "code": "CH67890",
    "parent_code": "SB12345",
    "scanned_at": "2026-11-22T10:15:00+05:30",
}


def write(path: Path, *lines: dict[str, Any] | str) -> Path:
    log = path / "log.ndjson"
    log.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines), "utf-8")
    return log


def line(**changes: Any) -> ScanLine:
    return ScanLine.model_validate_json(json.dumps(LINE | changes))


def test_a_line_needs_only_what_the_scan_means(tmp_path: Path) -> None:
    lines, problems = read_log(write(tmp_path, LINE))

    assert not problems
    assert lines[0].as_request() == {
        "scan_id": str(lines[0].identity),
        "kind": "child",
        "code": "CH67890",
        "parent_code": "SB12345",
        "scanned_at": "2026-11-22T10:15:00+05:30",
    }


def test_everything_else_goes_along_when_it_is_there() -> None:
    scan_id = "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d"

    request = line(
        scan_id=scan_id, epoch=2, seq=17, phase=3, group="g", clock_offset_s=-90, expect="applied"
    ).as_request()

    assert (request["scan_id"], request["epoch"], request["seq"]) == (scan_id, 2, 17)
    assert request.keys().isdisjoint({"phase", "group", "clock_offset_s", "wait", "expect", "device", "area"})


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        (LINE | {"kind": "sack"}, "kind: "),
        (LINE | {"parent_code": None}, "a child scan needs parent_code"),
        (LINE | {"bill_no": "B-1"}, "a child scan has no bill_no"),
        (LINE | {"scanned_at": "2026-11-22T10:15:00"}, "scanned_at: Input should have timezone info"),
        (LINE | {"scanned_at": "yesterday"}, "scanned_at: "),
        (LINE | {"colour": "red"}, "colour: Extra inputs are not permitted"),
        (LINE | {"epoch": 1}, "epoch and seq come together"),
        (LINE | {"phase": -1}, "phase: "),
        (LINE | {"wait": "yes"}, "wait: "),
        (LINE | {"scan_id": "2f1e4fc0-81fd-41da-9d3d-6f2a1c5b8a10"}, "scan_id must be a UUID of version 7"),
        (LINE | {"area": "akola"}, "gate-1 is in area indore on line 1"),
    ],
)
def test_a_bad_line_is_reported_with_its_number_and_the_others_are_read(
    tmp_path: Path, bad: dict[str, Any] | str, said: str
) -> None:
    lines, problems = read_log(write(tmp_path, LINE, "", bad, LINE | {"code": "CH67891"}))

    assert [each.code for each in lines] == ["CH67890", "CH67891"]
    assert [problem.line for problem in problems] == [3]
    assert said in problems[0].detail


def test_a_log_from_another_system_may_begin_with_a_mark_and_end_lines_its_way(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xef\xbb\xbf" + json.dumps(LINE).encode() + b"\r\n\xff\r\n")

    lines, problems = read_log(tmp_path / "log")

    assert len(lines) == 1
    assert [problem.line for problem in problems] == [2]


def test_a_log_that_is_written_reads_the_same(tmp_path: Path) -> None:
    lines = [line(), line(epoch=1, seq=2, group="g", wait=True, clock_offset_s=1.5, phase=2, expect="applied")]
    write_log(tmp_path / "log", lines)

    assert read_log(tmp_path / "log") == (lines, [])


def test_a_scan_without_an_id_gets_the_same_one_each_time_and_another_scan_another() -> None:
    assert line().identity == line(phase=4).identity
    assert line().identity.version == 7
    assert (
        len({line().identity, line(code="CH1").identity, line(device="b").identity, line(epoch=1, seq=1).identity}) == 4
    )


@given(st.integers(-(2**60), 2**60), st.integers(0, 2**RANDOM_BITS - 1), st.integers(0, 2**RANDOM_BITS - 1))
def test_ids_are_version_7_and_different_bits_make_different_ids(time_ms: int, bits: int, others: int) -> None:
    made: UUID = uuid7_of(time_ms, bits)

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert (made == uuid7_of(time_ms, others)) == (bits == others)
    assert made.int >> 80 == min(max(time_ms, 0), 2**48 - 1)


def test_lines_become_requests_by_phase_device_and_group() -> None:
    lines = [
        line(code="A001", phase=1),
        line(code="A002", group="g"),
        line(code="A003"),
        line(code="A004", group="g", wait=True),
        line(code="A005", group="g", clock_offset_s=9),
        line(code="A006", group="g", device="gate-2"),
    ]

    phases = requests_of(lines)

    sent = {
        phase: {
            device: [[each.code for each in request.lines] for request in requests] for device, requests in d.items()
        }
        for phase, d in phases.items()
    }
    assert sent == {
        0: {"gate-1": [["A002", "A004"], ["A003"], ["A005"]], "gate-2": [["A006"]]},
        1: {"gate-1": [["A001"]]},
    }
    assert list(phases) == [0, 1]
    assert [(request.is_batch, request.wait) for request in phases[0]["gate-1"]] == [
        (True, True),
        (False, False),
        (True, False),
    ]


@given(st.integers(1, 3 * MAX_BATCH_SCANS))
def test_a_group_is_sent_in_pieces_that_the_gateway_takes(size: int) -> None:
    template = line(group="g")

    requests = requests_of([template] * size)[0]["gate-1"]

    assert sum(len(request.lines) for request in requests) == size
    assert max(len(request.lines) for request in requests) <= MAX_BATCH_SCANS
    assert len(requests) == -(-size // MAX_BATCH_SCANS)
