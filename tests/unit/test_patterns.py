"""Patterns of sack codes: what one takes, and whether two have a code in common (docs/rules.md, Bag types)."""

import itertools
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.domain.patterns import PLACES_MOST, SackPattern

ALPHABET = "ABSZ0159-_"
"""Enough of what codes are made of to try every one of a length."""

places = st.sampled_from([r"\d", "[A-Z]", "[A-Z0-9]", *"ABS059-_"])
patterns = st.lists(st.tuples(places, st.sampled_from(["", "{1}", "{2}"])), min_size=1, max_size=3).map(
    lambda parts: "".join(place + times for place, times in parts)
)
short_patterns = patterns.filter(lambda text: len(SackPattern.read(text).places) <= 4)


def matches(pattern: str, code: str) -> bool:
    return re.fullmatch(pattern, code, re.ASCII) is not None


@given(short_patterns, short_patterns)
def test_two_patterns_have_a_code_in_common_exactly_when_there_is_one(one: str, other: str) -> None:
    common = SackPattern.read(one).find_common(SackPattern.read(other))

    lengths = {len(SackPattern.read(one).places), len(SackPattern.read(other).places)}
    if common is not None:
        assert matches(one, common)
        assert matches(other, common)
    elif len(lengths) == 1:
        codes = map("".join, itertools.product(ALPHABET, repeat=lengths.pop()))
        assert not any(matches(one, code) and matches(other, code) for code in codes)


@given(patterns, patterns)
def test_overlapping_is_mutual(one: str, other: str) -> None:
    assert SackPattern.read(one).find_common(SackPattern.read(other)) == SackPattern.read(other).find_common(
        SackPattern.read(one)
    )


@given(patterns, st.data())
def test_a_pattern_takes_what_python_takes_and_nothing_else(text: str, data: st.DataObject) -> None:
    pattern = SackPattern.read(text)
    code = data.draw(st.text(ALPHABET, min_size=len(pattern.places), max_size=len(pattern.places)))

    assert matches(text, code) is all(character in place for character, place in zip(code, pattern.places, strict=True))
    assert matches(text, "".join(min(place) for place in pattern.places))


@given(st.text())
def test_any_other_text_is_refused_and_never_taken_for_something_else(text: str) -> None:
    with suppress(ValueError):
        pattern = SackPattern.read(text)
        assert matches(text, "".join(min(place) for place in pattern.places))


@pytest.mark.parametrize(
    "text",
    ["", "sb1", r"^SB\d{5}$", "SB.*", r"(SB)+\d", "SB|MB", r"\d+", r"\D", "[0-9]", "A{0}", r"\d{1,3}", "Ä", "A B"],
)
def test_what_could_be_slow_or_open_ended_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        SackPattern.read(text)


def test_a_pattern_has_at_most_as_many_places_as_a_code_fits_on_a_sack() -> None:
    assert len(SackPattern.read(f"[A-Z]{{{PLACES_MOST}}}").places) == PLACES_MOST
    with pytest.raises(ValueError, match="not 41"):
        SackPattern.read(f"[A-Z]{{{PLACES_MOST}}}9")


def test_the_shipped_patterns_have_no_code_in_common() -> None:
    assert SackPattern.read(r"SB\d{5}").find_common(SackPattern.read(r"M444-\d{5}")) is None
