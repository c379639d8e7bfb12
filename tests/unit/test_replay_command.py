"""The end of a replay: what is counted, what is complained about."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from tracetrack_local.credentials import Credentials, DeviceCredential, Login
from tracetrack_local.demo import run_demo
from tracetrack_local.demo.day import LEAST_SCANS
from tracetrack_local.errors import LauncherError
from tracetrack_local.ports import choose_free
from tracetrack_local.replay import run_replay
from tracetrack_local.replay.command import find_unexpected, show_problems, show_result
from tracetrack_local.replay.devices import describe_refusal
from tracetrack_local.replay.journal import Journal, Known, Refused
from tracetrack_local.replay.scanlog import Problem, ScanLine

APPLIED = Known("applied", "ok", None)


def line(code: str, **changes: Any) -> ScanLine:
    fields = {"device": "gate-1", "area": "indore", "kind": "parent", "code": code} | changes
    return ScanLine.model_validate_json(json.dumps(fields | {"scanned_at": "2026-11-22T10:15:00+05:30"}))


def console() -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    return Console(file=screen, width=100), screen


@pytest.fixture
def nobody_there() -> Credentials:
    return Credentials(
        gateway_url=f"http://127.0.0.1:{choose_free()}",
        flower_url="",
        admin=Login(username="admin", password="made-up"),
        device=DeviceCredential(name="scanner-1", area="indore", token="made-up"),
        flower=Login(username="tracetrack", password="made-up"),
    )


def test_a_line_whose_outcome_is_another_than_it_expects_is_found() -> None:
    right, wrong, silent = line("SB00001", expect="applied"), line("SB00002", expect="known"), line("SB00003")
    journal = Journal()
    for each in (right, wrong, silent):
        journal.accept(each)
        journal.learn(each.identity, APPLIED)

    assert find_unexpected([right, wrong, silent], journal) == [(wrong, "applied")]


def test_a_scan_that_is_sent_twice_is_two_lines_and_one_scan() -> None:
    journal, scan = Journal(), line("SB00001")
    for _ in range(2):
        journal.accept(scan)
        journal.learn(scan.identity, APPLIED)

    assert (journal.lines, len(journal.accepted), journal.count_outcomes()) == (2, 1, {"applied": 1})
    assert not journal.contradictions


def test_a_scan_that_is_answered_with_two_outcomes_is_a_contradiction() -> None:
    journal, scan = Journal(), line("SB00001")
    journal.learn(scan.identity, APPLIED)
    journal.learn(scan.identity, Known("known", "already", None))

    assert journal.contradictions == [(scan.identity, APPLIED, Known("known", "already", None))]
    assert journal.outcomes[scan.identity] == APPLIED


def test_the_result_counts_outcomes_and_names_every_complaint() -> None:
    shown, screen = console()
    journal, good, bad = Journal(), line("SB00001", expect="known"), line("SB[0]2")
    journal.accept(good)
    journal.learn(good.identity, APPLIED)
    journal.refused.append(Refused(bad, "422 code: too odd"))

    show_result([good, bad], journal, find_unexpected([good, bad], journal), shown)

    assert "applied" in screen.getvalue()
    assert "2 lines sent, 1 accepted: 1 scans" in screen.getvalue()
    assert "not accepted: parent SB[0]2 of gate-1" in screen.getvalue()
    assert "422 code: too odd" in screen.getvalue()
    assert "applied, expected known" in screen.getvalue()


def test_bad_lines_are_shown_with_file_and_number_and_not_all_of_a_thousand() -> None:
    shown, screen = console()

    show_problems(Path("log.ndjson"), [Problem(number, "kind: wrong") for number in range(1, 1001)], shown)

    assert "log.ndjson:1: kind: wrong" in screen.getvalue()
    assert "1000 lines are skipped" in screen.getvalue()
    assert len(screen.getvalue().splitlines()) < 30


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(409, json={"detail": "needs 2 more", "errors": []}), "409 needs 2 more"),
        (httpx.Response(422, json={"detail": "x: bad", "errors": [{"field": "x", "detail": "bad"}]}), "422 x: bad"),
        (httpx.Response(500, text="<html>"), "500 Internal Server Error"),
        (httpx.Response(500, json=["odd"]), "500 Internal Server Error"),
    ],
)
def test_a_refusal_is_said_in_the_gateways_own_words(answer: httpx.Response, said: str) -> None:
    assert describe_refusal(answer) == said


def test_a_log_without_a_good_line_ends_in_a_sentence(tmp_path: Path, nobody_there: Credentials) -> None:
    (tmp_path / "log").write_text("nonsense\n", encoding="utf-8")
    shown, screen = console()

    with pytest.raises(LauncherError, match="no scan that could be replayed"):
        run_replay(tmp_path / "log", credentials=nobody_there, console=shown)

    assert "log:1: " in screen.getvalue()


def test_replay_and_demo_say_when_the_system_does_not_run(tmp_path: Path, nobody_there: Credentials) -> None:
    log = tmp_path / "log"
    log.write_text(line("SB00001").model_dump_json(exclude_defaults=True), encoding="utf-8")
    shown, _ = console()

    with pytest.raises(LauncherError, match="TraceTrack is not running; start it with `make run`"):
        run_replay(log, credentials=nobody_there, console=shown, token_file=tmp_path / "devices.json")
    with pytest.raises(LauncherError, match="TraceTrack is not running; start it with `make run`"):
        run_demo(credentials=nobody_there, state_dir=tmp_path, scans=LEAST_SCANS, seed=1, console=shown)

    assert not (tmp_path / "demo" / "days.json").exists()


def test_a_demo_that_is_too_small_is_refused_before_anything_is_asked(
    tmp_path: Path, nobody_there: Credentials
) -> None:
    with pytest.raises(LauncherError, match="500 to 500,000 scans"):
        run_demo(credentials=nobody_there, state_dir=tmp_path, scans=3, seed=1, console=console()[0])
