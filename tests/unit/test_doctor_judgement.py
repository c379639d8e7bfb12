"""What the doctor judges without a server: settings, states, clocks, months, and how it writes a report."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tracetrack_common.doctor import postgres, redis_server
from tracetrack_common.doctor.catalogue import CATALOGUE
from tracetrack_common.doctor.clocks import skew_s
from tracetrack_common.doctor.finding import Finding, Severity
from tracetrack_common.doctor.partitions import months_needed
from tracetrack_common.doctor.report import CheckDone, Report, render_catalogue, render_text
from tracetrack_common.doctor.system import Limits

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SAFE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "synchronous_standby_names": ""}
CALM: dict[str, Any] = {
    "role": "master",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "evicted_keys": 0,
    "used_memory": 10,
    "connected_clients": 1,
}
ROOMY = {"maxmemory": "1000", "maxclients": "100"}


def _codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("setting", "value", "standby", "broken"),
    [
        ("fsync", "off", "", True),
        ("full_page_writes", "off", "", True),
        ("synchronous_commit", "off", "", True),
        ("synchronous_commit", "local", "", False),
        ("synchronous_commit", "remote_write", "", False),
        ("synchronous_commit", "local", "elsewhere", True),
        ("synchronous_commit", "remote_write", "elsewhere", True),
        ("synchronous_commit", "remote_apply", "elsewhere", False),
    ],
)
def test_postgres_must_wait_for_every_disk_it_is_to_be_safe_on(
    setting: str, value: str, standby: str, *, broken: bool
) -> None:
    found = postgres.judge_settings(SAFE | {"synchronous_standby_names": standby, setting: value})

    assert [finding.subject for finding in found] == [setting] * broken


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({"role": "slave"}, "redis_is_replica"),
        ({"aof_last_write_status": "err"}, "redis_append_fails"),
        ({"evicted_keys": 3}, "redis_evicted"),
        ({"used_memory": 750}, "redis_memory_short"),
        ({"connected_clients": 80}, "connections_short"),
    ],
)
def test_a_redis_in_trouble_is_told(state: dict[str, Any], code: str) -> None:
    assert redis_server.judge_state(CALM, ROOMY, Limits()) == []
    assert _codes(redis_server.judge_state(CALM | state, ROOMY, Limits())) == [code]


def test_a_clock_is_off_only_by_what_its_answer_cannot_explain() -> None:
    before, after = NOON, NOON + timedelta(seconds=2)

    assert skew_s(before, NOON + timedelta(seconds=1), after) == 0
    assert skew_s(before, NOON + timedelta(seconds=5), after) == 3
    assert skew_s(before, NOON - timedelta(seconds=4), after) == -4


@pytest.mark.parametrize(
    ("now", "months"),
    [
        (NOON, ["scan_202611", "scan_202612", "scan_202701"]),
        (datetime(2027, 1, 31, 23, 59, tzinfo=UTC), ["scan_202701", "scan_202702", "scan_202703"]),
    ],
)
def test_this_month_and_the_two_after_it_need_partitions(now: datetime, months: list[str]) -> None:
    assert months_needed(now) == months


def test_a_report_puts_first_what_matters_most() -> None:
    report = Report(
        [
            CheckDone(
                "partitions", "5 partitions", (Finding("default_partition_large", "scan_default", "9 scans"),), 3
            ),
            CheckDone("audit", "7 rows", (Finding("audit_chain_broken", "audit_log", "1 places"),), 1_200),
            CheckDone("people", "2 users", (), 1),
        ]
    )

    assert _codes(report.findings) == ["audit_chain_broken", "default_partition_large"]
    assert report.exit_code == 1
    assert report.verdict == "3 checks in 1.2 s: 2 findings."
    text = render_text(report)
    assert "CRITICAL audit_chain_broken: audit_log" in text
    assert CATALOGUE["audit_chain_broken"].remedy in text
    assert report.document()["findings"][0]["severity"] == "critical"


def test_a_report_without_findings_says_what_was_looked_at() -> None:
    report = Report([CheckDone("people", "2 users", (), 1)])

    assert (report.exit_code, report.document()["healthy"]) == (0, True)
    assert "2 users" in render_text(report)
    assert report.verdict.endswith("nothing found.")


def test_every_finding_is_documented_as_it_is_told() -> None:
    document = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")

    assert render_catalogue() in document


def test_every_finding_has_a_severity_a_meaning_and_a_remedy() -> None:
    for code in CATALOGUE:
        finding = Finding(code, "", "")
        assert finding.severity in Severity
        assert finding.meaning.endswith(".")
        assert finding.remedy.endswith(".")
