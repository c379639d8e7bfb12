"""Bag types and areas as data, with their own API (domain.md, Codes; People, devices, areas)."""

import itertools
from functools import partial
from typing import Any

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.scans import LUCKNOW
from tests.support.system import scan_of, submit
from tests.support.together import at_once
from tests.support.waiting import eventually

_numbers = itertools.count(10)
WHEAT = {"bag_type_id": 1, "name": "wheat", "parent_pattern": r"SB\d{5}", "capacity": 30, "child_weight_g": 1000}


def new_type(**fields: Any) -> dict[str, Any]:
    """Give a bag type whose pattern nobody else has."""
    number = next(_numbers)
    return {
        "name": f"type {number}",
        "parent_pattern": rf"T{number}-\d{{4}}",
        "capacity": 2,
        "child_weight_g": 500,
    } | fields


def create(admin: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = admin.post("/api/v1/bag-types", json=new_type(**fields))
    assert answer.status_code == httpx.codes.CREATED, answer.text
    bag_type: dict[str, Any] = answer.json()
    return bag_type


def audited(api: Api, action: str, object_: str) -> dict[str, Any]:
    return api.warehouse.row(
        "SELECT before, after FROM audit_log WHERE action = :action AND object = :object", action=action, object=object_
    )


def codes_of(bag_type: dict[str, Any]) -> list[str]:
    prefix = bag_type["parent_pattern"].partition("\\")[0]
    return [f"{prefix}{number:04d}" for number in range(1, 500)]


def test_everybody_in_the_business_sees_the_bag_types(api: Api, device: httpx.Client) -> None:
    with api.person("dispatcher", LUCKNOW) as dispatcher:
        for client in (device, dispatcher):
            assert client.get("/api/v1/bag-types").json()["items"][0] == WHEAT


def test_a_bag_type_is_met_by_scans_without_a_restart_and_is_audited(
    api: Api, device: httpx.Client, admin: httpx.Client
) -> None:
    wanted = new_type()
    submit(device, scan_of("parent", "SB00001"))  # the worker has read the types that are there

    created = admin.post("/api/v1/bag-types", json=wanted).json()

    assert audited(api, "bag_type.create", f"bag_type:{created['bag_type_id']}") == {"before": None, "after": wanted}
    codes = iter(codes_of(wanted))
    eventually(lambda: submit(device, scan_of("parent", next(codes)))["outcome"] == "applied")
    sack = next(codes)
    outcomes = [
        submit(device, scan_of("child", f"TYP{next(_numbers):05d}", parent_code=sack))["outcome"] for _ in range(3)
    ]
    assert outcomes == ["applied", "applied", "parent_full"]
    assert admin.get(f"/api/v1/bags/{sack}").json()["weight_g"] == 1000


def test_sacks_keep_the_capacity_and_child_weight_they_were_created_with(
    api: Api, device: httpx.Client, admin: httpx.Client
) -> None:
    bag_type = create(admin)
    codes = iter(codes_of(bag_type))
    eventually(lambda: submit(device, scan_of("parent", next(codes)))["outcome"] == "applied")
    sack = next(codes)
    submit(device, scan_of("parent", sack))

    changed = admin.patch(f"/api/v1/bag-types/{bag_type['bag_type_id']}", json={"capacity": 7, "child_weight_g": 900})

    assert changed.json() == bag_type | {"capacity": 7, "child_weight_g": 900}
    assert audited(api, "bag_type.change", f"bag_type:{bag_type['bag_type_id']}") == {
        "before": new_fields(bag_type),
        "after": new_fields(changed.json()),
    }
    eventually(lambda: submit(device, scan_of("parent", next(codes)))["parent"]["capacity"] == 7)
    assert submit(device, scan_of("parent", sack))["parent"] == {
        "code": sack,
        "children": 0,
        "capacity": 2,
        "weight_g": 0,
    }


def new_fields(bag_type: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in bag_type.items() if name != "bag_type_id"}


@pytest.mark.parametrize("pattern", [r"SB\d{5}", "SB00001", "S[A-Z][A-Z0-9]{5}", "[A-Z0-9]{7}", "SB0[A-Z0-9]{4}"])
def test_a_pattern_that_shares_a_code_with_another_is_refused_with_the_code(admin: httpx.Client, pattern: str) -> None:
    problem = problem_of(admin.post("/api/v1/bag-types", json=new_type(parent_pattern=pattern)), 409)

    assert "would be a sack of wheat too" in problem["detail"]
    assert problem["errors"] == [{"field": "parent_pattern", "detail": "overlaps that of wheat"}]


def test_a_pattern_that_matches_registered_children_is_refused_with_their_number(
    device: httpx.Client, admin: httpx.Client
) -> None:
    for number in range(3):
        submit(device, scan_of("child", f"QQ0{number}Z", parent_code="SB00002"))

    problem = problem_of(admin.post("/api/v1/bag-types", json=new_type(parent_pattern=r"QQ\d{2}Z")), 409)

    assert problem["detail"].startswith("3 bags that are registered as children have codes of this pattern")


@pytest.mark.parametrize("pattern", ["SB.*", r"^X\d$", r"(X\d)+", "x1", r"X\d{1,3}", "X{99}"])
def test_a_pattern_that_is_none_is_refused(admin: httpx.Client, pattern: str) -> None:
    problem = problem_of(admin.post("/api/v1/bag-types", json=new_type(parent_pattern=pattern)), 422)

    assert [error["field"] for error in problem["errors"]] == ["parent_pattern"]


def test_of_two_patterns_that_overlap_and_arrive_at_once_one_is_taken(admin: httpx.Client) -> None:
    number = next(_numbers)
    wanted = [new_type(parent_pattern=f"Z{number}[A-Z]0"), new_type(parent_pattern=rf"Z{number}A\d")]

    answers = at_once([partial(admin.post, "/api/v1/bag-types", json=each) for each in wanted])

    assert sorted(answer.status_code for answer in answers) == [201, 409]


def test_what_would_change_nothing_or_take_a_name_is_refused(admin: httpx.Client) -> None:
    one, other = create(admin), create(admin)
    address = f"/api/v1/bag-types/{one['bag_type_id']}"

    problem_of(admin.patch(address, json={}), 422)
    problem_of(admin.patch(address, json={"capacity": 0}), 422)
    problem_of(admin.patch(address, json={"colour": "red"}), 422)
    problem_of(admin.patch(address, json={"name": other["name"]}), 409)
    problem_of(admin.patch(address, json={"parent_pattern": other["parent_pattern"]}), 409)
    problem_of(admin.patch("/api/v1/bag-types/31999", json={"capacity": 3}), 404)
    assert admin.patch(address, json={"parent_pattern": one["parent_pattern"]}).json() == one


def test_a_new_area_is_served_at_once(api: Api, device: httpx.Client, admin: httpx.Client) -> None:
    code = f"area_{next(_numbers)}"

    created = admin.post("/api/v1/areas", json={"code": code, "name": "Kathmandu", "zone": "Asia/Kathmandu"})

    assert created.status_code == httpx.codes.CREATED, created.text
    assert created.json() in device.get("/api/v1/areas").json()["items"]
    enrolled = admin.post("/api/v1/devices", json={"name": f"gun of {code}", "area": code})
    assert enrolled.json()["area"] == code
    billed = admin.post("/api/v1/bills", json={"area": code, "capacity": 1, "destination": "Delhi"})
    assert billed.json()["area"] == code
    assert audited(api, "area.create", f"area:{code}")["after"]["zone"] == "Asia/Kathmandu"
    problem_of(admin.post("/api/v1/areas", json={"code": code, "name": "Again"}), 409)


def test_an_areas_name_and_zone_can_be_changed_and_its_code_stays(api: Api, admin: httpx.Client) -> None:
    code = f"area_{next(_numbers)}"
    admin.post("/api/v1/areas", json={"code": code, "name": "Old", "zone": "Asia/Kolkata"})

    changed = admin.patch(f"/api/v1/areas/{code}", json={"name": "New", "zone": "Asia/Dubai"}).json()

    assert (changed["code"], changed["name"], changed["zone"]) == (code, "New", "Asia/Dubai")
    assert audited(api, "area.change", f"area:{code}") == {
        "before": {"name": "Old", "zone": "Asia/Kolkata"},
        "after": {"name": "New", "zone": "Asia/Dubai"},
    }
    problem_of(admin.patch(f"/api/v1/areas/{code}", json={"code": "other"}), 422)
    problem_of(admin.patch("/api/v1/areas/atlantis", json={"name": "x"}), 404)


@pytest.mark.parametrize(
    "wrong",
    [{"zone": "Mars/Base"}, {"zone": "localtime"}, {"zone": "../etc/passwd"}, {"code": "all"}, {"code": "Upper"}],
    ids=str,
)
def test_an_area_with_no_zone_or_code_of_its_own_is_refused(admin: httpx.Client, wrong: dict[str, str]) -> None:
    problem = problem_of(admin.post("/api/v1/areas", json={"code": "never", "name": "x"} | wrong), 422)

    assert [error["field"] for error in problem["errors"]] == list(wrong)
