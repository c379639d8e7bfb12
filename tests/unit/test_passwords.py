"""The policy of passwords: long, and hard to guess for who knows the person and the house."""

import pytest

from tracetrack_common.errors import InvalidInputError
from tracetrack_common.passwords import check_password, hash_password, verify_password


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "kR7bv92lKq0z", "ये बहुत लंबा पासवर्ड है", "seven brown kettles sing"]
)
def test_long_and_unlikely_ones_pass(password: str) -> None:
    check_password(password, words=("asha", None))


@pytest.mark.parametrize(
    "password",
    [
        "kR7bv92lKq0",
        "password12345",
        "qwertyuiop12",
        "aaaaaaaaaaaaaaaaaaaa",
        "TraceTrack2026",
        "lucknow123456",
        "bartholomew12",
        "x" * 129,
    ],
)
def test_short_long_and_likely_ones_are_refused_without_being_quoted(password: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_password(password, words=("bartholomew", "bartholomew@example.com"))
    assert password not in refused.value.detail


def test_a_hash_is_argon2id_and_repeatable_only_for_the_same_request() -> None:
    hashes = {hash_password("correct horse", repeatable_for=request) for request in ("a", "a", "b", None, None)}

    assert len(hashes) == 4
    assert all(each.startswith("$argon2id$") and verify_password("correct horse", each) for each in hashes)
    assert not verify_password("wrong", min(hashes))
    assert not verify_password("correct horse", None)
