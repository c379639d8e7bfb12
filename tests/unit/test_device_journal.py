"""The journal of the reference client: on the disk, numbered once, one owner; and its arithmetic of counters."""

import random
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.domain.delivery import describe_delivery, gather
from tracetrack_device import Backoff, Delivery, Journal, JournalError, JournalInUseError, State, read_retry_after
from tracetrack_device.identity import uuid7

BODY = {"kind": "parent", "code": "SB00001"}
COUNTERS = st.sets(st.integers(1, 40))


def filled(path: Path, count: int, *, keep_done: int = 1_000) -> Journal:
    """Give a journal with so many scans, numbered in epoch 1."""
    journal = Journal(path, keep_done=keep_done)
    journal.begin_epoch(1)
    for number in range(1, count + 1):
        journal.record(f"scan-{number}", BODY)
    journal.number()
    return journal


def test_what_was_recorded_is_there_after_the_process_was_killed(tmp_path: Path) -> None:
    program = (
        "import itertools, sys; from tracetrack_device import Journal; journal = Journal(sys.argv[1])\n"
        "for number in itertools.count(): journal.record(f'scan-{number}', {'code': 'x'}); print(number, flush=True)"
    )
    path = tmp_path / "gun.journal"
    process = subprocess.Popen(  # noqa: S603 - this very Python
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = [next(process.stdout) for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    journal = Journal(path)
    recorded = [record.scan_id for record in journal.list_in(State.WAITING)]
    journal.close()
    whole_lines = [line.strip() for line in told if line.endswith("\n")]
    assert recorded[: len(whole_lines)] == [f"scan-{number}" for number in whole_lines]


def test_a_journal_has_one_owner(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "gun.journal")
    with pytest.raises(JournalInUseError, match="Another process"):
        Journal(tmp_path / "gun.journal")
    journal.close()
    Journal(tmp_path / "gun.journal").close()


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gun.journal"
    path.write_bytes(b"a letter to somebody " * 1_000)
    with pytest.raises(JournalError, match="is not a journal"):
        Journal(path)
    assert path.read_bytes().startswith(b"a letter")


def test_a_scan_that_cannot_be_written_down_is_not_taken(tmp_path: Path) -> None:
    journal = filled(tmp_path / "gun.journal", 1)
    with pytest.raises(JournalError, match="cannot be read or written"):
        journal.record("scan-1", BODY)
    journal.close()
    with pytest.raises(JournalError):
        journal.record("scan-2", BODY)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "no-such-folder" / "gun.journal")


def test_a_number_that_was_given_stays_and_a_new_epoch_begins_at_one(tmp_path: Path) -> None:
    journal = filled(tmp_path / "gun.journal", 2)
    journal.record("scan-3", BODY)
    journal.begin_epoch(7)
    journal.number()
    journal.number()
    journal.record("scan-4", BODY)
    journal.number()
    assert [(each.epoch, each.seq) for each in journal.list_in(State.WAITING)] == [(1, 1), (1, 2), (7, 1), (7, 2)]
    assert (journal.epoch, journal.last_seq) == (7, 2)
    journal.close()


def test_numbers_are_not_given_again_when_the_scans_that_had_them_are_forgotten(tmp_path: Path) -> None:
    journal = filled(tmp_path / "gun.journal", 10, keep_done=3)
    journal.settle([(f"scan-{number}", State.DONE, {"feedback": "ok"}) for number in range(1, 11)])
    assert journal.count(State.DONE) == 3
    assert journal.look("scan-7") is None
    journal.record("scan-11", BODY)
    journal.number()
    (last,) = journal.list_in(State.WAITING)
    assert last.seq == 11
    journal.close()


@given(applied=COUNTERS, failed=COUNTERS, sent=st.integers(0, 40), most=st.integers(1, 4))
def test_a_scan_is_let_go_exactly_when_the_server_is_known_to_have_it(
    tmp_path_factory: pytest.TempPathFactory, applied: set[int], failed: set[int], sent: int, most: int
) -> None:
    told = describe_delivery(1, gather(applied), gather(failed), most=most)
    names = ("epoch", "applied_through", "missing", "failed", "listed_through")
    journal = filled(tmp_path_factory.mktemp("journal") / "gun", sent)
    journal.note_delivery(Delivery.read({name: getattr(told, name) for name in names}), State.ARRIVED)
    states = {each.seq: each.state for each in journal.list_in(*State)}
    journal.close()
    for seq in range(1, sent + 1):
        is_known = seq <= told.listed_through
        if is_known and seq in failed - applied:
            assert states[seq] is State.FAILED
        elif is_known and seq in applied:
            assert states[seq] is State.ARRIVED
        else:
            assert states[seq] is State.WAITING
        if states[seq] is not State.WAITING:
            assert seq in applied | failed


@given(missing=COUNTERS, listed_through=st.integers(0, 40))
def test_what_arrived_is_what_is_not_missing(missing: set[int], listed_through: int) -> None:
    listed = {seq for seq in missing if seq <= listed_through}
    delivery = Delivery(1, 0, gather(listed), [], listed_through)
    arrived = {seq for first, last in delivery.arrived() for seq in range(first, last + 1)}
    assert arrived == set(range(1, listed_through + 1)) - listed


@given(tries=st.integers(0, 10_000), retry_after_s=st.floats(0, 100), seed=st.integers())
def test_a_pause_is_never_shorter_than_asked_for_nor_longer_than_it_may_be(
    tries: int, retry_after_s: float, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - jitter is no secret
    pause_s = Backoff(first_s=0.5, most_s=60, rng=rng).choose(tries, retry_after_s)
    assert retry_after_s <= pause_s <= retry_after_s + min(60, 0.5 * 2 ** min(tries, 16))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("3", 3),
        (" 3 ", 3),
        ("Mon, 23 Nov 2026 12:00:07 GMT", 7),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float) -> None:
    assert read_retry_after(header, datetime(2026, 11, 23, 12, tzinfo=UTC)) == seconds


def test_identities_are_of_version_seven_and_differ() -> None:
    identities = {uuid7() for _ in range(1_000)}
    assert len(identities) == 1_000
    assert {identity.version for identity in identities} == {7}
