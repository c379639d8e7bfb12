"""The OpenAPI document: FastAPI's own, completed by what the framework cannot know."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tracetrack_gateway.access import NOBODY
from tracetrack_gateway.csv_lists import CSV
from tracetrack_gateway.models import ScanIn
from tracetrack_gateway.problems import MEDIA_TYPE, documented
from tracetrack_gateway.roles import roles_by_route

_SCHEME = "token"
_FIRST_ERROR = "400"
_PAGE = "#/components/schemas/Page_"


def install(app: FastAPI) -> None:
    """Have an application describe itself completely.

    Bearer tokens where a route wants one, problems as their own media type only, and the models of the bodies that
    routes read by themselves.
    """

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=app.description,
                    routes=app.routes,
                    separate_input_output_schemas=app.separate_input_output_schemas,
                ),
                {route for route, roles in roles_by_route(app).items() if NOBODY in roles},
            )
        return app.openapi_schema

    # Assigning it is FastAPI's documented way to extend the document.
    app.openapi = describe  # type: ignore[method-assign]


def _complete(document: dict[str, Any], open_routes: set[tuple[str, str]]) -> dict[str, Any]:
    components = document["components"]
    components["securitySchemes"] = {
        _SCHEME: {"type": "http", "scheme": "bearer", "description": "a device's token, or that of a session"}
    }
    scan = ScanIn.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"].setdefault(ScanIn.__name__, scan)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _describe_list(operation)
            takes_query = any(each["in"] == "query" for each in operation.get("parameters", ()))
            _document(operation, 429, *((413, 415) if "requestBody" in operation else ()), *((422,) * takes_query))
            if (method.upper(), path) not in open_routes:
                operation["security"] = [{_SCHEME: []}]
            for status, response in operation["responses"].items():
                if status >= _FIRST_ERROR and "content" in response:
                    response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    return document


def _describe_list(operation: dict[str, Any]) -> None:
    """Say of a list that it comes as CSV too."""
    content = operation["responses"].get("200", {}).get("content", {})
    if content.get("application/json", {}).get("schema", {}).get("$ref", "").startswith(_PAGE):
        content[CSV] = {"schema": {"type": "string"}, "example": "code,kind\r\nSB12345,parent\r\n"}
        _document(operation, 406)


def _document(operation: dict[str, Any], *statuses: int) -> None:
    """Document the problems that the frame around the routes answers with."""
    for status, response in documented(*statuses).items():
        operation["responses"][str(status)] = {name: value for name, value in response.items() if name != "model"}
