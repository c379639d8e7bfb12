"""Look-alikes: whatever single mistake was made, what was meant is among them (docs/rules.md, Search)."""

from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.domain.look_alikes import ALPHABET, look_alikes

codes = st.text(ALPHABET, min_size=4, max_size=20)
characters = st.sampled_from(ALPHABET)
TWINS = {"0": "O", "O": "Q", "1": "I", "I": "L", "5": "S", "S": "5", "8": "B", "B": "8", "2": "Z", "6": "G"}


@given(meant=codes, data=st.data())
def test_a_code_with_one_character_wrong_unread_lost_or_too_many_finds_what_was_meant(
    meant: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(meant) - 1))
    wrong = data.draw(characters | st.just("?"))

    for read in (
        meant[:place] + wrong + meant[place + 1 :],
        meant[:place] + meant[place + 1 :],
        meant[:place] + wrong + meant[place:],
    ):
        assert meant in look_alikes(read)


@given(meant=codes, data=st.data())
def test_two_neighbours_swapped_find_what_was_meant(meant: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(meant) - 2))

    assert meant in look_alikes(meant[:place] + meant[place + 1] + meant[place] + meant[place + 2 :])


@given(meant=st.text(ALPHABET, min_size=4, max_size=8), data=st.data())
def test_any_number_of_confused_characters_in_a_code_of_eight_finds_what_was_meant(
    meant: str, data: st.DataObject
) -> None:
    confused = data.draw(st.lists(st.booleans(), min_size=len(meant), max_size=len(meant)))
    read = "".join(TWINS.get(each, each) if swap else each for each, swap in zip(meant, confused, strict=True))
    if sum(each in "0OQ1IL5S8B2Z6G" for each in read) <= 5:
        assert meant in look_alikes(read)


@given(code=codes)
def test_a_code_is_its_own_nearest_look_alike_and_none_comes_twice_nor_are_they_too_many(code: str) -> None:
    found = look_alikes(code)

    assert found[0] == code
    assert len(set(found)) == len(found)
    assert len(found) <= 512 + 20 + 37 * (2 * len(code) + 2)
