"""SQL injection: what is sent in any parameter is text, finds nothing, and changes nothing."""

import re

import httpx
import pytest

from tests.support.gateway import Api
from tests.support.settings import make_settings
from tracetrack_gateway.main import create_app

_PATHS = create_app(make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0")).openapi()[
    "paths"
]
_READS = [
    (path, [each["name"] for each in methods["get"].get("parameters", ()) if each["in"] == "query"])
    for path, methods in _PATHS.items()
    if "get" in methods and path != "/api/v1/events"
]
_SQL = ("' OR '1'='1", "'; DROP TABLE bag; --", "x') UNION SELECT password_hash FROM app_user --", "%", "\\", "$$")


@pytest.mark.parametrize(("path", "parameters"), _READS, ids=[path for path, _ in _READS])
def test_sql_in_any_parameter_is_text(api: Api, admin: httpx.Client, path: str, parameters: list[str]) -> None:
    before = api.warehouse.value("SELECT count(*) FROM app_user")
    for sql in _SQL:
        named = re.sub(r"\{\w+\}", lambda _: sql.replace("/", "").replace("%", "%25"), path)  # noqa: B023 - used at once
        asked: list[tuple[str, dict[str, str]]] = [(named, {})] if named != path else []
        asked += [(re.sub(r"[{}]", "", path), {name: sql}) for name in parameters]
        for address, query in asked:
            answer = admin.get(address, params=query)
            assert answer.status_code in {200, 403, 404, 422}, f"{address} {query}: {answer.text}"
            assert "$argon2" not in answer.text
            if (
                answer.status_code == httpx.codes.OK
                and query
                and set(query) <= {"code", "text", "target", "user", "area"}
            ):
                assert answer.json()["items"] == []
    assert api.warehouse.value("SELECT count(*) FROM app_user") == before
