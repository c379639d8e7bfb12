"""Codes of second factors: those of RFC 6238, of about now, and recovery codes however they are typed."""

import base64

import pytest

from tracetrack_common import second_factor

_RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("now_s", "code"), [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
)
def test_the_codes_are_those_of_the_standard(now_s: float, code: str) -> None:
    assert second_factor.find_step(_RFC_SECRET, code, now_s=now_s) == now_s // 30


@pytest.mark.parametrize(("off_s", "is_taken"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
def test_a_phone_may_be_half_a_minute_off(off_s: float, *, is_taken: bool) -> None:
    now_s = 1_234_567_890.0
    assert (second_factor.find_step(_RFC_SECRET, "005924", now_s=now_s + off_s) is not None) is is_taken


@pytest.mark.parametrize("code", ["", "00592", "0059244", "٠٠٥٩٢٤", "abcdef"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert second_factor.find_step(_RFC_SECRET, code, now_s=1_234_567_890) is None


def test_a_secret_is_the_salts_and_the_keys_and_of_no_other() -> None:
    salt, other = second_factor.make_salt(), second_factor.make_salt()
    secret = second_factor.derive_secret(b"key", salt)

    assert second_factor.derive_secret(b"key", salt) == secret
    assert secret not in {second_factor.derive_secret(b"key", other), second_factor.derive_secret(b"yek", salt)}


def test_a_recovery_code_is_the_same_however_it_is_typed() -> None:
    codes = second_factor.make_recovery_codes()
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert second_factor.hash_recovery_code(codes[0]) == second_factor.hash_recovery_code(
        codes[0].lower().replace("-", " ")
    )
