"""The published JSON Schemas say what the documents are: neither less nor more."""

import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from jsonschema_rs import meta

from tests.support.json_schemas import faults_of, read_schema
from tests.support.made_up_summaries import summary_of
from tracetrack_common.domain.eod import BILL_STATUSES
from tracetrack_common.domain.scans import Kind as ScanKind
from tracetrack_common.domain.scans import Outcome
from tracetrack_report_worker.documents import json_file
from tracetrack_report_worker.documents.model import Column, Document, Figure, Kind, Section
from tracetrack_report_worker.paper import document_of

VALUES: Mapping[Kind, Any] = {
    Kind.TEXT: "x",
    Kind.COUNT: 3,
    Kind.CHANGE: -3,
    Kind.NUMBER: 0.5,
    Kind.KG: 1500,
    Kind.DATE: "2026-03-02",
    Kind.TIME: datetime(2026, 3, 2, 18, 45, tzinfo=UTC),
}


def written(document: Document) -> Any:
    output = io.BytesIO()
    json_file.write(document, output)
    return orjson.loads(output.getvalue())


def objects_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Give every object that a schema describes by its properties."""
    if isinstance(schema, dict):
        if "properties" in schema and "type" in schema:
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for below in schema:
            yield from objects_of(below)


@pytest.mark.parametrize("name", ["eod", "document"])
def test_a_schema_is_one(name: str) -> None:
    meta.validate(read_schema(name))


@pytest.mark.parametrize("bills", [0, 1, 30])
def test_a_summary_is_as_its_schema_says(bills: int) -> None:
    assert faults_of("eod", summary_of(bills)) == []


def test_nothing_that_a_summary_has_may_be_missing_or_be_more() -> None:
    described = list(objects_of(read_schema("eod")))

    assert len(described) > 15
    for each in described:
        assert set(each["required"]) == set(each["properties"])
        assert each["additionalProperties"] is False


def test_a_summary_that_is_otherwise_does_not_fit() -> None:
    content = summary_of(3)
    scans = content["scans"]

    assert faults_of("eod", content | {"more": 1})
    assert faults_of("eod", {name: part for name, part in content.items() if name != "billers"})
    assert faults_of("eod", content | {"scans": scans | {"by_outcome": {"lost": 1}}})
    assert faults_of("eod", content | {"scans": scans | {"by_hour": scans["by_hour"][1:]}})
    assert faults_of("eod", content | {"generated_at": "2026-03-03T00:15:00+05:30"})


def test_a_schema_names_what_the_domain_names() -> None:
    names = read_schema("eod")["$defs"]

    assert set(names["outcome"]["enum"]) == set(Outcome)
    assert set(names["kind"]["enum"]) == set(ScanKind)
    assert set(names["status"]["enum"]) == set(BILL_STATUSES)


def test_a_report_of_every_kind_of_value_is_as_its_schema_says() -> None:
    document = Document(
        "Report",
        "akola",
        datetime(2026, 3, 2, 18, 45, tzinfo=UTC),
        ZoneInfo("Asia/Kolkata"),
        figures=[Figure(kind.name, VALUES[kind], kind) for kind in Kind],
        sections=[
            Section(
                "Kinds",
                [Column(kind.name, kind.name, kind) for kind in Kind],
                lambda: [{kind.name: VALUES[kind] for kind in Kind}, dict.fromkeys(Kind.__members__)],
            )
        ],
    )

    assert faults_of("document", written(document)) == []


def test_a_summary_as_a_report_fits_too() -> None:
    report = written(document_of(summary_of(30)))

    assert faults_of("document", report) == []
    (weight, *_) = (figure for figure in report["figures"] if figure["kind"] == "weight")
    wrongs: list[dict[str, Any]] = [{"unit": "kg"}, {"kind": "count"}, {"more": 1}, {"value": []}]
    for wrong in wrongs:
        assert faults_of("document", report | {"figures": [weight | wrong]})
