"""The sentences that people read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.example import Example
from tests.support.outcomes import EXAMPLES
from tracetrack_common.domain.scans import Kind, Outcome, Result, describe, format_kg


@pytest.mark.parametrize(
    ("weight_g", "text"),
    [
        (0, "0 kg"),
        (4000, "4 kg"),
        (1250, "1.25 kg"),
        (1005, "1.005 kg"),
        (900, "0.9 kg"),
        (-22000, "-22 kg"),
        (-1, "-0.001 kg"),
    ],
)
def test_grams_are_written_as_kilograms_without_needless_zeros(weight_g: int, text: str) -> None:
    assert format_kg(weight_g) == text


@given(st.integers(-(10**12), 10**12))
def test_no_gram_is_lost_in_writing(weight_g: int) -> None:
    number = format_kg(weight_g).removesuffix(" kg")
    whole, _, rest = number.removeprefix("-").partition(".")

    written_g = int(whole) * 1000 + int(rest.ljust(3, "0") or "0")
    assert (-written_g if number.startswith("-") else written_g) == weight_g


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_outcome_has_a_sentence_that_names_the_code_and_what_stands_in_the_way(example: Example) -> None:
    scan, result = example.scan, example.expected

    sentence = describe(scan.kind, scan.code, scan.target, result)

    named_instead = {Outcome.UNKNOWN_BILL, Outcome.UNKNOWN_RETURN}
    assert (scan.target or "" if result.outcome in named_instead else scan.code) in sentence
    assert result.refers_to is None or result.refers_to in sentence
    assert "{" not in sentence
    assert "None" not in sentence


@pytest.mark.parametrize(
    ("kind", "result", "sentence"),
    [
        (Kind.CHILD, Result(Outcome.APPLIED, None, 4, 30, 4000), "CH67890 in SB12345 (4/30, 4 kg)"),
        (Kind.CHILD, Result(Outcome.LINKED_ELSEWHERE, "SB1"), "CH67890 is in SB1, not put in SB12345"),
        (
            Kind.CHILD,
            Result(Outcome.PARENT_FULL, None, 30, 30, 30000),
            "SB12345 is full, CH67890 not put in (30/30, 30 kg)",
        ),
        (Kind.CHILD, Result(Outcome.INVALID_CODE), "CH67890 in SB12345: not a bag code"),
        (Kind.PARENT, Result(Outcome.KNOWN, None, 0, 30, 0), "CH67890 is known (0/30, 0 kg)"),
        (
            Kind.BILL,
            Result(Outcome.ID_REUSED),
            "This scan_id was used before with other content; the first scan stands",
        ),
    ],
)
def test_a_sentence_reads_as_people_speak(kind: Kind, result: Result, sentence: str) -> None:
    assert describe(kind, "CH67890", "SB12345", result) == sentence
