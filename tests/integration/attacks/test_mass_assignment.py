"""Mass assignment: a field that a body or a query does not have is refused by name, and nothing is written."""

from typing import Any

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.settings import make_settings
from tracetrack_gateway.main import create_app
from tracetrack_gateway.roles import roles_by_route

_APP = create_app(make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0"))
_ROLES = roles_by_route(_APP)
_PATHS: dict[str, dict[str, Any]] = _APP.openapi()["paths"]
_WITH_BODY = [
    (method.upper(), path)
    for path, methods in _PATHS.items()
    for method in methods
    if "application/json" in methods[method].get("requestBody", {}).get("content", {})
]
"""All but the upload of a file, whose columns are no fields."""
_WITH_QUERY = [
    ("GET", path)
    for path, methods in _PATHS.items()
    if any(each["in"] == "query" for each in methods.get("get", {}).get("parameters", ()))
]
_FORBIDDEN = {"is_admin": True, "user_id": 1, "created_by": "admin", "no_such_field": "x"}


def any_path(path: str) -> str:
    """Put something of the right form in the place of each parameter."""
    uuid = "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d"
    for name, value in {"device_id": "1", "bag_type_id": "1", "failed_id": uuid, "business_date": "2026-11-22"}.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{", "").replace("}", "")


def client_of(api: Api, route: tuple[str, str]) -> httpx.Client:
    return api.person("admin") if "admin" in _ROLES[route] else api.device()


@pytest.mark.parametrize("route", _WITH_BODY, ids=" ".join)
@pytest.mark.usefixtures("nothing_written")
def test_a_field_that_a_body_does_not_have_is_refused_by_name(
    device: httpx.Client, admin: httpx.Client, route: tuple[str, str]
) -> None:
    client = admin if "admin" in _ROLES[route] else device
    body = {"scans": [_FORBIDDEN], **_FORBIDDEN} if route[1].endswith("/batch") else _FORBIDDEN

    problem = problem_of(client.request(route[0], any_path(route[1]), json=body), 422)

    named = {error["field"].rsplit(".", 1)[-1] for error in problem["errors"]}
    assert set(_FORBIDDEN) <= named, problem["errors"]


@pytest.mark.parametrize("route", _WITH_QUERY, ids=" ".join)
def test_a_parameter_that_a_query_does_not_have_is_refused_by_name(api: Api, route: tuple[str, str]) -> None:
    with client_of(api, route) as client:
        problem = problem_of(client.get(any_path(route[1]), params={"no_such_field": "x"}), 422)

    assert "no_such_field" in [error["field"] for error in problem["errors"]]
