"""The alert rules: well formed, about metrics that a gateway gives, and each with what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.gateway import GatewayThread
from tests.support.settings import make_settings

_FILE = Path(__file__).parents[2] / "deploy" / "observability" / "alerts.yml"
_GROUPS = yaml.safe_load(_FILE.read_text(encoding="utf-8"))["groups"]
RULES: list[dict[str, Any]] = [rule for group in _GROUPS for rule in group["rules"]]
_METRIC = re.compile(r"\btracetrack_\w+")
_LABELLED = re.compile(r'(tracetrack_\w+)\{(\w+)="(\w+)"\}')


@pytest.fixture(scope="module")
def metrics() -> str:
    """Give what a gateway says whose servers are both away."""
    nowhere = make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0")
    with GatewayThread(nowhere) as gateway, gateway.client() as client:
        client.get("/health")
        return client.get("/metrics").raise_for_status().text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_every_metric_of_a_rule_is_one_that_a_gateway_gives(rule: dict[str, Any], metrics: str) -> None:
    declared = {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE ")}

    assert _METRIC.findall(rule["expr"])
    assert set(_METRIC.findall(rule["expr"])) <= declared


def test_a_queue_that_a_rule_names_is_one_that_is_counted(metrics: str) -> None:
    named = [found for rule in RULES for found in _LABELLED.findall(rule["expr"]) if found[1] == "queue"]

    assert named
    for metric, label, value in named:
        assert f'{metric}{{{label}="{value}"}} ' in metrics


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_every_rule_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "action"}
    assert all(text.endswith((".", ")")) for text in rule["annotations"].values())


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [rule["alert"] for rule in RULES]

    assert len(set(names)) == len(names)
