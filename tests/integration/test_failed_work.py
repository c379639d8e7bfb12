"""Failed work over the API: listed, looked at, replayed once however often, discarded with a reason, audited."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import httpx
import pytest

from tests.support.faults import failing_first, refusing
from tests.support.gateway import Api, problem_of
from tests.support.scans import INDORE, ORIGIN, Maker, child, make_scan
from tests.support.system import scan_of
from tests.support.together import at_once
from tests.support.waiting import eventually
from tracetrack_common import accounts, failed_work
from tracetrack_common.contracts import ScanSubmission, encode_command, encode_submissions
from tracetrack_common.credentials import MIRROR_KEY
from tracetrack_common.domain.scans import Kind, Scan
from tracetrack_common.ids import uuid7
from tracetrack_common.ledger import Entry, LedgerKeys
from tracetrack_common.redis_client import connect_worker
from tracetrack_report_worker.tasks import ReportWorkerProcess
from tracetrack_scan_worker.tasks import ScanWorkerProcess

_numbers = itertools.count(20_000)
LIST = "/api/v1/failed-work"
POISON = 10
UNREADABLE = b'{"v":99}'


@pytest.fixture
def operator(api: Api) -> Iterator[httpx.Client]:
    """Give a client with a session of an operator of the test's own."""
    with api.person("operator") as client:
        yield client


@pytest.fixture
def worker(api: Api) -> Iterator[ScanWorkerProcess]:
    """Give a scan-worker as it is put together, whose turns the test decides about."""
    process = ScanWorkerProcess(api.settings, name="tests-second-worker")
    yield process
    process.database.close()
    process.redis.close()


def fail_scan(api: Api, device: httpx.Client, **fields: Any) -> dict[str, Any]:
    """Send a scan that cannot be written for as long as the block of this call lasts; give it."""
    scan = scan_of("child", f"CH{next(_numbers)}", parent_code=f"SB{next(_numbers)}", **fields)
    with refusing(api.warehouse, "scan", f"NEW.scan_id = '{scan['scan_id']}'"):
        assert device.post("/api/v1/scans", json=scan).status_code == httpx.codes.ACCEPTED
        eventually(lambda: failed_of(api, scan["scan_id"]))
    return scan


def failed_of(api: Api, work_id: str) -> str | None:
    """Name the piece of failed work with this scan or command in it."""
    rows = api.warehouse.rows(
        "SELECT CAST(failed_id AS text) AS id FROM failed_work"
        " WHERE :id IN (payload ->> 'scan_id', payload ->> 'command_id') ORDER BY first_at DESC",
        id=work_id,
    )
    return rows[0]["id"] if rows else None


def keep(api: Api, queue: str, body: bytes, *, reason: str = "unreadable", **named: str) -> str:
    """Put a piece in the failed work as a worker does; give its identity."""
    payload = {**named, "body": body.decode()}
    with api.warehouse.database.transaction() as connection:
        failed_work.insert(connection, queue=queue, reason=reason, detail="of a test", payload=payload, attempts=1)
    return str(
        api.warehouse.value("SELECT failed_id FROM failed_work WHERE payload ->> 'body' = :body", body=body.decode())
    )


def audited(api: Api, failed_id: str) -> list[dict[str, Any]]:
    return api.warehouse.rows(
        "SELECT action, actor, before ->> 'state' AS before, after FROM audit_log WHERE object = :object ORDER BY at",
        object=f"failed_work:{failed_id}",
    )


def test_a_scan_that_failed_is_listed_and_replayed_as_any_scan_once_its_cause_is_gone(
    api: Api, device: httpx.Client, operator: httpx.Client
) -> None:
    scan = fail_scan(api, device, epoch=1, seq=1)
    (piece,) = [each for each in operator.get(LIST).json()["items"] if each["work_id"] == scan["scan_id"]]
    assert {"queue": "scans", "reason": "not_applicable", "attempts": 1, "state": "open"}.items() <= piece.items()
    assert "this row cannot be written" in piece["detail"]
    assert device.get("/api/v1/devices/me/delivery").json()["epochs"][0]["failed"] == [[1, 1]]

    done = operator.post(f"{LIST}/{piece['failed_id']}/replay")

    assert done.status_code == httpx.codes.OK, done.text
    assert {"state": "replayed", "note": "1 applied", "attempts": 2}.items() <= done.json().items()
    assert done.json()["resolved_by"].startswith("operator_")
    outcome = device.get(f"/api/v1/scans/{scan['scan_id']}").json()
    assert (outcome["outcome"], outcome["parent"]["children"]) == ("applied", 1)
    delivered = {"epoch": 1, "applied_through": 1, "missing": [], "failed": [], "listed_through": 1}
    assert device.post("/api/v1/scans", json=scan, headers={"Prefer": "wait=20"}).json()["delivery"] == delivered
    (row,) = audited(api, piece["failed_id"])
    assert (row["action"], row["before"], row["after"]["state"]) == ("failed.replay", "open", "replayed")
    assert piece["failed_id"] not in {each["failed_id"] for each in operator.get(LIST).json()["items"]}
    assert piece["failed_id"] in {
        each["failed_id"] for each in operator.get(LIST, params={"state": "replayed"}).json()["items"]
    }


def test_the_mirror_tells_a_device_at_once_that_its_scan_was_replayed(
    api: Api, device: httpx.Client, operator: httpx.Client
) -> None:
    scan = fail_scan(api, device, epoch=1, seq=1)
    later = scan_of("parent", f"SB{next(_numbers)}", epoch=1, seq=2)
    operator.post(f"{LIST}/{failed_of(api, scan['scan_id'])}/replay")

    assert device.post("/api/v1/scans", json=later).json()["delivery"]["failed"] == []


def test_a_replay_that_fails_again_leaves_the_piece_open_and_says_why(
    api: Api, device: httpx.Client, operator: httpx.Client
) -> None:
    scan = fail_scan(api, device)
    failed_id = failed_of(api, scan["scan_id"])
    assert failed_id is not None

    with refusing(api.warehouse, "bag", f"NEW.code = '{scan['code']}'"):
        problem = problem_of(operator.post(f"{LIST}/{failed_id}/replay"), 409)

    assert "failed again and stays in the failed work" in problem["detail"]
    piece = operator.get(f"{LIST}/{failed_id}").json()
    assert (piece["state"], piece["attempts"]) == ("open", 2)
    assert piece["last_at"] > piece["first_at"]
    assert api.warehouse.value("SELECT count(*) FROM scan WHERE scan_id = :id", id=scan["scan_id"]) == 0
    assert [row["after"]["state"] for row in audited(api, failed_id)] == ["open"]
    assert operator.post(f"{LIST}/{failed_id}/replay").json()["state"] == "replayed"


def test_a_replay_that_a_constraint_decided_against_for_another_transaction_is_tried_once_more(
    api: Api, device: httpx.Client, operator: httpx.Client
) -> None:
    failed_id = failed_of(api, fail_scan(api, device)["scan_id"])

    with failing_first(api.warehouse, "scan", "RAISE EXCEPTION 'faster' USING ERRCODE = '23505'", times=1):
        assert operator.post(f"{LIST}/{failed_id}/replay").json()["state"] == "replayed"


def test_of_operators_who_replay_at_once_one_does_it_and_the_others_are_told_who(
    api: Api, device: httpx.Client
) -> None:
    scan = fail_scan(api, device)
    failed_id = failed_of(api, scan["scan_id"])
    people = [api.person("operator") for _ in range(4)]

    answers = at_once([partial(each.post, f"{LIST}/{failed_id}/replay") for each in people])

    (first,) = [answer for answer in answers if answer.status_code == httpx.codes.OK]
    for answer in answers:
        if answer is not first:
            said = problem_of(answer, 409)["detail"]
            assert said.startswith(f"It was replayed by {first.json()['resolved_by']} at ")
            assert said.endswith("UTC: 1 applied")
    assert api.warehouse.value("SELECT count(*) FROM bag_link WHERE link_id = :id", id=scan["scan_id"]) == 1
    assert len(audited(api, str(failed_id))) == 1
    for each in people:
        each.close()


def test_a_replay_whose_worker_dies_before_it_could_say_so_is_not_done_twice(
    api: Api, device: httpx.Client, worker: ScanWorkerProcess
) -> None:
    scan = fail_scan(api, device)
    person = api.warehouse.person("operator")
    command = api.warehouse.command(failed_work.REPLAY, {"failed_id": failed_of(api, scan["scan_id"])}, by=person)
    entry = Entry(b"0-1", encode_command(command))

    worker.handle_commands([entry])  # committed, and died before it could settle
    worker.handle_commands([entry])

    assert api.warehouse.outcome(command) == (
        "done",
        {"failed_id": command.arguments["failed_id"], "state": "replayed", "note": "1 applied"},
    )
    assert api.warehouse.value("SELECT count(*) FROM bag_link WHERE link_id = :id", id=scan["scan_id"]) == 1


def test_a_piece_that_kills_whoever_replays_it_stays_open_and_brings_no_second_one(
    api: Api, device: httpx.Client, worker: ScanWorkerProcess
) -> None:
    scan = fail_scan(api, device)
    failed_id = failed_of(api, scan["scan_id"])
    command = api.warehouse.command(failed_work.REPLAY, {"failed_id": failed_id}, by=api.warehouse.person("operator"))

    worker.handle_commands([Entry(b"0-1", encode_command(command), deliveries=POISON)])

    assert "every worker that replayed it died" in api.warehouse.outcome(command)[1]["detail"]
    row = api.warehouse.row("SELECT state, attempts FROM failed_work WHERE failed_id = :id", id=failed_id)
    assert row == {"state": "open", "attempts": 2}
    assert failed_of(api, command.command_id) is None


def test_a_scan_that_its_device_sent_again_meanwhile_is_replayed_without_effect(
    api: Api, device: httpx.Client, operator: httpx.Client
) -> None:
    scan = fail_scan(api, device)
    device.post("/api/v1/scans", json=scan, headers={"Prefer": "wait=20"})

    done = operator.post(f"{LIST}/{failed_of(api, scan['scan_id'])}/replay").json()

    assert (done["state"], done["note"]) == ("replayed", "1 applied")
    assert api.warehouse.value("SELECT count(*) FROM scan WHERE scan_id = :id", id=scan["scan_id"]) == 1


def test_a_reused_identity_stays_refused_until_it_is_discarded(
    api: Api, device: httpx.Client, operator: httpx.Client
) -> None:
    scan = scan_of("parent", f"SB{next(_numbers)}")
    device.post("/api/v1/scans", json=scan, headers={"Prefer": "wait=20"})
    device.post("/api/v1/scans", json={**scan, "code": f"SB{next(_numbers)}"}, headers={"Prefer": "wait=20"})
    failed_id = failed_of(api, scan["scan_id"])
    assert failed_id is not None

    problem = problem_of(operator.post(f"{LIST}/{failed_id}/replay"), 409)
    assert "stands for another scan" in problem["detail"]
    assert operator.get(f"{LIST}/{failed_id}").json()["attempts"] == 1

    done = operator.post(f"{LIST}/{failed_id}/discard", json={"reason": "a gun with a bad clock battery"})
    assert {"state": "discarded", "note": "a gun with a bad clock battery"}.items() <= done.json().items()
    (row,) = audited(api, failed_id)
    assert (row["action"], row["before"], row["after"]["state"]) == ("failed.discard", "open", "discarded")
    for way, body in (("replay", None), ("discard", {"reason": "once more"})):
        said = problem_of(operator.post(f"{LIST}/{failed_id}/{way}", json=body), 409)["detail"]
        assert said.startswith("It was discarded by operator_")
        assert said.endswith("a gun with a bad clock battery")


@pytest.mark.parametrize("reason", ["", "no", " no ", "     ", "x" * 501, "\x00" * 5], ids=repr)
def test_a_discard_needs_a_reason(api: Api, device: httpx.Client, operator: httpx.Client, reason: str) -> None:
    scan = fail_scan(api, device)

    problem_of(operator.post(f"{LIST}/{failed_of(api, scan['scan_id'])}/discard", json={"reason": reason}), 422)


def test_a_command_that_failed_is_replayed_under_its_own_identity(
    api: Api, worker: ScanWorkerProcess, operator: httpx.Client
) -> None:
    bill_no = f"FAILED-{next(_numbers)}"
    person = api.warehouse.person()
    arguments = {"bill_no": bill_no, "area": "lucknow", "capacity": 1, "destination": "x", "vehicle": None}
    command = api.warehouse.command("bill.create", arguments | {"description": None}, by=person)
    with refusing(api.warehouse, "bill_state", "true"):
        worker.handle_commands([Entry(b"0-1", encode_command(command))])
    failed_id = failed_of(api, command.command_id)
    listed = operator.get(f"{LIST}/{failed_id}").json()
    assert (listed["command"], listed["sent"]["actor"]) == ("bill.create", person.actor)

    done = operator.post(f"{LIST}/{failed_id}/replay").json()

    assert (done["state"], done["note"]) == ("replayed", "bill.create: done")
    with api.gateway.client(person.token) as biller:
        assert biller.get(f"/api/v1/bills/{bill_no}").json()["created_by"] == person.username
        assert biller.get(f"/api/v1/commands/{command.command_id}").json()["status"] == "done"


def test_a_command_that_is_refused_when_it_is_replayed_has_its_outcome(api: Api, operator: httpx.Client) -> None:
    person = api.warehouse.person()
    command = api.warehouse.command("bill.complete", {"bill_no": "NO-SUCH-BILL", "reason": None}, by=person)
    failed_id = keep(api, "commands", encode_command(command), reason="not_executable")

    done = operator.post(f"{LIST}/{failed_id}/replay").json()

    assert (done["state"], done["note"]) == ("replayed", "bill.complete: refused (not_found)")


def test_what_follows_a_commands_commit_follows_its_replay_too(api: Api, operator: httpx.Client) -> None:
    token, name = accounts.make_token(), f"gun {uuid7()}"
    arguments = {"name": name, "area": "indore", "token_sha256": accounts.hash_token(token).hex()}
    command = api.warehouse.command("device.enrol", arguments, by=api.warehouse.person("admin"))
    failed_id = keep(api, "commands", encode_command(command), reason="worker_died")

    operator.post(f"{LIST}/{failed_id}/replay").raise_for_status()

    with closing(connect_worker(api.settings)) as redis:
        assert redis.hexists(MIRROR_KEY, arguments["token_sha256"])
    with api.gateway.client(token) as device:
        answer = device.post("/api/v1/scans", json=scan_of("parent", f"SB{next(_numbers)}"))
        assert answer.status_code == httpx.codes.ACCEPTED


def test_what_nobody_can_read_stays_and_what_can_be_read_now_is_done_as_far_as_it_goes(
    api: Api, operator: httpx.Client
) -> None:
    gun = api.warehouse.device(INDORE)
    first = make_scan(Kind.PARENT, f"SB{next(_numbers)}", None, by=gun)
    api.warehouse.apply([first])
    good = [child(f"CH{next(_numbers)}", f"SB{next(_numbers)}", by=gun) for _ in range(6)]
    bad = child(f"CH{next(_numbers)}", f"SB{next(_numbers)}", by=Maker(gun.device_id, area_id=99))
    scans: list[Scan] = [*good[:4], bad, first._replace(code="SB99999"), *good[4:]]
    body = encode_submissions([ScanSubmission(ORIGIN, scans[:3], None), ScanSubmission(ORIGIN, scans[3:], None)])
    with closing(connect_worker(api.settings)) as redis:
        for scan in scans:  # what nobody could read could not be taken out of the index
            redis.hset(LedgerKeys("scans").index, scan.scan_id, f"device:{gun.device_id}")

        unreadable = problem_of(operator.post(f"{LIST}/{keep(api, 'scans', UNREADABLE)}/replay"), 409)
        done = operator.post(f"{LIST}/{keep(api, 'scans', body)}/replay").json()

        assert set(redis.hmget(LedgerKeys("scans").index, [scan.scan_id for scan in scans])) == {None}
    assert "message version 99" in unreadable["detail"]
    assert (done["state"], done["note"]) == ("replayed", "6 applied, 2 failed_work")
    assert (done["scan_count"], len(done["scans"])) == (8, 8)
    for scan, reason in ((bad, "not_applicable"), (first, "id_reused")):
        piece = operator.get(f"{LIST}/{failed_of(api, scan.scan_id)}").json()
        assert (piece["reason"], piece["state"]) == (reason, "open")
    assert api.warehouse.value("SELECT count(*) FROM scan WHERE device_id = :id", id=gun.device_id) == 7


def test_an_operator_sees_what_failed_and_an_admin_what_was_in_it(
    api: Api, device: httpx.Client, operator: httpx.Client, admin: httpx.Client
) -> None:
    scan = fail_scan(api, device)
    path = f"{LIST}/{failed_of(api, scan['scan_id'])}"
    unreadable = f"{LIST}/{keep(api, 'scans', f'secret {uuid7()}'.encode())}"

    (seen,) = operator.get(path).json()["scans"]
    (known,) = admin.get(path).json()["scans"]

    assert (seen["kind"], seen["code"], seen["target"], seen["scanned_at"]) == ("child", None, None, None)
    assert (known["code"], known["target"]) == (scan["code"], scan["parent_code"])
    assert known["device_id"] == seen["device_id"]
    for text in (operator.get(path).text, operator.get(LIST).text):
        assert scan["code"] not in text
        assert scan["parent_code"] not in text
    assert operator.get(unreadable).json()["text"] is None
    assert admin.get(unreadable).json()["text"].startswith("secret")
    assert admin.get(unreadable).json()["readable"] is False


def test_the_list_is_paged_newest_first_and_narrowed_down(api: Api, operator: httpx.Client) -> None:
    made = [
        keep(api, "reports", f"piece {uuid7()}".encode(), reason=("even", "odd")[number % 2]) for number in range(7)
    ]

    listed: list[str] = []
    params = {"queue": "reports", "limit": "3"}
    while True:
        page = operator.get(LIST, params=params).json()
        listed += [piece["failed_id"] for piece in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]

    assert listed[:7] == made[::-1]
    odd = operator.get(LIST, params={"queue": "reports", "reason": "odd"}).json()["items"]
    assert [piece["failed_id"] for piece in odd] == made[1::2][::-1]
    assert operator.get(LIST, params={"queue": "mail"}).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("query", ["cursor=x", "cursor=1-2", "cursor=9999999999999999999-0", "state=lost", "limit=0"])
def test_a_question_that_makes_no_sense_is_refused(operator: httpx.Client, query: str) -> None:
    problem_of(operator.get(f"{LIST}?{query}"), 422)


def test_what_is_not_there_is_not_found_and_what_is_no_identity_is_refused(operator: httpx.Client) -> None:
    problem_of(operator.get(f"{LIST}/{uuid7()}"), 404)
    problem_of(operator.post(f"{LIST}/{uuid7()}/replay"), 404)
    problem_of(operator.post(f"{LIST}/{uuid7()}/discard", json={"reason": "of a test"}), 404)
    problem_of(operator.post(f"{LIST}/nothing/replay"), 422)


def test_the_same_idempotency_key_gives_the_same_answer(api: Api, device: httpx.Client, operator: httpx.Client) -> None:
    path = f"{LIST}/{failed_of(api, fail_scan(api, device)['scan_id'])}/replay"
    key = {"Idempotency-Key": str(uuid7())}

    assert [operator.post(path, headers=key).status_code for _ in range(2)] == [200, 200]


def test_open_failed_work_is_counted_for_prometheus_by_queue(api: Api, operator: httpx.Client) -> None:
    keep(api, "scans", f"piece {uuid7()}".encode())
    by_queue = {
        row["queue"]: row["pieces"]
        for row in api.warehouse.rows(
            "SELECT queue, count(*) AS pieces FROM failed_work WHERE state = 'open' GROUP BY queue"
        )
    }

    metrics = operator.get("/metrics").text

    assert f'tracetrack_failed_work_open{{queue="scans"}} {by_queue["scans"]:.1f}' in metrics
    assert f'tracetrack_failed_work_open{{queue="reports"}} {by_queue.get("reports", 0):.1f}' in metrics


def test_a_report_is_replayed_by_the_worker_that_makes_reports(api: Api) -> None:
    process = ReportWorkerProcess(api.settings, name="tests-report-worker")
    biller, person = api.warehouse.person(), api.warehouse.person("operator")
    arguments = {"date": "2026-03-01", "area": "lucknow"}
    job = api.warehouse.command("eod.run", arguments, by=biller)
    failed_id = keep(api, "reports", encode_command(job), reason="not_executable", command_id=job.command_id)
    replay = api.warehouse.command(failed_work.REPLAY, {"failed_id": failed_id}, by=person)
    again = api.warehouse.command(failed_work.REPLAY, {"failed_id": failed_id}, by=person)

    with refusing(api.warehouse, "eod_summary", "true"):
        process.handle_reports([Entry(b"0-1", encode_command(replay))])
    status, outcome = api.warehouse.outcome(replay)
    assert status == "refused"
    assert "failed again and stays" in outcome["detail"]

    process.handle_reports([Entry(b"0-2", encode_command(again))])
    process.handle_reports([Entry(b"0-2", encode_command(again))])

    assert api.warehouse.outcome(again)[1]["note"] == "eod.run: done"
    assert api.warehouse.outcome(job)[0] == "done"
    assert api.warehouse.value("SELECT count(*) FROM eod_summary WHERE business_date = '2026-03-01'") == 1
    row = api.warehouse.row("SELECT state, attempts FROM failed_work WHERE failed_id = :id", id=failed_id)
    assert row == {"state": "replayed", "attempts": 3}
    process.database.close()


def test_a_replay_of_a_report_takes_the_road_of_reports(api: Api, operator: httpx.Client) -> None:
    failed_id = keep(api, "reports", f"piece {uuid7()}".encode())

    answer = operator.post(f"{LIST}/{failed_id}/replay", headers={"Prefer": "wait=0"})

    assert answer.status_code == httpx.codes.ACCEPTED
    with closing(connect_worker(api.settings)) as redis:
        assert redis.hexists(LedgerKeys("reports").index, answer.json()["command_id"])
