"""From a browser and into a log: no cookie is a credential, nothing is shared across origins, and text stays text."""

import csv
import io
import itertools
import json
import logging
import sys

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.settings import make_settings
from tests.support.system import scan_of
from tracetrack_common.log import configure_logging, get_logger
from tracetrack_gateway.access import NOBODY
from tracetrack_gateway.main import create_app
from tracetrack_gateway.roles import roles_by_route

_ROLES = roles_by_route(create_app(make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0")))
_CLOSED = [route for route, roles in _ROLES.items() if NOBODY not in roles]
_numbers = itertools.count(66_000)
WAIT = {"Prefer": "wait=20"}
SCRIPT = "<script>alert(1)</script>"


def some_path(path: str) -> str:
    return path.replace("{", "").replace("}", "")


@pytest.mark.parametrize("route", _CLOSED, ids=" ".join)
def test_no_route_takes_a_cookie_a_query_or_a_body_for_a_credential(api: Api, route: tuple[str, str]) -> None:
    token = api.warehouse.person("admin").token if "admin" in _ROLES[route] else api.warehouse.device().token
    method, path = route
    cookies = "; ".join(f"{name}={token}" for name in ("session", "token", "access_token", "__Host-session"))
    with api.gateway.client() as browser:
        for headers in (
            {"Cookie": f"{cookies}; Authorization=Bearer {token}"},
            {"X-Api-Key": token, "X-Authorization": f"Bearer {token}"},
            {"Authorization": f"Basic {token}"},
        ):
            query = {"token": token, "access_token": token}
            answer = browser.request(method, some_path(path), params=query, headers=headers)
            problem_of(answer, 401)
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("route", _ROLES, ids=" ".join)
def test_no_answer_is_shared_with_another_origin(admin: httpx.Client, route: tuple[str, str]) -> None:
    foreign = {"Origin": "https://evil.example", "Access-Control-Request-Method": route[0]}
    preflight = admin.options(some_path(route[1]), headers=foreign)
    with admin.stream(route[0], some_path(route[1]), headers=foreign) as answer:
        assert [name for name in answer.headers if name.startswith("access-control-")] == []
    assert [name for name in preflight.headers if name.startswith("access-control-")] == []
    assert preflight.status_code == httpx.codes.METHOD_NOT_ALLOWED


def test_every_answer_tells_browsers_to_run_frame_and_keep_nothing_of_it(api: Api, admin: httpx.Client) -> None:
    with api.gateway.client() as stranger:
        answers = [
            admin.get("/api/v1/bills"),
            admin.get("/api/v1/bills", headers={"Accept": "text/csv"}),
            admin.get("/api/v1/bills/NONE"),
            admin.post("/api/v1/bills", json={}),
            stranger.get("/api/v1/bills"),
            stranger.get("/nowhere"),
            stranger.get("/health"),
            stranger.get("/openapi.json"),
            admin.post("/api/v1/bills", content=b"x" * 3_000_000),
        ]
    for answer in answers:
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


@pytest.mark.parametrize("text", [SCRIPT, '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "{{7*7}}${7*7}"])
def test_a_stored_script_comes_back_as_json_and_nothing_else(
    admin: httpx.Client, device: httpx.Client, text: str
) -> None:
    bill = {"area": "lucknow", "capacity": 1, "destination": text, "vehicle": text, "description": text}
    made = admin.post("/api/v1/bills", json=bill)
    bill_no = made.json()["bill_no"]
    scan = scan_of("parent", text)
    scanned = device.post("/api/v1/scans", json=scan, headers=WAIT)

    for answer in (made, scanned, admin.get(f"/api/v1/bills/{bill_no}"), admin.get("/api/v1/scans")):
        assert answer.headers["content-type"] == "application/json"
    assert admin.get(f"/api/v1/bills/{bill_no}").json()["destination"] == text
    refusal = admin.get(f"/api/v1/bags/{SCRIPT}")
    assert refusal.headers["content-type"] == "application/problem+json"


def test_no_cell_of_any_list_is_a_formula(admin: httpx.Client, device: httpx.Client) -> None:
    for start in ("=1+1", "+1", "-1", "@SUM(A1)"):
        device.post("/api/v1/scans", json=scan_of("parent", start), headers=WAIT)
        bill = {"area": "lucknow", "capacity": 1, "destination": start, "vehicle": start, "description": start}
        admin.post("/api/v1/bills", json=bill)
        admin.post("/api/v1/returns", json={"area": "lucknow", "notes": start})
        admin.post("/api/v1/areas", json={"code": f"area_{next(_numbers)}", "name": start})
    lists = []
    for (method, path), roles in _ROLES.items():
        if method == "GET" and "{" not in path and path != "/api/v1/events" and "admin" in roles:
            answer = admin.get(path, headers={"Accept": "text/csv"})
            if answer.headers["content-type"].startswith("text/csv"):
                lists.append(path)
                cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
                assert [cell for cell in cells if cell[:1] in {"=", "+", "@", "\t", "\r"}] == []
                assert [cell for cell in cells if cell[:1] == "-" and not cell.lstrip("-").isdecimal()] == []
    assert {f"/api/v1/{name}" for name in ("scans", "bags", "bills", "returns", "areas", "users", "audit")} <= set(
        lists
    )


EVIL = 'x"}\n{"event": "login_failed", "level": "critical"}\r\n\x1b[31m\u2028'


def test_what_is_logged_is_one_line_of_json_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        configure_logging("info", process="attack")
        get_logger("attack").info("code_seen", code=EVIL, username=EVIL, user_agent=EVIL)
        logging.getLogger("library").warning("odd: %s", EVIL)
        sys.stdout.flush()
        lines = [line for line in "".join(capsys.readouterr()).split("\n") if line]
    finally:
        configure_logging("critical", process="tests")

    documents = [json.loads(line) for line in lines]
    assert [document["level"] for document in documents] == ["info", "warning"]
    assert documents[0]["code"] == EVIL
    assert not any(character in line for line in lines for character in "\r\x1b")


def test_a_request_cannot_name_itself_something_that_is_not_a_name(api: Api) -> None:
    with api.gateway.client() as client:
        for name in ("a b c d e f g", "x" * 65, '{"event":"x"}', "../../../etc"):
            assert client.get("/health", headers={"X-Request-Id": name}).headers["x-request-id"] != name
