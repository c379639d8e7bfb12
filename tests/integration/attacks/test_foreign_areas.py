"""Another area's objects: every route of the document x what is elsewhere is 404, writes nothing, and no list shows it.

The routes come from the document, so that one that is added is attacked too; a new parameter must be named here.
"""

import itertools
import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE, LUCKNOW
from tests.support.settings import make_settings
from tests.support.system import scan_of
from tracetrack_gateway.main import create_app
from tracetrack_gateway.roles import roles_by_route

WAIT = {"Prefer": "wait=20"}
MARKER = "ELSEWHERE"
_APP = create_app(make_settings("postgresql://nobody@127.0.0.1:1/nowhere", "redis://127.0.0.1:1/0"))
_ROLES = roles_by_route(_APP)
_OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in _APP.openapi()["paths"].items()
    for method, operation in methods.items()
}
_BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/api/v1/bills/{bill_no}"): {"vehicle": "mine now"},
}
"""What a route takes where `{}` will not do."""
_OWN = re.compile(r"\{(session_id|command_id|notification_id)\}")
"""What is a person's own and not an area's: there even a biller, who sees all areas, sees nothing of another's."""
_NO_ONES = ("command", "audit", "audit_log", "tally", "tally_delta", "device_delivery")
"""Tables that say what was tried."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Elsewhere:
    """What there is in another area, and of another person.

    Parameters
    ----------
    values
        By the name of the parameter that takes it.
    """

    values: dict[str, str]

    def path(self, template: str) -> str:
        """Put what is elsewhere in the place of every parameter."""
        return re.sub(r"\{(\w+)\}", lambda found: self.values[found[1]], template)


@pytest.fixture(scope="module")
def elsewhere(api: Api) -> Elsewhere:
    """Have something of everything in lucknow."""
    sack, child, bill_no = f"SB{next(_numbers) + 61_000}", f"{MARKER}CHILD", f"{MARKER}-1"
    owner = api.warehouse.person("dispatcher", LUCKNOW)
    with api.device(LUCKNOW) as device, api.person("admin") as admin, api.gateway.client(owner.token) as dispatcher:
        bill = {"bill_no": bill_no, "area": "lucknow", "capacity": 2, "destination": MARKER}
        assert admin.post("/api/v1/bills", json=bill).status_code == httpx.codes.CREATED
        return_no = admin.post("/api/v1/returns", json={"area": "lucknow", "notes": MARKER}).json()["return_no"]
        scan = scan_of("child", child, parent_code=sack)
        for each in (scan, scan_of("bill", sack, bill_no=bill_no)):
            assert device.post("/api/v1/scans", json=each, headers=WAIT).json()["outcome"] == "applied"
        command = dispatcher.post(f"/api/v1/bags/{sack}/undo", json={"child": "CH00000"}, headers={"Prefer": "wait=0"})
        api.warehouse.change(
            "INSERT INTO notification (user_id, event_key, priority, title, body)"
            " VALUES (:id, 'attack', 'normal', :title, 'theirs')",
            id=owner.user_id,
            title=MARKER,
        )
        notification = api.warehouse.value("SELECT notification_id FROM notification WHERE title = :t", t=MARKER)
        session = api.warehouse.value("SELECT session_id FROM user_session WHERE user_id = :id", id=owner.user_id)
    return Elsewhere(
        {
            "code": sack,
            "bill_no": bill_no,
            "return_no": return_no,
            "scan_id": scan["scan_id"],
            "command_id": command.json()["command_id"],
            "session_id": str(session),
            "notification_id": str(notification),
            "business_date": "2026-11-22",
            "document_format": "pdf",
        }
    )


def attacked(role: str) -> list[tuple[str, str]]:
    """Give the routes with a parameter that a role may call."""
    return [
        route
        for route, roles in _ROLES.items()
        if role in roles
        and "{" in route[1]
        and "{token}" not in route[1]
        and (role != "biller" or _OWN.search(route[1]))
    ]


def intruder(api: Api, role: str) -> httpx.Client:
    return api.device(INDORE) if role == "device" else api.person(role, None if role == "biller" else INDORE)


@pytest.mark.parametrize(
    ("role", "route"),
    [(role, route) for role in ("device", "dispatcher", "biller") for route in attacked(role)],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_is_elsewhere_is_not_there_for_any_route_and_stays_as_it_is(
    api: Api, elsewhere: Elsewhere, role: str, route: tuple[str, str]
) -> None:
    method, path = route
    query = {"area": "lucknow"} if "{business_date}" in path else {}
    body = _BODIES.get(route, {}) if "requestBody" in _OPERATIONS[route] else None
    with intruder(api, role) as client:
        before = everything(api)
        answer = client.request(method, elsewhere.path(path), params=query, json=body)

        problem_of(answer, 404)
        assert MARKER not in answer.text.replace(elsewhere.values["bill_no"], "…")
        assert everything(api) == before


def everything(api: Api) -> dict[str, tuple[int, str]]:
    return {table: rows for table, rows in api.warehouse.everything().items() if table not in _NO_ONES}


@pytest.mark.parametrize("role", ["device", "dispatcher"])
@pytest.mark.parametrize("area", ["", "lucknow"], ids=["all", "asked for"])
def test_no_list_shows_what_is_elsewhere(api: Api, elsewhere: Elsewhere, role: str, area: str) -> None:
    lists = [
        path
        for (method, path), roles in _ROLES.items()
        if method == "GET" and role in roles and "{" not in path and path != "/api/v1/events"
    ]
    shown = [elsewhere.values[name] for name in ("code", "bill_no", "return_no", "scan_id")]
    with intruder(api, role) as client:
        for path in lists:
            takes = {each["name"] for each in _OPERATIONS["GET", path].get("parameters", ())}
            if area and "area" not in takes:
                continue
            answer = client.get(path, params={"area": area} if area else {})
            assert answer.status_code in {200, 404}, f"{path}: {answer.text}"
            assert not [each for each in [MARKER, *shown] if each in answer.text], path


def test_a_scan_that_names_a_bill_or_return_elsewhere_changes_nothing_there(api: Api, elsewhere: Elsewhere) -> None:
    sack = f"SB{next(_numbers) + 62_000}"
    values = elsewhere.values
    with api.device(INDORE) as client:
        scans = [
            scan_of("parent", sack),
            scan_of("bill", sack, bill_no=values["bill_no"]),
            scan_of("return", sack, return_no=values["return_no"]),
        ]
        answer = client.post("/api/v1/scans/batch", json={"scans": scans}, headers=WAIT)

    assert [each["outcome"] for each in answer.json()["results"]] == ["applied", "unknown_bill", "unknown_return"]
    assert api.warehouse.value("SELECT sacks FROM bill WHERE bill_no = :no", no=values["bill_no"]) == 1
