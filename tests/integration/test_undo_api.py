"""Undo, relink and deleting over HTTP (domain.md, Scans; Deletion and audit)."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.support.books import assert_counts_follow_history, assert_totals_follow_rows
from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE, LUCKNOW
from tests.support.system import scan_of, submit
from tests.support.together import at_once
from tracetrack_common.ids import uuid7

_numbers = itertools.count(1)
WAIT = {"Prefer": "wait=20"}

Scan = dict[str, Any]


def new_sack() -> str:
    return f"SB{next(_numbers):05d}"


def new_child() -> str:
    return f"CH{next(_numbers):05d}"


def into(sack: str, child: str | None = None, **fields: Any) -> Scan:
    return scan_of("child", child or new_child(), parent_code=sack, **fields)


def submit_all(device: httpx.Client, scans: list[Scan]) -> list[dict[str, Any]]:
    answer = device.post("/api/v1/scans/batch", json={"scans": scans}, headers=WAIT)
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def fill(device: httpx.Client, sack: str, children: int) -> list[Scan]:
    """Fill a sack and give the scans that did, oldest first."""
    scans = [into(sack) for _ in range(children)]
    assert {each["outcome"] for each in submit_all(device, scans)} == {"applied"}
    return scans


def bill_with(admin: httpx.Client, device: httpx.Client, *sacks: str) -> str:
    """Create a bill that has exactly these sacks on it."""
    bill_no = f"UNDO-{next(_numbers)}"
    wanted = {"bill_no": bill_no, "area": "lucknow", "capacity": len(sacks), "destination": "Delhi"}
    assert admin.post("/api/v1/bills", json=wanted).status_code == httpx.codes.CREATED
    for sack in sacks:
        assert submit(device, scan_of("bill", sack, bill_no=bill_no))["outcome"] == "applied"
    return bill_no


def count_of(client: httpx.Client, sack: str) -> int:
    return len(client.get(f"/api/v1/bags/{sack}").json()["children"])


def make_older(api: Api, scan: Scan, by: timedelta) -> None:
    """Shift a scan and its link into the past."""
    for statement in (
        "UPDATE scan SET scanned_at = scanned_at - CAST(:by AS interval) WHERE scan_id = :id",
        "UPDATE bag_link SET valid_from = valid_from - CAST(:by AS interval) WHERE link_id = :id",
    ):
        api.warehouse.change(statement, by=f"{by.total_seconds()} s", id=scan["scan_id"])


def test_a_child_linked_to_sb11111_scanned_into_sb22222_is_refused_then_relinked_and_both_counts_change(
    api: Api, device: httpx.Client
) -> None:
    child = new_child()
    submit_all(device, [into("SB11111", child), into("SB11111"), into("SB22222")])

    refused = submit(device, into("SB22222", child))
    with api.person() as biller:
        moved = biller.post(f"/api/v1/bags/{child}/relink", json={"parent_code": "sb22222"})
        history = biller.get(f"/api/v1/bags/{child}/history").json()["items"]

    assert (refused["outcome"], refused["refers_to"]) == ("linked_elsewhere", "SB11111")
    assert "SB11111" in refused["message"]
    assert moved.status_code == httpx.codes.OK, moved.text
    assert moved.json() == {
        "code": child,
        "source": {"code": "SB11111", "children": 1, "capacity": 30, "weight_g": 1000},
        "target": {"code": "SB22222", "children": 2, "capacity": 30, "weight_g": 2000},
        "message": f"{child} moved from SB11111 (1/30, 1 kg) to SB22222 (2/30, 2 kg)",
    }
    assert (count_of(device, "SB11111"), count_of(device, "SB22222")) == (1, 2)
    audited = api.warehouse.row(
        "SELECT before, after FROM audit_log WHERE action = 'bag.relink' AND object = :object", object=f"bag:{child}"
    )
    assert audited == {
        "before": {"parent": "SB11111", "children": {"SB11111": 2, "SB22222": 1}},
        "after": {"parent": "SB22222", "children": {"SB11111": 1, "SB22222": 2}},
    }
    assert [(event["event"], event["into"]) for event in history] == [
        ("registered", None),
        ("put_in", "SB11111"),
        ("scanned", "SB22222"),
        ("taken_out", "SB11111"),
        ("put_in", "SB22222"),
    ]


def test_a_parent_code_scanned_as_a_child_registered_or_not_is_wrong_bag_type(api: Api, device: httpx.Client) -> None:
    sack, other, registered = new_sack(), new_sack(), new_sack()
    submit(device, scan_of("parent", registered))

    for code in (other, registered):
        assert submit(device, into(sack, code))["outcome"] == "wrong_bag_type"
    assert api.warehouse.value("SELECT count(*) FROM bag WHERE code = ANY(:codes)", codes=[sack, other]) == 0


def test_sb55555_in_small_letters_after_sb55555_is_no_second_bag(api: Api, device: httpx.Client) -> None:
    assert submit(device, scan_of("parent", "SB55555"))["outcome"] == "applied"
    assert submit(device, scan_of("parent", "sb55555"))["outcome"] == "known"
    assert api.warehouse.value("SELECT count(*) FROM bag WHERE upper(code) = 'SB55555'") == 1


def test_the_last_scan_of_a_full_sack_undone_within_the_hour_leaves_29_and_the_scan_is_kept_and_marked(
    api: Api, device: httpx.Client
) -> None:
    sack = new_sack()
    *_, before_last, last = fill(device, sack, 30)
    first = submit(device, last)
    dispatcher = api.warehouse.person("dispatcher", LUCKNOW)

    with api.gateway.client(dispatcher.token) as client:
        undone = client.post(f"/api/v1/bags/{sack}/undo").json()
        shown = client.get(f"/api/v1/scans/{last['scan_id']}").json()
        again = problem_of(client.post(f"/api/v1/scans/{last['scan_id']}/undo"), 409)
        by_name_again = problem_of(client.post(f"/api/v1/bags/{sack}/undo", json={"child": last["code"]}), 409)

    assert (undone["code"], undone["scan_id"]) == (last["code"], last["scan_id"])
    assert undone["message"] == f"{last['code']} taken out of {sack} (29/30, 29 kg)"
    assert (shown["outcome"], shown["undone"]["by"]) == ("applied", dispatcher.username)
    assert datetime.now(UTC) - datetime.fromisoformat(shown["undone"]["at"]) < timedelta(minutes=5)
    assert "undone already" in again["detail"]
    assert by_name_again["detail"] == f"{last['code']} is not in {sack}; there is nothing to undo."
    assert count_of(device, sack) == 29
    assert "undone" not in device.get(f"/api/v1/scans/{before_last['scan_id']}").json()
    assert device.get(f"/api/v1/bags/{last['code']}").json()["parent"] is None

    # Sent again it has its first outcome; scanned anew it goes in.
    assert submit(device, last)["message"] == first["message"]
    assert submit(device, into(sack, last["code"]))["message"] == f"{last['code']} in {sack} (30/30, 30 kg)"
    assert_counts_follow_history(api.warehouse)
    assert_totals_follow_rows(api.warehouse)


def test_after_61_minutes_undo_newest_is_refused_and_by_name_it_works(
    api: Api, device: httpx.Client, admin: httpx.Client
) -> None:
    sack = new_sack()
    first, last = fill(device, sack, 2)
    make_older(api, first, timedelta(minutes=70))
    make_older(api, last, timedelta(minutes=61))

    refused = problem_of(device.post(f"/api/v1/bags/{sack}/undo"), 409)

    assert refused["detail"] == (
        f"The newest scan of {sack}, that of {last['code']}, is 61 minutes old;"
        " after 60 minutes name the child to undo it."
    )
    assert count_of(device, sack) == 2
    assert device.post(f"/api/v1/bags/{sack}/undo", json={"child": last["code"].lower()}).status_code == httpx.codes.OK
    assert admin.post(f"/api/v1/scans/{first['scan_id']}/undo").status_code == httpx.codes.OK
    nothing_left = problem_of(admin.post(f"/api/v1/bags/{sack}/undo"), 409)
    assert nothing_left["detail"] == f"No scan of a child in {sack} is left to undo."


def test_29_children_and_two_arriving_together_one_applied_at_30_of_30_and_one_parent_full(
    api: Api, device: httpx.Client
) -> None:
    sack = new_sack()
    fill(device, sack, 29)
    with api.device() as other:
        outcomes = at_once([lambda gun=gun: submit(gun, into(sack)) for gun in (device, other)])  # type: ignore[misc]

    assert sorted(each["outcome"] for each in outcomes) == ["applied", "parent_full"]
    assert {each["parent"]["children"] for each in outcomes} == {30}


def test_five_offline_scans_synced_in_the_wrong_order_put_each_child_in_the_sack_it_names(
    device: httpx.Client,
) -> None:
    at = datetime.now(UTC) - timedelta(hours=3)
    one, two = new_sack(), new_sack()
    scans = [
        {**into(sack), "scanned_at": (at + timedelta(minutes=minute)).isoformat()}
        for minute, sack in enumerate((one, two, one, two, one))
    ]

    submit_all(device, [scans[number] for number in (3, 0, 4, 2, 1)])

    for scan in scans:
        assert device.get(f"/api/v1/bags/{scan['code']}").json()["parent"] == scan["parent_code"]
    assert device.get(f"/api/v1/bags/{one}").json()["children"] == [scans[n]["code"] for n in (0, 2, 4)]


def test_a_bills_totals_follow_an_undo_and_a_relink(api: Api, device: httpx.Client, admin: httpx.Client) -> None:
    billed, loose = new_sack(), new_sack()
    scans = fill(device, billed, 3)
    fill(device, loose, 1)
    bill_no = bill_with(admin, device, billed)

    device.post(f"/api/v1/bags/{billed}/undo")
    admin.post(f"/api/v1/bags/{scans[0]['code']}/relink", json={"parent_code": loose})

    bill = admin.get(f"/api/v1/bills/{bill_no}").json()
    assert (bill["sacks"], bill["children"], bill["actual_weight_g"], bill["variance_g"]) == (1, 1, 1000, -29_000)
    assert_counts_follow_history(api.warehouse)


def test_a_completed_bill_locks_its_sacks_against_undo_and_relink_on_either_side(
    device: httpx.Client, admin: httpx.Client
) -> None:
    billed, loose = new_sack(), new_sack()
    (inside,), (outside,) = fill(device, billed, 1), fill(device, loose, 1)
    bill_no = bill_with(admin, device, billed)
    admin.post(f"/api/v1/bills/{bill_no}/complete")

    for path, body in (
        (f"bags/{billed}/undo", None),
        (f"bags/{billed}/undo", {"child": inside["code"]}),
        (f"scans/{inside['scan_id']}/undo", None),
        (f"bags/{inside['code']}/relink", {"parent_code": loose}),
        (f"bags/{outside['code']}/relink", {"parent_code": billed}),
    ):
        problem = problem_of(admin.post(f"/api/v1/{path}", json=body), 409)
        assert f"{billed} is on completed bill {bill_no}" in problem["detail"]
        assert problem["errors"][0]["outcome"] == "bill_completed"
    assert (count_of(device, billed), count_of(device, loose)) == (1, 1)


def test_a_relink_meets_the_rules_that_a_scan_would_meet(device: httpx.Client, admin: httpx.Client) -> None:
    sack, full = new_sack(), new_sack()
    (scan,) = fill(device, sack, 1)
    fill(device, full, 30)
    loose = into(sack)
    submit(device, loose)
    admin.post(f"/api/v1/scans/{loose['scan_id']}/undo")

    def outcome_of(child: str, parent: str, status: int) -> str | None:
        problem = problem_of(admin.post(f"/api/v1/bags/{child}/relink", json={"parent_code": parent}), status)
        return problem["errors"][0]["outcome"] if problem["errors"] else None

    assert outcome_of(scan["code"], full, 409) == "parent_full"
    assert outcome_of(scan["code"], sack, 409) == "duplicate"
    assert outcome_of(scan["code"], loose["code"], 409) == "wrong_bag_type"
    assert outcome_of(scan["code"], new_sack(), 422) == "unknown_bag"
    assert outcome_of(sack, full, 409) is None
    assert outcome_of(loose["code"], full, 409) is None
    assert outcome_of(new_child(), full, 404) is None
    assert count_of(device, sack) == 1


def test_a_child_that_was_relinked_is_undone_by_name_and_no_scan_is_marked(
    device: httpx.Client, admin: httpx.Client
) -> None:
    one, two = new_sack(), new_sack()
    (scan,) = fill(device, one, 1)
    submit(device, scan_of("parent", two))
    admin.post(f"/api/v1/bags/{scan['code']}/relink", json={"parent_code": two})

    moved_on = problem_of(admin.post(f"/api/v1/scans/{scan['scan_id']}/undo"), 409)
    newest = problem_of(admin.post(f"/api/v1/bags/{two}/undo"), 409)
    undone = admin.post(f"/api/v1/bags/{two}/undo", json={"child": scan["code"]}).json()

    assert moved_on["detail"] == f"{scan['code']} has left {one} since; there is nothing to undo."
    assert newest["detail"] == f"No scan of a child in {two} is left to undo."
    assert undone["scan_id"] is None
    assert (count_of(device, one), count_of(device, two)) == (0, 0)


def test_what_put_no_child_in_a_sack_cannot_be_undone(device: httpx.Client, admin: httpx.Client) -> None:
    sack = new_sack()
    registered, misread = scan_of("parent", sack), into(sack, "?")
    submit_all(device, [registered, misread])

    for scan in (registered, misread):
        problem_of(admin.post(f"/api/v1/scans/{scan['scan_id']}/undo"), 409)
    problem_of(admin.post(f"/api/v1/scans/{uuid7()}/undo"), 404)
    problem_of(admin.post("/api/v1/bags/SB98989/undo"), 404)


def test_a_device_and_a_dispatcher_undo_in_their_own_area_only(api: Api, device: httpx.Client) -> None:
    sack = new_sack()
    scan, _ = fill(device, sack, 2)

    for foreign in (api.device(INDORE), api.person("dispatcher", INDORE)):
        with foreign:
            problem_of(foreign.post(f"/api/v1/bags/{sack}/undo"), 404)
            problem_of(foreign.post(f"/api/v1/bags/{sack}/undo", json={"child": scan["code"]}), 404)
            problem_of(foreign.post(f"/api/v1/scans/{scan['scan_id']}/undo"), 404)
    with api.device(LUCKNOW) as neighbour:
        problem_of(neighbour.post(f"/api/v1/scans/{scan['scan_id']}/undo"), 404)
        assert neighbour.post(f"/api/v1/bags/{sack}/undo").json()["parent"]["children"] == 1
    assert device.post(f"/api/v1/scans/{scan['scan_id']}/undo").json()["parent"]["children"] == 0


def test_an_undo_under_a_key_takes_one_child_out_however_often_it_is_sent(device: httpx.Client) -> None:
    sack = new_sack()
    fill(device, sack, 3)
    key = {"Idempotency-Key": str(uuid7())}

    answers = [device.post(f"/api/v1/bags/{sack}/undo", headers=key).json() for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert count_of(device, sack) == 2


def test_a_bag_that_is_somewhere_or_holds_something_is_not_deleted_and_the_refusal_is_audited(
    api: Api, device: httpx.Client, admin: httpx.Client
) -> None:
    held, billed, returned = new_sack(), new_sack(), new_sack()
    (scan,) = fill(device, held, 1)
    submit_all(device, [scan_of("parent", billed), scan_of("parent", returned)])
    bill_no = bill_with(admin, device, billed)
    return_no = admin.post("/api/v1/returns", json={"area": "lucknow"}).json()["return_no"]
    submit(device, scan_of("return", returned, return_no=return_no))

    for code, obstacle in (
        (billed, f"{billed} is on bill {bill_no}"),
        (held, f"{held} holds 1 children"),
        (scan["code"], f"{scan['code']} is in {held}"),
        (returned, f"{returned} is on open return {return_no}"),
    ):
        problem = problem_of(admin.delete(f"/api/v1/bags/{code}"), 409)
        assert problem["detail"].startswith(obstacle)
        audited = api.warehouse.value(
            "SELECT after FROM audit_log WHERE action = 'bag.delete' AND object = :object", object=f"bag:{code}"
        )
        assert audited == {"refused": problem["detail"]}
        assert admin.get(f"/api/v1/bags/{code}").status_code == httpx.codes.OK
    problem_of(admin.delete(f"/api/v1/bags/{new_sack()}"), 404)


def test_a_deleted_bag_is_gone_its_history_stays_and_a_scan_of_it_brings_the_same_bag_back(
    api: Api, device: httpx.Client, admin: httpx.Client
) -> None:
    sack = new_sack()
    (scan,) = fill(device, sack, 1)
    admin.post(f"/api/v1/scans/{scan['scan_id']}/undo")
    keys = "SELECT array_agg(bag_id ORDER BY code) FROM bag WHERE code = ANY(:codes)"
    before = api.warehouse.value(keys, codes=[sack, scan["code"]])

    for code in (sack, scan["code"]):
        assert admin.delete(f"/api/v1/bags/{code}").status_code == httpx.codes.NO_CONTENT
        problem_of(admin.get(f"/api/v1/bags/{code}"), 404)
        problem_of(admin.delete(f"/api/v1/bags/{code}"), 404)
        assert admin.get(f"/api/v1/bags/{code}/history").json()["items"][-1]["event"] == "deleted"
    problem_of(admin.post(f"/api/v1/bags/{sack}/undo"), 404)
    return_no = admin.post("/api/v1/returns", json={"area": "lucknow"}).json()["return_no"]
    assert submit(device, scan_of("return", sack, return_no=return_no))["outcome"] == "unknown_bag"

    assert submit(device, into(sack, scan["code"]))["message"] == f"{scan['code']} in {sack} (1/30, 1 kg)"

    assert api.warehouse.value(keys, codes=[sack, scan["code"]]) == before
    events = [event["event"] for event in admin.get(f"/api/v1/bags/{scan['code']}/history").json()["items"]]
    assert events == ["registered", "put_in", "taken_out", "deleted", "revived", "put_in"]
    assert_counts_follow_history(api.warehouse)
    assert_totals_follow_rows(api.warehouse)


def test_a_deleted_sack_that_is_scanned_as_a_sack_is_registered_once_more(
    device: httpx.Client, admin: httpx.Client
) -> None:
    sack = new_sack()
    submit(device, scan_of("parent", sack))
    admin.delete(f"/api/v1/bags/{sack}")

    assert [submit(device, scan_of("parent", sack))["outcome"] for _ in range(2)] == ["applied", "known"]
    assert admin.get(f"/api/v1/bags/{sack}").status_code == httpx.codes.OK
