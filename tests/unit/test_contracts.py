"""What travels from the gateway to the workers arrives as it was sent, and what cannot be read says so."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.scans import NOON, child, load, sack
from tracetrack_common.contracts import (
    VERSION,
    Command,
    Origin,
    ScanSubmission,
    UnreadableEntryError,
    decode_command,
    decode_submissions,
    encode_command,
    encode_submissions,
    outcome_document,
)
from tracetrack_common.domain.scans import Kind, Outcome, Result, Scan
from tracetrack_common.ids import uuid7

texts = st.text(st.characters(codec="utf-8"), max_size=30)
numbers = st.one_of(st.none(), st.integers(0, 2**31 - 1))
moments = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2199, 12, 30),  # noqa: DTZ001
)
origins = st.builds(Origin, texts, st.one_of(st.none(), texts), moments)
scans = st.builds(
    Scan,
    scan_id=st.builds(lambda: str(uuid7())),
    kind=st.sampled_from(Kind),
    code=texts,
    target=st.one_of(st.none(), texts),
    scanned_at=moments,
    device_time=moments,
    area_id=numbers,
    device_id=numbers,
    user_id=numbers,
    epoch=numbers,
    seq=st.one_of(st.none(), st.integers(0, 2**63 - 1)),
)
submissions = st.builds(ScanSubmission, origins, st.lists(scans, max_size=4), st.one_of(st.none(), texts))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=10,
)
commands = st.builds(
    Command,
    command_id=st.builds(lambda: str(uuid7())),
    name=texts,
    actor=texts,
    area_id=numbers,
    arguments=st.dictionaries(texts, json_values, max_size=4),
    origin=origins,
    reply_to=st.one_of(st.none(), texts),
    idempotency_key=st.one_of(st.none(), texts),
)


@given(st.lists(submissions, max_size=4))
def test_scans_arrive_as_they_were_sent(sent: list[ScanSubmission]) -> None:
    assert decode_submissions(encode_submissions(sent)) == sent


@given(commands)
def test_a_command_arrives_as_it_was_sent(sent: Command) -> None:
    assert decode_command(encode_command(sent)) == sent


@given(st.one_of(st.binary(), json_values.map(orjson.dumps)))
def test_what_is_no_message_is_unreadable_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(UnreadableEntryError):
        decode_submissions(body)
    with pytest.raises(UnreadableEntryError):
        decode_command(body)


@given(json_values)
def test_a_message_with_the_wrong_inside_is_unreadable_and_nothing_worse(inside: Any) -> None:
    body = orjson.dumps({"v": VERSION, "r": [inside], "c": inside})

    with pytest.raises(UnreadableEntryError):
        decode_submissions(body)
    with pytest.raises(UnreadableEntryError):
        decode_command(body)


@pytest.mark.parametrize("version", [VERSION + 1, 0, None, "1"])
def test_a_message_of_another_version_is_unreadable(version: object) -> None:
    body = orjson.dumps({"v": version, "r": []})

    with pytest.raises(UnreadableEntryError, match=r"message version .*, this release reads 1"):
        decode_submissions(body)


def test_the_outcome_of_a_child_scan_shows_the_sack_it_names() -> None:
    scan = child("CH67890", "SB12345")

    assert outcome_document(scan, Result(Outcome.APPLIED, None, 4, 30, 4000)) == {
        "scan_id": scan.scan_id,
        "status": "done",
        "outcome": "applied",
        "feedback": "ok",
        "message": "CH67890 in SB12345 (4/30, 4 kg)",
        "parent": {"code": "SB12345", "children": 4, "capacity": 30, "weight_g": 4000},
        "refers_to": None,
    }


def test_the_outcome_of_a_bill_scan_shows_the_sack_that_was_scanned() -> None:
    document = outcome_document(load("SB12345", "BILL-1"), Result(Outcome.ON_OTHER_BILL, "BILL-2", 7, 30, 7000))

    assert document["parent"] == {"code": "SB12345", "children": 7, "capacity": 30, "weight_g": 7000}
    assert document["refers_to"] == "BILL-2"
    assert document["feedback"] == "stop"


def test_an_outcome_without_a_sack_has_no_parent() -> None:
    assert outcome_document(sack("SB-1"), Result(Outcome.INVALID_CODE))["parent"] is None


def test_what_a_repeated_identity_must_repeat_is_all_but_the_corrected_time() -> None:
    first = child("CH67890", "SB12345", at=NOON)

    assert first._replace(scanned_at=NOON + timedelta(seconds=1)).content == first.content
    for other in (
        first._replace(kind=Kind.BILL),
        first._replace(code="CH67891"),
        first._replace(target="SB12346"),
        first._replace(device_time=NOON + timedelta(seconds=1)),
        first._replace(device_id=2),
        first._replace(user_id=2),
        first._replace(epoch=1),
        first._replace(seq=1),
    ):
        assert other.content != first.content
