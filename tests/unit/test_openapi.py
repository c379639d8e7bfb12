"""The OpenAPI document: complete, with examples that are true and every error a caller can meet."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.support.settings import make_settings
from tracetrack_gateway.main import create_app
from tracetrack_gateway.models import RightBatchIn, ScanDone, SingleScanIn

OPEN = {
    "get /health",
    "get /ready",
    "get /metrics",
    "post /api/v1/sessions",
    "post /api/v1/password-resets",
    "post /api/v1/password-resets/{token}",
}
PROBLEM = "application/problem+json"

Operation = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Give the document; making it needs no server."""
    settings = make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0")
    described: dict[str, Any] = orjson.loads(orjson.dumps(create_app(settings).openapi()))
    return described


def operations(document: dict[str, Any], *, with_token: bool = False) -> Iterator[tuple[str, Operation]]:
    """Give every operation with its name, or those that want a token."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not with_token or f"{method} {path}" not in OPEN:
                yield f"{method} {path}", operation


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(references(document)):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def test_every_operation_has_a_name_of_its_own_a_title_and_a_sentence(document: dict[str, Any]) -> None:
    named = [operation["operationId"] for _, operation in operations(document)]

    assert len(set(named)) == len(named)
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        assert all(response["description"] for response in operation["responses"].values()), name


def test_every_parameter_in_a_path_is_described(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        described = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert described == set(re.findall(r"\{(\w+)\}", name)), name


def test_every_operation_that_wants_a_token_says_so(document: dict[str, Any]) -> None:
    (scheme,) = document["components"]["securitySchemes"]

    assert document["components"]["securitySchemes"][scheme]["scheme"] == "bearer"
    wanting = dict(operations(document, with_token=True))
    for name, operation in operations(document):
        assert (operation.get("security") == [{scheme: []}]) == (name in wanting), name


def test_every_operation_documents_the_errors_it_can_answer_with(document: dict[str, Any]) -> None:
    for name, operation in operations(document, with_token=True):
        errors = {"401", "403", "503"}
        if "requestBody" in operation:
            errors |= {"400", "413", "422"}
        if "{" in name:
            errors |= {"404"}
        if name in {"post /api/v1/scans", "post /api/v1/scans/batch"}:
            errors |= {"415"}
        assert errors <= set(operation["responses"]), name


def test_every_error_is_a_problem_and_nothing_else(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400" and not name.endswith("/ready"):
                assert set(response["content"]) == {PROBLEM}, f"{name} {status}"
                assert response["content"][PROBLEM]["schema"]["$ref"].endswith("/Problem")


def test_every_answer_that_asks_to_come_again_says_when(document: dict[str, Any]) -> None:
    for name, operation in operations(document, with_token=True):
        assert "Retry-After" in operation["responses"]["503"]["headers"], name


def test_every_body_and_every_good_answer_has_a_form(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for part in [operation.get("requestBody"), *operation["responses"].values()]:
            for media_type, content in (part or {}).get("content", {}).items():
                assert content.get("schema") or "json" not in media_type, name


def test_unknown_fields_are_refused_by_every_form_that_comes_in(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if media_type != "application/json":
                continue
            schema = content["schema"]
            forms = [each["$ref"] for each in [schema, *schema.get("anyOf", ())] if "$ref" in each]
            found = [document["components"]["schemas"][form.rsplit("/", 1)[1]] for form in forms] or [schema]
            assert all(each["additionalProperties"] is False for each in found), name


def test_the_examples_are_what_the_routes_take_and_give(document: dict[str, Any]) -> None:
    single = document["paths"]["/api/v1/scans"]["post"]["requestBody"]["content"]["application/json"]["example"]
    batch = document["paths"]["/api/v1/scans/batch"]["post"]["requestBody"]["content"]
    outcome = document["components"]["schemas"]["ScanDone"]["example"]

    assert SingleScanIn.model_validate_json(orjson.dumps(single)).code == "CH67890"
    assert len(RightBatchIn.model_validate_json(orjson.dumps(batch["application/json"]["example"])).scans) == 1
    assert batch["application/x-ndjson"]["example"].endswith("\n")
    assert SingleScanIn.model_validate_json(batch["application/x-ndjson"]["example"]).code == "CH67890"
    assert ScanDone.model_validate({"refers_to": None} | outcome).feedback == "ok"  # the document leaves nulls out
