"""Bills over HTTP: totals, the lock of a completed one, edits that lose nothing, lists (domain.md, Bills)."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.support.books import assert_counts_follow_history
from tests.support.gateway import Api, problem_of
from tests.support.scans import LUCKNOW
from tests.support.system import scan_of
from tests.support.together import at_once

_numbers = itertools.count(1)
WAIT = {"Prefer": "wait=20"}


def new_sack() -> str:
    return f"SB{next(_numbers):05d}"


def new_child() -> str:
    return f"CHILD{next(_numbers):06d}"


def submit(device: httpx.Client, *scans: Mapping[str, Any]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = device.post("/api/v1/scans/batch", json={"scans": scans}, headers=WAIT).json()[
        "results"
    ]
    return results


def open_bill(biller: httpx.Client, **fields: Any) -> str:
    wanted = {"bill_no": f"B-{next(_numbers)}", "area": "lucknow", "capacity": 5, "destination": "Delhi"} | fields
    answer = biller.post("/api/v1/bills", json=wanted)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return str(answer.json()["bill_no"])


def load_sack(device: httpx.Client, bill_no: str, children: int = 0) -> str:
    """Put a new sack with so many children on a bill."""
    code = new_sack()
    fill = [scan_of("child", new_child(), parent_code=code) for _ in range(children)]
    results = submit(device, scan_of("parent", code), *fill, scan_of("bill", code, bill_no=bill_no))
    assert {result["outcome"] for result in results} == {"applied"}
    return code


def show(client: httpx.Client, bill_no: str) -> dict[str, Any]:
    answer = client.get(f"/api/v1/bills/{bill_no}")
    assert answer.status_code == httpx.codes.OK, answer.text
    bill: dict[str, Any] = answer.json()
    return bill


def totals(bill: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(bill[name] for name in ("sacks", "children", "actual_weight_g", "expected_weight_g", "variance_g"))


def test_5_sacks_with_128_children_billed_give_128_kg_150_kg_minus_22_kg(
    admin: httpx.Client, device: httpx.Client
) -> None:
    bill_no = open_bill(admin)
    for children in (30, 30, 30, 30, 8):
        load_sack(device, bill_no, children)

    assert totals(show(device, bill_no)) == (5, 128, 128_000, 150_000, -22_000)


def test_4_of_5_linked_and_completed_needs_1_more_two_completions_at_once_at_5_of_5_make_one_transition(
    api: Api, admin: httpx.Client, device: httpx.Client
) -> None:
    bill_no = open_bill(admin)
    for _ in range(4):
        load_sack(device, bill_no)

    problem = problem_of(admin.post(f"/api/v1/bills/{bill_no}/complete"), 409)
    assert "needs 1 more" in problem["detail"]
    assert show(device, bill_no)["status"] == "processing"

    load_sack(device, bill_no)
    with api.person() as one, api.person() as other:
        answers = at_once([lambda who=who: who.post(f"/api/v1/bills/{bill_no}/complete") for who in (one, other)])  # type: ignore[misc]
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    states = "SELECT count(*) FROM bill_state JOIN bill USING (bill_id) WHERE bill_no = :no AND {}"
    assert api.warehouse.value(states.format("bill_state.status = 'completed'"), no=bill_no) == 1


def test_a_completed_bill_edited_deleted_or_its_sack_given_a_child_is_refused_until_reopened(
    api: Api, admin: httpx.Client, device: httpx.Client
) -> None:
    bill_no = open_bill(admin, capacity=2)
    code, spare = load_sack(device, bill_no), new_sack()
    submit(device, scan_of("parent", spare))
    path = f"/api/v1/bills/{bill_no}"
    assert admin.post(f"{path}/complete", json={"reason": "the lorry leaves"}).json()["status"] == "completed"

    def outcomes() -> list[str]:
        attached = admin.post(f"{path}/bags", json={"code": spare}).json()["outcome"]
        scanned = submit(
            device, scan_of("child", new_child(), parent_code=code), scan_of("bill", spare, bill_no=bill_no)
        )
        return [attached, *(result["outcome"] for result in scanned)]

    for refused in (
        admin.patch(path, json={"vehicle": "UP32"}),
        admin.delete(path),
        admin.delete(f"{path}/bags/{code}"),
        admin.post(f"{path}/complete"),
    ):
        assert "completed" in problem_of(refused, 409)["detail"]
    assert outcomes() == ["bill_completed"] * 3
    assert (show(device, bill_no)["vehicle"], totals(show(device, bill_no))[0]) == (None, 1)
    audited = api.warehouse.rows("SELECT action FROM audit_log WHERE object = :object", object=f"bill:{bill_no}")
    assert [row["action"] for row in audited].count("bill.delete_refused") == 1

    assert admin.post(f"{path}/reopen").json()["status"] == "processing"
    problem_of(admin.post(f"{path}/reopen"), 409)
    assert outcomes() == ["applied", "applied", "duplicate"]
    assert admin.patch(path, json={"vehicle": "UP32"}).json()["vehicle"] == "UP32"
    assert admin.delete(f"{path}/bags/{code}").json()["sacks"] == 1
    assert admin.delete(path).json() == {"bill_no": bill_no, "sacks_freed": 1}


def test_a_sack_on_bill_1_added_to_bill_2_is_refused_and_names_bill_1(
    admin: httpx.Client, device: httpx.Client
) -> None:
    first, second = open_bill(admin), open_bill(admin)
    code = load_sack(device, first)

    (scanned,) = submit(device, scan_of("bill", code, bill_no=second))
    by_hand = admin.post(f"/api/v1/bills/{second}/bags", json={"code": code}).json()

    for outcome in (scanned, by_hand):
        assert (outcome["outcome"], outcome["feedback"], outcome["refers_to"]) == ("on_other_bill", "stop", first)
    assert (totals(show(device, first))[0], totals(show(device, second))[0]) == (1, 0)


def test_a_dispatcher_creating_a_bill_is_answered_403(api: Api) -> None:
    with api.person("dispatcher", LUCKNOW) as dispatcher:
        wanted = {"area": "lucknow", "capacity": 1, "destination": "Delhi"}
        problem_of(dispatcher.post("/api/v1/bills", json=wanted), 403)


def test_a_blank_reason_completes_nothing(admin: httpx.Client) -> None:
    bill_no = open_bill(admin)

    problem = problem_of(admin.post(f"/api/v1/bills/{bill_no}/complete", json={"reason": " "}), 409)

    assert "needs 5 more" in problem["detail"]


def test_a_sack_taken_off_leaves_the_totals_keeps_its_children_and_says_so_in_its_history(
    api: Api, admin: httpx.Client, device: httpx.Client
) -> None:
    bill_no = open_bill(admin)
    code, stays = load_sack(device, bill_no, 3), load_sack(device, bill_no, 2)
    on_bill = admin.get(f"/api/v1/bills/{bill_no}/bags").json()["items"]
    assert [(sack["code"], sack["children"], sack["weight_g"]) for sack in on_bill] == [
        (code, 3, 3_000),
        (stays, 2, 2_000),
    ]

    taken = admin.delete(f"/api/v1/bills/{bill_no}/bags/{code.lower()}")

    assert totals(taken.json()) == (1, 2, 2_000, 30_000, -28_000)
    assert [sack["code"] for sack in admin.get(f"/api/v1/bills/{bill_no}/bags").json()["items"]] == [stays]
    bag = admin.get(f"/api/v1/bags/{code}").json()
    assert (bag["bill_no"], len(bag["children"])) == (None, 3)
    assert admin.get(f"/api/v1/bags/{code}/history").json()["items"][-1]["event"] == "taken_off_bill"
    audited = api.warehouse.row(
        "SELECT before, after FROM audit_log WHERE action = 'bill.detach' AND object = :object",
        object=f"bill:{bill_no}",
    )
    assert (audited["before"]["sack"], audited["before"]["sacks"], audited["after"]["sacks"]) == (code, 2, 1)
    problem_of(admin.delete(f"/api/v1/bills/{bill_no}/bags/{code}"), 404)
    assert submit(device, scan_of("bill", code, bill_no=bill_no))[0]["outcome"] == "applied"
    assert_counts_follow_history(api.warehouse)


def test_the_sacks_of_a_bill_come_in_pages_each_once(admin: httpx.Client, device: httpx.Client) -> None:
    bill_no = open_bill(admin)
    codes = [load_sack(device, bill_no) for _ in range(3)]

    first = admin.get(f"/api/v1/bills/{bill_no}/bags?limit=2").json()
    rest = admin.get(f"/api/v1/bills/{bill_no}/bags", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [sack["code"] for sack in first["items"] + rest["items"]] == codes
    assert rest["next_cursor"] is None


def test_an_edit_changes_what_it_says_and_nothing_else(api: Api, admin: httpx.Client, device: httpx.Client) -> None:
    bill_no = open_bill(admin, vehicle="UP32", description="by night")
    load_sack(device, bill_no)
    before = show(admin, bill_no)

    edited = admin.patch(f"/api/v1/bills/{bill_no}", json={"destination": "Agra", "capacity": 1, "vehicle": None})

    changed = {"destination": "Agra", "capacity": 1, "vehicle": None, "version": before["version"] + 1}
    assert edited.json() == before | changed
    audited = api.warehouse.row(
        "SELECT before, after FROM audit_log WHERE action = 'bill.edit' AND object = :object", object=f"bill:{bill_no}"
    )
    assert (audited["before"]["destination"], audited["after"]["destination"]) == ("Delhi", "Agra")
    assert admin.patch(f"/api/v1/bills/{bill_no}", json={"capacity": 1}).json() == edited.json()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"capacity": 1}, 409),
        ({"capacity": 0}, 422),
        ({"capacity": 501}, 422),
        ({"capacity": None}, 422),
        ({"destination": None}, 422),
        ({"destination": ""}, 422),
        ({"bill_no": "OTHER"}, 422),
        ({"status": "completed"}, 422),
        ({}, 422),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(
    admin: httpx.Client, device: httpx.Client, changes: dict[str, Any], status: int
) -> None:
    bill_no = open_bill(admin)
    for _ in range(2):
        load_sack(device, bill_no)
    before = show(admin, bill_no)

    problem_of(admin.patch(f"/api/v1/bills/{bill_no}", json=changes), status)

    assert show(admin, bill_no) == before


def test_an_edit_of_what_somebody_else_changed_is_refused(admin: httpx.Client) -> None:
    bill_no = open_bill(admin)
    path = f"/api/v1/bills/{bill_no}"
    read = admin.get(path).headers["etag"]
    assert admin.patch(path, json={"vehicle": "mine"}, headers={"If-Match": read}).status_code == httpx.codes.OK

    stale = {"If-Match": read}
    for refused in (
        admin.patch(path, json={"vehicle": "lost"}, headers=stale),
        admin.post(f"{path}/complete", json={"reason": "x"}, headers=stale),
        admin.post(f"{path}/reopen", headers=stale),
        admin.delete(path, headers=stale),
        admin.patch(path, json={"vehicle": "weak"}, headers={"If-Match": f"W/{admin.get(path).headers['etag']}"}),
    ):
        assert "read it again" in problem_of(refused, 412)["detail"]

    assert show(admin, bill_no)["vehicle"] == "mine"
    now = admin.get(path).headers["etag"]
    edited = admin.patch(path, json={"vehicle": "yours"}, headers={"If-Match": f"{read}, {now}"})
    assert edited.headers["etag"] not in {read, now}
    assert admin.patch(path, json={"vehicle": "any"}, headers={"If-Match": "*"}).status_code == httpx.codes.OK


def test_a_tag_changes_with_the_bills_own_fields_and_state_and_not_with_its_totals(
    admin: httpx.Client, device: httpx.Client
) -> None:
    bill_no = open_bill(admin)
    path = f"/api/v1/bills/{bill_no}"
    tags = [admin.get(path).headers["etag"]]
    load_sack(device, bill_no)
    tags.append(admin.get(path).headers["etag"])
    load_sack(device, bill_no)
    assert admin.get(path).headers["etag"] == tags[-1]
    tags.append(admin.post(f"{path}/complete", json={"reason": "x"}).headers["etag"])
    tags.append(admin.post(f"{path}/reopen").headers["etag"])

    assert len(set(tags)) == len(tags)


def test_a_deleted_bill_is_gone_its_sacks_are_free_and_its_number_is_not_given_again(
    api: Api, admin: httpx.Client, device: httpx.Client
) -> None:
    bill_no = open_bill(admin)
    codes = [load_sack(device, bill_no, 2) for _ in range(2)]
    with api.person() as biller:
        problem_of(biller.delete(f"/api/v1/bills/{bill_no}"), 403)

    assert admin.delete(f"/api/v1/bills/{bill_no}").json() == {"bill_no": bill_no, "sacks_freed": 2}

    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/complete"), ("POST", "/reopen"), ("GET", "/bags")):
        problem_of(admin.request(method, f"/api/v1/bills/{bill_no}{path}"), 404)
    assert bill_no not in admin.get("/api/v1/bills", params={"text": bill_no}).text
    assert submit(device, scan_of("bill", codes[0], bill_no=bill_no))[0]["outcome"] == "unknown_bill"
    again = {"bill_no": bill_no, "area": "lucknow", "capacity": 1, "destination": "Delhi"}
    assert "another number" in problem_of(admin.post("/api/v1/bills", json=again), 409)["detail"]
    other = open_bill(admin)
    assert {submit(device, scan_of("bill", code, bill_no=other))[0]["outcome"] for code in codes} == {"applied"}
    assert totals(show(admin, other))[:2] == (2, 4)
    assert_counts_follow_history(api.warehouse)


def test_bills_are_found_by_creator_day_and_what_is_written_on_them(api: Api) -> None:
    person = api.warehouse.person()
    with api.gateway.client(person.token) as biller, api.person() as another:
        mine = [open_bill(biller, destination=f"Pune {name}", vehicle="MH_12") for name in ("north", "100%")]
        theirs = open_bill(another, destination="Pune north")

        def found(**query: Any) -> set[str]:
            page = biller.get("/api/v1/bills", params={"limit": 200} | query)
            assert page.status_code == httpx.codes.OK, page.text
            return {bill["bill_no"] for bill in page.json()["items"]}

        assert found(created_by=person.username.upper()) == set(mine)
        assert found(text="PUNE NORTH") == {mine[0], theirs}
        assert found(text="100%") == {mine[1]}
        assert found(text="mh_12") == set(mine)
        assert found(text="mh%12") == set()
        assert found(text=mine[1].lower()) >= {mine[1]}
        today = datetime.now(UTC).astimezone(ZoneInfo("Asia/Kolkata")).date()
        day = timedelta(days=1)
        assert set(mine) <= found(created_from=today - day, created_to=today + day)
        assert found(created_to=today - day) == found(created_from=today + day) == set()
        problem_of(biller.get("/api/v1/bills", params={"created_from": "yesterday"}), 422)
