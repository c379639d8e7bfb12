"""What can be read over HTTP: bills in pages, bags with their history, returns, counts, the state of things."""

import itertools
from typing import Any

import httpx

from tests.support.gateway import Api
from tests.support.scans import INDORE, LUCKNOW
from tests.support.system import scan_of
from tests.support.waiting import eventually
from tracetrack_common.ids import uuid7

_numbers = itertools.count(1)
WAIT = {"Prefer": "wait=20"}


def new_sack() -> str:
    return f"SB{next(_numbers):05d}"


def submit(device: httpx.Client, *scans: dict[str, Any]) -> list[dict[str, Any]]:
    answer = device.post("/api/v1/scans/batch", json={"scans": scans}, headers=WAIT)
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def create_bill(admin: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = admin.post("/api/v1/bills", json={"area": "lucknow", "capacity": 5, "destination": "Delhi"} | fields)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    bill: dict[str, Any] = answer.json()
    return bill


def test_a_bill_is_shown_as_it_was_created_and_found_in_any_case(admin: httpx.Client) -> None:
    number = f"Lko/{next(_numbers)}-b"
    bill = create_bill(admin, bill_no=number, vehicle="UP32 AB 1234", description="by night\nvia Agra")

    assert bill["bill_no"] == number.upper()
    assert (bill["status"], bill["sacks"], bill["variance_g"]) == ("new", 0, 0)
    assert (bill["vehicle"], bill["description"]) == ("UP32 AB 1234", "by night\nvia Agra")
    for written in (number, number.upper(), number.lower()):
        assert admin.get(f"/api/v1/bills/{written}").json() == bill


def test_bills_come_in_pages_newest_first_and_each_once(admin: httpx.Client) -> None:
    made = [create_bill(admin, area="akola")["bill_no"] for _ in range(7)]

    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"area": "akola", "limit": "3"} | ({} if cursor is None else {"cursor": cursor})
        page = admin.get("/api/v1/bills", params=query).json()
        seen += [bill["bill_no"] for bill in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == list(reversed(made))


def test_bills_are_listed_by_state(admin: httpx.Client, device: httpx.Client) -> None:
    sack = new_sack()
    new, started, done = (create_bill(admin, capacity=1)["bill_no"] for _ in range(3))
    submit(device, scan_of("parent", sack), scan_of("bill", sack, bill_no=started))
    admin.post(f"/api/v1/bills/{done}/complete", json={"reason": "nothing came"})

    for status, expected in (("new", new), ("processing", started), ("completed", done)):
        listed = admin.get("/api/v1/bills", params={"status": status, "limit": "200"}).json()["items"]
        assert {bill["status"] for bill in listed} == {status}
        assert expected in {bill["bill_no"] for bill in listed}


def test_a_dispatcher_lists_the_bills_of_the_own_area_only(api: Api, admin: httpx.Client) -> None:
    own = create_bill(admin, area="indore")["bill_no"]
    foreign = create_bill(admin, area="lucknow")["bill_no"]
    with api.person("dispatcher", INDORE) as dispatcher:
        listed = {bill["bill_no"] for bill in dispatcher.get("/api/v1/bills?limit=200").json()["items"]}

    assert own in listed
    assert foreign not in listed


def test_a_bags_history_tells_all_that_happened_oldest_first(admin: httpx.Client, device: httpx.Client) -> None:
    sack, child = new_sack(), f"CH{next(_numbers):06d}"
    bill_no = create_bill(admin)["bill_no"]
    return_no = admin.post("/api/v1/returns", json={"area": "lucknow", "notes": "wet"}).json()["return_no"]
    for scan in (
        scan_of("child", child, parent_code=sack),
        scan_of("bill", sack, bill_no=bill_no),
        scan_of("return", sack, return_no=return_no),
    ):
        assert submit(device, scan)[0]["outcome"] == "applied"

    history = device.get(f"/api/v1/bags/{sack}/history").json()["items"]
    assert [(event["event"], event["bag"], event["into"]) for event in history] == [
        ("registered", sack, None),
        ("put_in", child, sack),
        ("put_on_bill", sack, bill_no),
        ("taken_off_bill", sack, bill_no),
        ("returned", sack, return_no),
    ]
    assert [event["event"] for event in device.get(f"/api/v1/bags/{child}/history").json()["items"]] == [
        "registered",
        "put_in",
    ]

    shown = device.get(f"/api/v1/bags/{child}").json()
    assert (shown["kind"], shown["parent"], shown["children"]) == ("child", sack, [])
    goods_return = device.get(f"/api/v1/returns/{return_no}").json()
    assert (goods_return["state"], goods_return["notes"]) == ("open", "wet")
    (taken,) = goods_return["sacks"]
    assert (taken["code"], taken["bill_no"], taken["children"], taken["weight_g"]) == (sack, bill_no, 1, 1000)
    assert (taken["bill_weight_before_g"], taken["bill_weight_after_g"]) == (1000, 0)


def test_a_person_reads_the_scans_of_their_area_and_a_device_its_own(api: Api) -> None:
    scan = scan_of("parent", new_sack())
    path = f"/api/v1/scans/{scan['scan_id']}"
    with api.device() as maker, api.device() as neighbour, api.person("biller") as biller:
        submit(maker, scan)
        assert maker.get(path).json()["outcome"] == "applied"
        assert neighbour.get(path).status_code == httpx.codes.NOT_FOUND
        assert {**biller.get(path).json(), "delivery": None} == maker.get(path).json()
    for area_id, status in ((LUCKNOW, 200), (INDORE, 404)):
        with api.person("dispatcher", area_id) as dispatcher:
            assert dispatcher.get(path).status_code == status


def test_stats_count_every_scan_and_bag_exactly(api: Api, admin: httpx.Client, device: httpx.Client) -> None:
    submit(device, scan_of("parent", new_sack()), scan_of("parent", "no code"))
    kept = api.warehouse.rows("SELECT outcome, count(*) AS scans FROM scan GROUP BY outcome")
    bags = api.warehouse.row("SELECT count(capacity) AS parents, count(*) - count(capacity) AS children FROM bag")

    def counted() -> dict[str, Any] | None:
        stats: dict[str, Any] = admin.get("/api/stats").json()
        return stats if stats["bags"] == bags else None

    stats = eventually(counted)
    assert {outcome: count for outcome, count in stats["scans"]["by_outcome"].items() if count} == {
        row["outcome"]: row["scans"] for row in kept
    }
    assert stats["scans"]["total"] == sum(stats["scans"]["by_feedback"].values())
    assert stats["failed_work"] == api.warehouse.value("SELECT count(*) FROM failed_work")
    assert stats["ledger"]["scans"] == {
        "entries": 0,
        "identities": 0,
        "oldest_age_s": 0.0,
        "undelivered": 0,
    }
    assert (stats["backpressure"]["refusing"], stats["backpressure"]["refused_scans"]) == ([], {"bulk": 0, "few": 0})


def test_metrics_count_requests_by_route_and_not_by_what_was_asked_for(api: Api, device: httpx.Client) -> None:
    submit(device, scan_of("parent", new_sack()))
    device.get(f"/api/v1/bags/{new_sack()}")
    with api.gateway.client() as anyone:
        anyone.get(f"/nowhere/{uuid7()}")
        text = anyone.get("/metrics").text

    assert 'method="POST",route="/api/v1/scans/batch",status="200"' in text
    assert 'route="/api/v1/bags/{code}",status="404"' in text
    assert 'route="unmatched",status="404"' in text
    assert "SB0" not in text
