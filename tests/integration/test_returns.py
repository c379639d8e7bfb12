"""Returns over HTTP: what comes back leaves its bill, and goes back there when the return is cancelled."""

from typing import Any

import httpx

from tests.integration.test_bills import load_sack, new_sack, open_bill, show, submit, totals
from tests.support.books import assert_counts_follow_history
from tests.support.gateway import Api, problem_of
from tests.support.system import scan_of


def open_return(biller: httpx.Client, **fields: Any) -> str:
    answer = biller.post("/api/v1/returns", json={"area": "lucknow"} | fields)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return str(answer.json()["return_no"])


def take_back(device: httpx.Client, return_no: str, *codes: str) -> list[str]:
    results = submit(device, *[scan_of("return", code, return_no=return_no) for code in codes])
    return [result["outcome"] for result in results]


def test_a_billed_sack_scanned_into_an_open_return_drops_the_bills_count_and_weight_and_keeps_an_event(
    admin: httpx.Client, device: httpx.Client
) -> None:
    bill_no, return_no = open_bill(admin), open_return(admin)
    code, other = load_sack(device, bill_no, 3), load_sack(device, bill_no, 2)

    assert take_back(device, return_no, code) == ["applied"]

    assert totals(show(device, bill_no)) == (1, 2, 2_000, 30_000, -28_000)
    events = device.get(f"/api/v1/bags/{code}/history").json()["items"][-2:]
    assert [(event["event"], event["into"]) for event in events] == [
        ("taken_off_bill", bill_no),
        ("returned", return_no),
    ]
    (kept,) = admin.get(f"/api/v1/returns/{return_no}").json()["sacks"]
    assert (kept["code"], kept["bill_no"], kept["children"]) == (code, bill_no, 3)
    assert (kept["bill_weight_before_g"], kept["bill_weight_after_g"]) == (5_000, 2_000)

    # A committed return refuses scans.
    assert admin.post(f"/api/v1/returns/{return_no}/commit").json()["state"] == "committed"
    assert take_back(device, return_no, other) == ["return_closed"]
    assert totals(show(device, bill_no))[0] == 1


def test_an_empty_return_cannot_be_committed_and_a_closed_one_not_closed_again(
    admin: httpx.Client, device: httpx.Client
) -> None:
    bill_no, empty, full = open_bill(admin), open_return(admin), open_return(admin)
    code = load_sack(device, bill_no)
    assert "empty" in problem_of(admin.post(f"/api/v1/returns/{empty}/commit"), 409)["detail"]
    take_back(device, empty, code)
    take_back(device, full, code)
    assert "empty" in problem_of(admin.post(f"/api/v1/returns/{empty}/commit"), 409)["detail"]

    for return_no, verb, state in ((empty, "cancel", "cancelled"), (full, "commit", "committed")):
        assert admin.post(f"/api/v1/returns/{return_no}/{verb}").status_code == httpx.codes.OK
        for again in ("commit", "cancel"):
            assert state in problem_of(admin.post(f"/api/v1/returns/{return_no}/{again}"), 409)["detail"]


def test_a_sack_that_was_billed_again_came_back_all_the_same(admin: httpx.Client, device: httpx.Client) -> None:
    bill_no, return_no = open_bill(admin), open_return(admin)
    code = load_sack(device, bill_no)
    take_back(device, return_no, code)
    submit(device, scan_of("bill", code, bill_no=bill_no))

    assert admin.post(f"/api/v1/returns/{return_no}/commit").json()["state"] == "committed"


def test_a_cancelled_return_gives_the_bills_their_sacks_back_and_says_which_it_could_not(
    api: Api, admin: httpx.Client, device: httpx.Client
) -> None:
    goes_back, completed, deleted, elsewhere = (open_bill(admin) for _ in range(4))
    full = open_bill(admin, capacity=1)
    return_no, next_return = open_return(admin), open_return(admin)
    bills = (goes_back, goes_back, completed, deleted, full, elsewhere, elsewhere)
    codes = [load_sack(device, bill_no, 2) for bill_no in bills]
    loose = new_sack()
    submit(device, scan_of("parent", loose))
    assert set(take_back(device, return_no, *codes, loose)) == {"applied"}
    assert totals(show(admin, goes_back))[0] == 0

    admin.post(f"/api/v1/bills/{completed}/complete", json={"reason": "the lorry leaves"})
    admin.delete(f"/api/v1/bills/{deleted}")
    load_sack(device, full)
    submit(device, scan_of("bill", codes[5], bill_no=goes_back))
    take_back(device, next_return, codes[6])
    submit(device, scan_of("child", f"LATER{return_no[-4:]}", parent_code=codes[0]))

    cancelled = admin.post(f"/api/v1/returns/{return_no}/cancel").json()

    assert {(sack["code"], sack["bill_no"]) for sack in cancelled["restored"]} == {
        (codes[0], goes_back),
        (codes[1], goes_back),
    }
    assert {sack["code"]: sack["detail"] for sack in cancelled["not_restored"]} == {
        codes[2]: f"Bill {completed} is completed",
        codes[3]: f"Bill {deleted} was deleted",
        codes[4]: f"Bill {full} is full",
        codes[5]: f"{codes[5]} is on bill {goes_back} by now",
        codes[6]: f"{codes[6]} is on return {next_return} by now",
        loose: f"{loose} was on no bill when it came back",
    }
    assert totals(show(admin, goes_back)) == (3, 7, 7_000, 90_000, -83_000)
    assert admin.get(f"/api/v1/bags/{codes[0]}").json()["bill_no"] == goes_back
    assert admin.get(f"/api/v1/bags/{codes[0]}/history").json()["items"][-1]["event"] in {"put_on_bill", "put_in"}
    assert take_back(device, return_no, codes[0]) == ["return_closed"]
    audited = api.warehouse.row(
        "SELECT before, after FROM audit_log WHERE action = 'return.cancel' AND object = :object",
        object=f"return:{return_no}",
    )
    assert (audited["before"]["state"], len(audited["after"]["restored"])) == ("open", 2)
    assert_counts_follow_history(api.warehouse)


def test_a_sack_that_came_back_twice_goes_back_to_the_bill_it_left_last(
    admin: httpx.Client, device: httpx.Client
) -> None:
    first, second, return_no = open_bill(admin), open_bill(admin), open_return(admin)
    code = load_sack(device, first)
    take_back(device, return_no, code)
    submit(device, scan_of("bill", code, bill_no=second))
    assert take_back(device, return_no, code) == ["applied"]

    assert admin.post(f"/api/v1/returns/{return_no}/cancel").json()["restored"] == [{"code": code, "bill_no": second}]


def test_returns_are_listed_by_state_creator_and_note_newest_first(api: Api) -> None:
    person = api.warehouse.person()
    with api.gateway.client(person.token) as biller, api.device() as device:
        made = [open_return(biller, notes=note) for note in ("wet", "torn", "torn again")]
        take_back(device, made[0], load_sack(device, open_bill(biller)))
        biller.post(f"/api/v1/returns/{made[0]}/commit")

        def found(**query: Any) -> list[str]:
            page = biller.get("/api/v1/returns", params={"created_by": person.username} | query).json()
            return [each["return_no"] for each in page["items"]]

        assert found() == list(reversed(made))
        assert found(state="committed") == [made[0]]
        assert found(text="TORN") == [made[2], made[1]]
        assert found(area="indore") == []
        page = biller.get("/api/v1/returns", params={"created_by": person.username, "limit": 1}).json()
        assert found(cursor=page["next_cursor"]) == [made[1], made[0]]
        (committed,) = biller.get("/api/v1/returns", params={"text": made[0]}).json()["items"]
        assert (committed["sacks"], committed["notes"]) == (1, "wet")
