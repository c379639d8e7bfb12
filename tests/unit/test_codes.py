"""Codes: how they are read, and what they can stand for (domain.md, Codes)."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.strategies import MOONG, SHIPPED, WHEAT
from tracetrack_common.domain.codes import BagType, Catalogue, CodeClass, normalise

wheat_codes = st.from_regex(r"SB[0-9]{5}", fullmatch=True)
moong_codes = st.from_regex(r"M444-[0-9]{5}", fullmatch=True)
child_codes = st.from_regex(r"[A-Z0-9]{4,20}", fullmatch=True).filter(
    lambda code: not re.fullmatch(r"SB\d{5}", code, re.ASCII)
)
blanks = st.text(alphabet=" \t\r\n", max_size=3)
label_like = st.lists(
    st.sampled_from(["LABEL", "label", "NO", "No", ".", ":", " ", "  ", "\n", "0016586", "LOT 7", "SB12345", "ab"]),
    max_size=9,
).map("".join)


@given(st.one_of(st.text(), label_like))
@example("LABEL NO.LABELNO0016586")
def test_reading_a_code_twice_is_reading_it_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.one_of(wheat_codes, moong_codes, child_codes), blanks, blanks)
def test_a_code_is_trimmed_and_compared_without_case(code: str, before: str, after: str) -> None:
    assert normalise(before + code.lower() + after) == normalise(before + code + after) == normalise(code)


@given(st.text())
def test_what_postgres_cannot_store_never_gets_through(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f]", normalise(text))


@pytest.mark.parametrize(
    "label",
    [
        "LABEL NO.0016586 LOT 77/2026",
        "LABEL NO.0016586",
        "label no.0016586 lot a",
        "  LABEL NO. 0016586\tLOT 77  ",
        "LABEL NO: 0016586 LOT 77",
        "LABEL NO 0016586 LOT 77",
        "LABELNO.0016586 LOT 77",
        "LABEL NO.0016586\nLOT 77\nWEIGHT 1KG",
    ],
)
def test_a_suppliers_label_stands_for_its_child(label: str) -> None:
    assert normalise(label) == "0016586"


@pytest.mark.parametrize(
    "text", ["LABEL NO.", "LABEL NO.001", "LABEL 0016586", "XLABEL NO.0016586", "LABEL NO.00165-86"]
)
def test_what_only_looks_like_a_label_stands_for_itself(text: str) -> None:
    assert normalise(text) == text
    assert SHIPPED.classify(text) is CodeClass.INVALID


@given(wheat_codes)
def test_sb_and_five_digits_are_a_sack_of_wheat(code: str) -> None:
    assert SHIPPED.classify(code) is CodeClass.PARENT
    assert SHIPPED.bag_type_of(code) == WHEAT


@given(moong_codes)
def test_m444_and_five_digits_are_a_sack_of_moong(code: str) -> None:
    assert SHIPPED.classify(code) is CodeClass.PARENT
    assert SHIPPED.bag_type_of(code) == MOONG


@given(child_codes)
def test_four_to_twenty_letters_and_digits_that_are_no_sack_are_a_child(code: str) -> None:
    assert SHIPPED.classify(code) is CodeClass.CHILD


@pytest.mark.parametrize(
    "code",
    [
        "",
        "A",
        "ABC",
        "A" * 21,
        "AB CD",
        "AB-CD",
        "SB-12345",
        "M444-1234",
        "M444-123456",
        "ÄÖÜÄ",
        "SB\N{ARABIC-INDIC DIGIT ONE}2345",
        "ABCD\n",
        "A\ufffdBC",
    ],
)
def test_anything_else_is_invalid(code: str) -> None:
    assert SHIPPED.classify(code) is CodeClass.INVALID


@given(st.one_of(st.text(), wheat_codes, moong_codes, child_codes, label_like))
def test_every_text_stands_for_a_sack_or_a_child_or_neither_and_never_both(text: str) -> None:
    code = normalise(text)
    is_sack = SHIPPED.bag_type_of(code) is not None
    is_child = not is_sack and re.fullmatch(r"[A-Z0-9]{4,20}", code, re.ASCII) is not None

    expected = CodeClass.PARENT if is_sack else CodeClass.CHILD if is_child else CodeClass.INVALID
    assert SHIPPED.classify(code) is expected


@given(st.one_of(st.text(), child_codes))
def test_without_bag_types_there_are_no_sacks(text: str) -> None:
    assert Catalogue([]).classify(normalise(text)) is not CodeClass.PARENT


def test_the_first_bag_type_whose_pattern_matches_is_the_type() -> None:
    first = BagType(1, "first", r"P\d+", 10, 500)
    second = BagType(2, "second", r"P1\d*", 20, 700)

    assert Catalogue([first, second]).bag_type_of("P12") == first
    assert Catalogue([second, first]).bag_type_of("P12") == second
