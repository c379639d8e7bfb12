"""Roles x routes: one table, and no cell of it that the running system, or the document, does not keep to."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import Api
from tests.support.scans import LUCKNOW
from tests.support.settings import make_settings
from tracetrack_gateway.access import NOBODY, PERMISSIONS, ROLES, Action
from tracetrack_gateway.main import create_app
from tracetrack_gateway.roles import render_matrix, roles_by_route

_APP = create_app(make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0"))
_MATRIX = roles_by_route(_APP)
_DOCUMENT = Path(__file__).parents[2] / "docs" / "roles.md"
_SOME = {
    "{scan_id}": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
    "{command_id}": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
    "{session_id}": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
    "{failed_id}": "3f0c3f2b-6f0e-5d0f-9a6e-4c1f5b8f9d21",
    "{business_date}": "2000-01-01",
    "{device_id}": "2000000000",
}
"""What stands for a parameter; a word for those that are not here."""
_TOKENS = (None, "", "Bearer", "Bearer garbage", "Basic YTpi", "Bearer a b", "Bearer " + "x" * 5_000)


def status_of(client: httpx.Client, route: tuple[str, str], *, authorization: str | None = None) -> int:
    """Call a route with next to nothing and give the status; an endless answer is not waited for."""
    method, path = route
    for name in re.findall(r"\{\w+\}", path):
        path = path.replace(name, _SOME.get(name, "nothing_there"))
    headers = {} if authorization is None else {"Authorization": authorization}
    body: dict[str, str] | None = {} if method in {"POST", "PUT", "PATCH"} else None
    with client.stream(method, path, json=body, headers=headers) as answer:
        return answer.status_code


def test_every_route_says_what_it_does_and_every_action_is_in_the_table() -> None:
    documented = {(method.upper(), path) for path, methods in _APP.openapi()["paths"].items() for method in methods}

    assert set(_MATRIX) == documented
    assert [route for route, roles in _MATRIX.items() if not roles] == []
    assert set(PERMISSIONS) == set(Action)
    assert all(roles <= set(ROLES) for roles in PERMISSIONS.values())


def test_the_document_shows_the_table() -> None:
    assert _DOCUMENT.read_text(encoding="utf-8") == render_matrix(_APP)


@pytest.mark.parametrize("route", _MATRIX, ids=" ".join)
def test_a_role_may_what_the_table_says_and_nothing_else(api: Api, route: tuple[str, str]) -> None:
    for role in ROLES:
        if role == NOBODY:
            client = api.gateway.client()
        elif role == "device":
            client = api.device()
        else:
            client = api.person(role, LUCKNOW if role == "dispatcher" else None)
        with client:
            status = status_of(client, route)

        if role in _MATRIX[route]:
            # Logging in with next to nothing is refused as a body; so nothing that is open answers 401 either.
            assert status not in {401, 403, 405}, f"{role}: {status}"
            assert status < 500 or route == ("GET", "/ready"), f"{role}: {status}"
        else:
            assert status == (401 if role == NOBODY else 403), f"{role}: {status}"


@pytest.mark.parametrize("route", [route for route, roles in _MATRIX.items() if NOBODY not in roles], ids=" ".join)
def test_without_a_valid_token_nothing_is_answered(api: Api, route: tuple[str, str]) -> None:
    with api.gateway.client() as stranger:
        assert [status_of(stranger, route, authorization=token) for token in _TOKENS] == [401] * len(_TOKENS)


def test_a_route_that_does_not_say_what_it_does_is_denied() -> None:
    app = create_app(make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0"))

    @app.get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    assert roles_by_route(app)["GET", "/forgotten"] == frozenset()

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
            return [(await client.get(path)).status_code for path in ("/forgotten", "/health")]

    assert asyncio.run(ask()) == [403, 200]
