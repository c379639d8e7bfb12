"""Who may do what over HTTP: denied by default, and what is in another area is not there."""

import itertools

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE, LUCKNOW
from tests.support.system import scan_of
from tests.support.warehouse import PASSWORD
from tracetrack_common.ids import uuid7

_numbers = itertools.count(1)


def test_a_revoked_device_is_turned_away_and_writes_nothing(api: Api) -> None:
    device = api.warehouse.device()
    scan = scan_of("parent", f"SB{next(_numbers):05d}")
    with api.gateway.client(device.token) as client:
        assert client.get("/api/v1/bills").status_code == httpx.codes.OK
        api.warehouse.change("UPDATE device SET revoked_at = now() WHERE device_id = :id", id=device.device_id)

        for path, body in (("scans", scan), ("scans/batch", {"scans": [scan]})):
            problem_of(client.post(f"/api/v1/{path}", json=body, headers={"Prefer": "wait=5"}), 401)

    assert api.warehouse.value("SELECT count(*) FROM scan WHERE scan_id = :id", id=scan["scan_id"]) == 0


@pytest.mark.parametrize(
    "ended",
    [
        "UPDATE user_session SET ended_at = now() WHERE user_id = :id",
        "UPDATE user_session SET expires_at = now() WHERE user_id = :id",
        "UPDATE app_user SET disabled_at = now() WHERE user_id = :id",
    ],
    ids=["ended", "expired", "disabled"],
)
def test_a_session_that_is_over_is_turned_away(api: Api, ended: str) -> None:
    person = api.warehouse.person("biller")
    with api.gateway.client(person.token) as client:
        assert client.get("/api/v1/bills").status_code == httpx.codes.OK
        api.warehouse.change(ended, id=person.user_id)

        problem_of(client.get("/api/v1/bills"), 401)


def test_a_login_gives_a_session_that_lasts_and_says_who_it_is(api: Api) -> None:
    person = api.warehouse.person("dispatcher", INDORE)
    with api.gateway.client() as client:
        credentials = {"username": person.username.upper(), "password": PASSWORD}
        answer = client.post("/api/v1/sessions", json=credentials)

        assert answer.status_code == httpx.codes.CREATED
        session = answer.json()
        assert session["user"] == {"username": person.username, "role": "dispatcher", "area": "indore"}
        with api.gateway.client(session["token"]) as logged_in:
            assert logged_in.get("/api/v1/bills").status_code == httpx.codes.OK
    assert api.warehouse.value("SELECT count(*) FROM user_session WHERE user_id = :id", id=person.user_id) == 2


@pytest.mark.parametrize("case", ["unknown", "wrong", "disabled"])
def test_whoever_cannot_log_in_hears_the_same_whatever_the_reason(api: Api, case: str) -> None:
    person = api.warehouse.person()
    if case == "disabled":
        api.warehouse.change("UPDATE app_user SET disabled_at = now() WHERE user_id = :id", id=person.user_id)
    credentials = {
        "username": f"nobody_{next(_numbers)}" if case == "unknown" else person.username,
        "password": "wrong" if case == "wrong" else PASSWORD,
    }

    with api.gateway.client() as client:
        problem = problem_of(client.post("/api/v1/sessions", json=credentials), 401)

    assert problem["detail"] == "The username or the password is wrong."


def test_a_device_that_an_admin_enrols_can_scan_at_once_and_its_name_is_taken(api: Api) -> None:
    wanted = {"name": f"gun {uuid7()}", "area": "indore"}
    with api.person("admin") as admin:
        enrolled = admin.post("/api/v1/devices", json=wanted)
        assert enrolled.status_code == httpx.codes.CREATED
        with api.gateway.client(enrolled.json()["token"]) as device:
            scan = scan_of("parent", f"SB{next(_numbers):05d}")
            answer = device.post("/api/v1/scans", json=scan, headers={"Prefer": "wait=20"})
            assert answer.json()["outcome"] == "applied"

        problem_of(admin.post("/api/v1/devices", json=wanted), 409)
        elsewhere = problem_of(admin.post("/api/v1/devices", json={"name": f"gun {uuid7()}", "area": "atlantis"}), 422)
        listed = admin.get("/api/v1/devices?limit=200").json()["items"]
    assert {"name": wanted["name"], "area": "indore"}.items() <= listed[-1].items()
    assert not any("token" in device for device in listed)
    assert [error["field"] for error in elsewhere["errors"]] == ["area"]


@pytest.mark.parametrize("role", ["device", "dispatcher"])
def test_what_is_in_another_area_is_not_there(api: Api, role: str) -> None:
    sack, bill_no = f"SB{next(_numbers):05d}", f"FOREIGN-{next(_numbers)}"
    own = api.warehouse.device(LUCKNOW)
    scan = scan_of("parent", sack)
    with api.gateway.client(own.token) as device, api.person() as biller:
        device.post("/api/v1/scans", json=scan, headers={"Prefer": "wait=20"})
        biller.post(
            "/api/v1/bills", json={"bill_no": bill_no, "area": "lucknow", "capacity": 1, "destination": "Delhi"}
        )
        return_no = biller.post("/api/v1/returns", json={"area": "lucknow"}).json()["return_no"]
    paths = [
        f"bags/{sack}",
        f"bags/{sack}/history",
        f"scans/{scan['scan_id']}",
        f"bills/{bill_no}",
        f"bills/{bill_no}/bags",
        f"returns/{return_no}",
    ]
    if role == "dispatcher":
        paths += ["eod/2026-11-22?area=lucknow", "eod/2026-11-22?area=all", "eod/2026-11-22/document.xlsx?area=lucknow"]

    foreign = api.device(INDORE) if role == "device" else api.person("dispatcher", INDORE)
    absent = {sack: "SB98765", bill_no: "NO-SUCH-BILL", return_no: "RTN-20000101-0001", scan["scan_id"]: str(uuid7())}
    with foreign, api.gateway.client(own.token) as owner:
        for path in paths:
            problem = problem_of(foreign.get(f"/api/v1/{path}"), 404)
            named = next((name for name in absent if name in path), None)
            if named is not None:
                nothing = problem_of(foreign.get(f"/api/v1/{path.replace(named, absent[named])}"), 404)
                assert problem["detail"].replace(named, "…") == nothing["detail"].replace(absent[named], "…")
                assert owner.get(f"/api/v1/{path}").status_code == httpx.codes.OK
        assert not foreign.get("/api/v1/bills?area=lucknow").json()["items"]
        assert bill_no not in foreign.get("/api/v1/bills?limit=200").text


def test_a_device_of_another_area_can_load_nothing_and_take_nothing_back(api: Api) -> None:
    sack, bill_no = f"SB{next(_numbers):05d}", f"FOREIGN-{next(_numbers)}"
    with api.person() as biller, api.device(INDORE) as foreign:
        biller.post(
            "/api/v1/bills", json={"bill_no": bill_no, "area": "lucknow", "capacity": 1, "destination": "Delhi"}
        )
        return_no = biller.post("/api/v1/returns", json={"area": "lucknow"}).json()["return_no"]
        scans = [
            scan_of("parent", sack),
            scan_of("bill", sack, bill_no=bill_no),
            scan_of("return", sack, return_no=return_no),
        ]
        answer = foreign.post("/api/v1/scans/batch", json={"scans": scans}, headers={"Prefer": "wait=20"})

    assert [each["outcome"] for each in answer.json()["results"]] == ["applied", "unknown_bill", "unknown_return"]


def test_a_command_is_shown_to_who_sent_it_and_to_admins(api: Api) -> None:
    with api.person() as biller, api.person() as another, api.person("admin") as admin:
        made = biller.post("/api/v1/eod/2000-01-01")
        address = made.headers["location"]

        assert made.status_code == httpx.codes.ACCEPTED
        assert biller.get(address).json() == {**made.json(), "status": "queued", "outcome": None}
        problem_of(another.get(address), 404)
        problem_of(admin.get(address.rsplit("/", 1)[0] + f"/{uuid7()}"), 404)
