"""Commands: once, with their outcome kept; bills and returns as domain.md has them."""

from tests.support.scans import ORIGIN, make_scan
from tests.support.together import at_once
from tests.support.warehouse import Warehouse, executor
from tracetrack_common.contracts import encode_command
from tracetrack_common.domain.scans import Kind
from tracetrack_common.ids import uuid7
from tracetrack_common.ledger import Entry

BILL = {"bill_no": None, "area": "lucknow", "capacity": 2, "destination": "Delhi", "vehicle": None, "description": None}


def test_a_command_that_comes_again_is_done_once(warehouse: Warehouse) -> None:
    command = warehouse.command("bill.create", BILL, by=warehouse.biller)
    warehouse.execute(command)
    first = warehouse.outcome(command)
    warehouse.execute(command, command)
    assert warehouse.outcome(command) == first
    assert warehouse.value("SELECT count(*) FROM bill") == 1


def test_an_idempotency_key_stands_for_one_request(warehouse: Warehouse) -> None:
    first, again, other = (
        warehouse.command("bill.create", BILL | {"capacity": capacity}, by=warehouse.biller, idempotency_key="once")
        for capacity in (2, 2, 3)
    )
    warehouse.execute(first, again, other)
    assert warehouse.value("SELECT count(*) FROM bill") == 1
    assert warehouse.value("SELECT count(*) FROM command") == 1


def test_a_refusal_is_kept_as_the_outcome_and_changes_nothing(warehouse: Warehouse) -> None:
    command = warehouse.command("bill.create", BILL | {"area": "atlantis"}, by=warehouse.biller)
    warehouse.execute(command)
    status, outcome = warehouse.outcome(command)
    assert (status, outcome["code"], outcome["errors"][0]["field"]) == ("refused", "invalid_input", "area")
    assert warehouse.value("SELECT count(*) FROM bill") == 0
    assert warehouse.value("SELECT count(*) FROM audit_log") == 0


def test_numbers_that_the_system_gives_have_no_holes_and_no_doubles(warehouse: Warehouse) -> None:
    commands = [warehouse.command("bill.create", BILL, by=warehouse.biller) for _ in range(20)]
    at_once([lambda command=command: warehouse.insist(command) for command in commands])  # type: ignore[misc]
    numbers = sorted(row["bill_no"] for row in warehouse.rows("SELECT bill_no FROM bill"))
    assert [int(number.rsplit("-", 1)[1]) for number in numbers] == list(range(1, 21))


def test_a_bill_needs_as_many_sacks_as_it_has_room_for_or_a_reason(warehouse: Warehouse) -> None:
    warehouse.bill("B-1", capacity=2)
    warehouse.apply([make_scan(Kind.PARENT, "SB00001", None), make_scan(Kind.BILL, "SB00001", "B-1")])
    short = warehouse.command("bill.complete", {"bill_no": "B-1", "reason": None}, by=warehouse.biller)
    warehouse.execute(short)
    assert "needs 1 more" in warehouse.outcome(short)[1]["detail"]
    assert warehouse.value("SELECT status FROM bill") == "processing"
    with_reason = warehouse.command("bill.complete", {"bill_no": "B-1", "reason": "lorry left"}, by=warehouse.biller)
    warehouse.execute(with_reason)
    assert warehouse.value("SELECT status FROM bill") == "completed"
    audited = warehouse.value("SELECT after FROM audit_log WHERE action = 'bill.complete'")
    assert (audited["missing"], audited["reason"]) == (1, "lorry left")


def test_two_completions_at_once_make_one_transition(warehouse: Warehouse) -> None:
    warehouse.bill("B-1", capacity=1)
    warehouse.apply([make_scan(Kind.PARENT, "SB00001", None), make_scan(Kind.BILL, "SB00001", "B-1")])
    commands = [
        warehouse.command("bill.complete", {"bill_no": "B-1", "reason": None}, by=warehouse.biller) for _ in range(2)
    ]
    at_once([lambda command=command: warehouse.insist(command) for command in commands])  # type: ignore[misc]
    assert sorted(warehouse.outcome(command)[0] for command in commands) == ["done", "refused"]
    assert warehouse.value("SELECT count(*) FROM bill_state WHERE status = 'completed'") == 1


def test_a_bill_of_another_area_is_not_there(warehouse: Warehouse) -> None:
    warehouse.bill("B-1", capacity=1)
    command = warehouse.command("bill.complete", {"bill_no": "B-1", "reason": "x"}, by=warehouse.biller, area_id=2)
    warehouse.execute(command)
    assert warehouse.outcome(command)[1]["code"] == "not_found"


def test_what_a_defect_ends_is_failed_work_and_whoever_waits_is_told(warehouse: Warehouse) -> None:
    command = warehouse.command("no.such.command", {}, by=warehouse.biller, reply_to="tt:reply:x|1|0")
    entry = Entry(b"0-1", encode_command(command))
    handled = executor(warehouse.database).handle([entry])
    assert b'"failed"' in handled.replies["tt:reply:x"]
    assert warehouse.value("SELECT reason FROM failed_work") == "not_executable"


def test_a_sack_put_on_a_bill_by_hand_is_a_scan_of_that_person(warehouse: Warehouse) -> None:
    warehouse.bill("B-1", capacity=1)
    warehouse.apply([make_scan(Kind.PARENT, "SB00001", None)])
    command = warehouse.command(
        "bill.attach", {"bill_no": "B-1", "code": "SB00001"}, by=warehouse.biller, command_id=str(uuid7())
    )
    warehouse.execute(command, command)
    assert warehouse.outcome(command)[1]["outcome"] == "applied"
    scan = warehouse.row("SELECT user_id, device_id FROM scan WHERE kind = 'bill'")
    assert scan == {"user_id": warehouse.biller.user_id, "device_id": None}


def test_a_number_that_was_given_to_what_failed_is_given_again(warehouse: Warehouse) -> None:
    warehouse.change("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$")
    warehouse.change("CREATE TRIGGER fail BEFORE INSERT ON bill_state FOR EACH ROW EXECUTE FUNCTION fail()")
    failed = warehouse.command("bill.create", BILL, by=warehouse.biller)
    warehouse.execute(failed)
    assert warehouse.value("SELECT reason FROM failed_work") == "not_executable"
    assert warehouse.value("SELECT count(*) FROM command") == 0

    warehouse.change("DROP TRIGGER fail ON bill_state")
    warehouse.execute(warehouse.command("bill.create", BILL, by=warehouse.biller))
    assert warehouse.value("SELECT bill_no FROM bill").endswith("-000001")


def test_a_number_that_people_took_is_left_out(warehouse: Warehouse) -> None:
    year = ORIGIN.received_at.year
    warehouse.bill(f"BILL-{year}-000001")
    command = warehouse.command("bill.create", BILL, by=warehouse.biller)
    warehouse.execute(command)
    assert warehouse.outcome(command) == ("done", {"bill_no": f"BILL-{year}-000002"})


def test_a_bill_number_is_taken_once(warehouse: Warehouse) -> None:
    commands = [warehouse.command("bill.create", BILL | {"bill_no": "B-1"}, by=warehouse.biller) for _ in range(8)]
    at_once([lambda command=command: warehouse.insist(command) for command in commands])  # type: ignore[misc]
    outcomes = [warehouse.outcome(command) for command in commands]
    assert sorted(status for status, _ in outcomes) == ["done", *["refused"] * 7]
    assert {outcome["code"] for status, outcome in outcomes if status == "refused"} == {"conflict"}


def test_an_idempotency_key_used_at_once_makes_one_bill(warehouse: Warehouse) -> None:
    commands = [warehouse.command("bill.create", BILL, by=warehouse.biller, idempotency_key="once") for _ in range(8)]
    at_once([lambda command=command: warehouse.insist(command) for command in commands])  # type: ignore[misc]
    assert warehouse.value("SELECT count(*) FROM bill") == 1
    assert warehouse.value("SELECT count(*) FROM command") == 1
    assert warehouse.value("SELECT count(*) FROM audit_log WHERE action = 'bill.create'") == 1


def test_an_idempotency_key_is_its_owners_own(warehouse: Warehouse) -> None:
    for person in (warehouse.biller, warehouse.person()):
        warehouse.execute(warehouse.command("bill.create", BILL, by=person, idempotency_key="once"))
    assert warehouse.value("SELECT count(*) FROM bill") == 2


def test_a_refusal_under_an_idempotency_key_stays_a_refusal(warehouse: Warehouse) -> None:
    wanted = {"bill_no": "B-1", "reason": None}
    warehouse.bill("B-1", capacity=1)
    first = warehouse.command("bill.complete", wanted, by=warehouse.biller, idempotency_key="once")
    warehouse.execute(first)
    warehouse.apply([make_scan(Kind.PARENT, "SB00001", None), make_scan(Kind.BILL, "SB00001", "B-1")])
    again = warehouse.command(
        "bill.complete", wanted, by=warehouse.biller, idempotency_key="once", reply_to="tt:reply:x|1|0"
    )
    handled = executor(warehouse.database).handle([Entry(b"0-1", encode_command(again))])
    assert b"needs 1 more" in b"".join(handled.replies.values())
    assert warehouse.value("SELECT status FROM bill") == "processing"


def test_a_bill_is_completed_when_it_is_full_and_says_since_when(warehouse: Warehouse) -> None:
    warehouse.bill("B-1", capacity=1)
    warehouse.apply([make_scan(Kind.PARENT, "SB00001", None), make_scan(Kind.BILL, "SB00001", "B-1")])
    warehouse.complete("B-1", reason=None)
    states = warehouse.rows("SELECT status, valid_until IS NULL AS current, reason FROM bill_state ORDER BY change_id")
    assert {(state["status"], state["current"], state["reason"]) for state in states} == {
        ("new", False, None),
        ("processing", False, None),
        ("completed", True, None),
    }


def test_every_command_that_changed_something_has_an_audit_row_with_who_and_from_where(warehouse: Warehouse) -> None:
    warehouse.bill("B-1", capacity=1)
    warehouse.complete("B-1", reason="the lorry leaves")
    warehouse.goods_return()
    rows = warehouse.rows("SELECT actor, action, object, request_id, address FROM audit_log ORDER BY at, seq")
    assert {(row["action"], row["actor"], row["request_id"], row["address"]) for row in rows} == {
        (action, warehouse.biller.actor, ORIGIN.request_id, ORIGIN.address)
        for action in ("bill.create", "bill.complete", "return.create")
    }
