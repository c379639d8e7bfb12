"""Searches over HTTP: a bag by any part of its code, mistyped too; scans, the unknown ones first of all; histories."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE, LUCKNOW
from tests.support.system import scan_of

_numbers = itertools.count(41_000)
WAIT = {"Prefer": "wait=20"}


def submit(device: httpx.Client, *scans: dict[str, Any]) -> list[dict[str, Any]]:
    answer = device.post("/api/v1/scans/batch", json={"scans": scans}, headers=WAIT)
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def new_sack() -> str:
    return f"SB{next(_numbers):05d}"


def new_child() -> str:
    return f"KID{next(_numbers):06d}"


def found(client: httpx.Client, path: str = "bags", **query: Any) -> list[dict[str, Any]]:
    """Give the whole list, page after page; hold that no page repeats what another has."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get(f"/api/v1/{path}", params={**query, **cursor})
        assert answer.status_code == httpx.codes.OK, answer.text
        page = answer.json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


def codes(client: httpx.Client, **query: Any) -> list[str]:
    return [bag["code"] for bag in found(client, **query)]


@pytest.fixture
def biller(api: Api) -> Iterator[httpx.Client]:
    with api.person("biller") as client:
        yield client


@contextmanager
def dispatcher_of(api: Api, area_id: int) -> Iterator[httpx.Client]:
    with api.person("dispatcher", area_id) as client:
        yield client


def test_a_bag_is_found_whole_by_its_beginning_and_by_a_part_in_any_case(
    device: httpx.Client, biller: httpx.Client
) -> None:
    submit(device, *(scan_of("parent", f"M444-7711{last}") for last in range(4)), scan_of("parent", "SB77119"))

    assert codes(biller, code="m444-77112", match="exact") == ["M444-77112"]
    assert codes(biller, code=" m444-771", limit=3) == [f"M444-7711{last}" for last in range(4)]
    assert codes(biller, code="7711", match="part", limit=2) == [*(f"M444-7711{last}" for last in range(4)), "SB77119"]
    assert codes(biller, code="44_77", match="part") == []
    assert codes(biller, code="%", match="prefix") == []
    problem = problem_of(biller.get("/api/v1/bags?code=77&match=part"), 422)
    assert problem["errors"][0]["field"] == "code"


@pytest.mark.parametrize(
    "misread",
    [
        "KB0I58Z6",
        "K80158Z6",
        "K801582",
        "KBO15826",
        "K801S826",
        "k8015826x",
        "K80I5B2G",
        "K805826",
        "K8?15826",
        "K8051826",
    ],
)
def test_a_mistyped_or_half_read_code_finds_the_bag(device: httpx.Client, biller: httpx.Client, misread: str) -> None:
    submit(device, scan_of("child", "K8015826", parent_code="SB40999"))

    assert "K8015826" in codes(biller, code=misread, match="alike", limit=1)


def test_of_look_alikes_the_nearest_comes_first(device: httpx.Client, biller: httpx.Client) -> None:
    submit(device, *(scan_of("parent", code) for code in ("SB60600", "SB60606", "SB60666")))

    assert codes(biller, code="SB60606", match="alike") == ["SB60606", "SB60666", "SB60600"]
    assert codes(biller, code="5860G06", match="alike") == ["SB60606"]


def test_bags_are_listed_by_what_they_are_newest_first(api: Api, biller: httpx.Client) -> None:
    with api.device() as device:
        empty, partly, moong = new_sack(), new_sack(), f"M444-{next(_numbers):05d}"
        inside, child = new_child(), new_child()
        bill_no = biller.post("/api/v1/bills", json={"area": "lucknow", "capacity": 5, "destination": "Delhi"}).json()[
            "bill_no"
        ]
        submit(device, scan_of("parent", empty), scan_of("parent", moong))
        submit(device, scan_of("child", inside, parent_code=partly), scan_of("child", child, parent_code=moong))
        submit(device, scan_of("bill", partly, bill_no=bill_no))
        api.warehouse.change(
            "UPDATE bag_link SET valid_until = now(), closed_by = uuidv7() FROM bag"
            " WHERE child_id = bag_id AND code = :code",
            code=child,
        )
        api.warehouse.change("UPDATE bag SET parent_id = NULL WHERE code = :code", code=child)
        api.warehouse.change("UPDATE bag SET children = 0 WHERE code = :code", code=moong)

        def mine(**query: Any) -> set[str]:
            return {*codes(device, limit=7, **query)} & {empty, partly, moong, inside, child}

        assert mine(kind="parent") == {empty, partly, moong}
        assert mine(kind="child") == {inside, child}
        assert mine(type="wheat") == {empty, partly}
        assert mine(type="nothing") == set()
        assert mine(linked=True) == {inside}
        assert mine(linked=False) == {child}
        assert mine(billed=True) == {partly}
        assert mine(billed=False) == {empty, moong}
        assert mine(state="empty") == {empty, moong}
        assert mine(state="partly", type="wheat", area="lucknow") == {partly}
        assert mine(state="full") == set()
        (row,) = found(biller, code=partly, match="exact")
        assert (row["kind"], row["bill_no"], row["children"], row["weight_g"]) == ("parent", bill_no, 1, 1000)
        (row,) = found(biller, code=inside, match="exact")
        assert (row["kind"], row["parent"], row["children"], row["weight_g"]) == ("child", partly, None, None)
        created = row["created_at"]
        assert codes(biller, code=inside, created_from=created) == [inside]
        assert codes(biller, code=inside, created_until=created) == []
        times = [bag["created_at"] for bag in found(biller, limit=9)]
        assert times == sorted(times, reverse=True)


def test_a_list_stays_whole_while_bags_arrive(device: httpx.Client, biller: httpx.Client) -> None:
    made = [new_sack() for _ in range(6)]
    submit(device, *(scan_of("parent", code) for code in made))
    before = codes(biller, kind="parent", limit=200)
    first = biller.get("/api/v1/bags?kind=parent&limit=3").json()

    submit(device, *(scan_of("parent", new_sack()) for _ in range(5)))
    rest = codes(biller, kind="parent", limit=200, cursor=first["next_cursor"]) if first["next_cursor"] else []
    assert [bag["code"] for bag in first["items"]] + rest == before


@pytest.mark.parametrize("role", ["device", "dispatcher"])
def test_who_is_bound_to_an_area_finds_nothing_of_another(api: Api, role: str) -> None:
    sack, wrong = new_sack(), f"?{next(_numbers)}"
    with api.device(LUCKNOW) as own:
        submit(own, scan_of("parent", sack), scan_of("parent", wrong))
    foreign = api.device(INDORE) if role == "device" else api.person("dispatcher", INDORE)
    with foreign, dispatcher_of(api, LUCKNOW) as neighbour:
        assert codes(neighbour, code=sack, match="exact") == [sack]
        assert [scan["code"] for scan in found(neighbour, "scans", code=wrong)] == [wrong]
        for match in ("exact", "prefix", "part", "alike"):
            assert sack not in codes(foreign, code=sack, match=match)
        assert sack not in codes(foreign)
        assert codes(foreign, area="lucknow") == []
        for query in ({"code": wrong}, {"outcome": "invalid_code"}, {"area": "lucknow"}, {"target": sack}, {}):
            assert not {sack, wrong} & {scan["code"] for scan in found(foreign, "scans", **query)}


def test_a_device_lists_its_own_scans_only(api: Api) -> None:
    sack = new_sack()
    with api.device() as maker, api.device() as neighbour:
        submit(maker, scan_of("parent", sack))
        assert [scan["code"] for scan in found(maker, "scans")] == [sack]
        assert found(neighbour, "scans") == []


def test_unknown_scans_are_listed_newest_first_so_that_misprints_are_found(api: Api, biller: httpx.Client) -> None:
    with api.device() as device:
        wrong = [f"!{next(_numbers)}" for _ in range(5)]
        for code in wrong:
            submit(device, scan_of("parent", code))
        submit(device, scan_of("parent", new_sack()))

        listed = found(biller, "scans", outcome="invalid_code", limit=2)
        assert [scan["code"] for scan in listed if scan["code"] in wrong] == wrong[::-1]
        assert {scan["outcome"] for scan in listed} == {"invalid_code"}
        assert [scan["code"] for scan in found(device, "scans", feedback="stop")] == wrong[::-1]
        (shown,) = found(device, "scans", code=wrong[0].lower())
        assert shown["message"] == f"{wrong[0]} is not a bag code"


def test_scans_are_found_by_everything_they_carry(api: Api, biller: httpx.Client) -> None:
    gun = api.warehouse.device()
    sack, other, child = new_sack(), new_sack(), new_child()
    with api.gateway.client(gun.token) as device:
        outcomes = [
            submit(device, scan_of(kind, code, **target))[0]["outcome"]  # made one after the other, as at a gun
            for kind, code, target in (
                ("child", child, {"parent_code": sack}),
                ("child", child, {"parent_code": sack}),
                ("child", child, {"parent_code": other}),
                ("bill", sack, {"bill_no": "NOWHERE"}),
            )
        ]
    assert outcomes == ["applied", "duplicate", "linked_elsewhere", "unknown_bill"]
    name = api.warehouse.value("SELECT name FROM device WHERE device_id = :id", id=gun.device_id)

    def outcomes_of(**query: Any) -> list[str]:
        return [scan["outcome"] for scan in found(biller, "scans", device=name, limit=1, **query)]

    assert outcomes_of() == outcomes[::-1]
    assert outcomes_of(code=child) == outcomes[2::-1]
    assert outcomes_of(target=sack) == ["duplicate", "applied"]
    assert outcomes_of(target=sack, code=child, outcome="duplicate") == ["duplicate"]
    assert outcomes_of(feedback="already") == ["duplicate"]
    assert outcomes_of(feedback="already", outcome="applied") == []
    assert outcomes_of(kind="bill", area="lucknow") == ["unknown_bill"]
    assert outcomes_of(kind="bill", area="indore") == []
    assert outcomes_of(user="nobody") == []
    at = found(biller, "scans", device=name)[-1]["scanned_at"]
    assert outcomes_of(scanned_from=at) == outcomes[::-1]
    assert outcomes_of(scanned_until=at) == []


def test_a_scan_of_a_wrong_clock_is_found_by_its_corrected_time(api: Api, biller: httpx.Client) -> None:
    with api.device() as device:
        scan = scan_of("parent", new_sack()) | {"scan_id": "00a20000-0000-7000-8000-0000000000aa"}
        submit(device, scan)
        (kept,) = found(device, "scans")
        assert [each["scan_id"] for each in found(device, "scans", scanned_from=kept["scanned_at"])] == [
            scan["scan_id"]
        ]
        assert scan["scan_id"] in {
            each["scan_id"] for each in found(biller, "scans", scanned_from=kept["scanned_at"], limit=200)
        }


def test_a_bags_history_has_every_scan_that_named_it_and_comes_in_pages(
    device: httpx.Client, biller: httpx.Client
) -> None:
    sack, other, child = new_sack(), new_sack(), new_child()
    submit(device, scan_of("bill", sack, bill_no="NOWHERE"))
    submit(device, scan_of("child", child, parent_code=sack))
    submit(device, scan_of("child", child, parent_code=other))
    submit(device, scan_of("parent", sack))

    for limit in (200, 2):
        history = found(biller, f"bags/{sack}/history", limit=limit)
        assert [(event["event"], event["bag"], event["outcome"]) for event in history] == [
            ("scanned", sack, "unknown_bill"),
            ("registered", sack, "applied"),
            ("put_in", child, "applied"),
            ("scanned", child, "linked_elsewhere"),
            ("scanned", sack, "known"),
        ]
    assert all(event["device"] for event in history)
    assert history[3]["refers_to"] == sack


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=1.2.3",
        "cursor=-1.-1",
        "state=half",
        "limit=0",
        "nonsense=1",
        "created_from=2026-01-01T00:00:00",
    ],
)
def test_a_search_of_bags_that_is_none_is_refused(biller: httpx.Client, query: str) -> None:
    problem = problem_of(biller.get(f"/api/v1/bags?{query}"), 422)

    assert query.split("=", maxsplit=1)[0] in problem["errors"][0]["field"]


@pytest.mark.parametrize("query", ["cursor=x", "outcome=lost", "kind=x", "limit=201", "device=%00", "nonsense=1"])
def test_a_search_of_scans_that_is_none_is_refused(biller: httpx.Client, query: str) -> None:
    problem = problem_of(biller.get(f"/api/v1/scans?{query}"), 422)

    assert query.split("=", maxsplit=1)[0] in problem["errors"][0]["field"]
