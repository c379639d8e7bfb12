"""Look-alikes: the codes that somebody may have meant who typed or half read another one (docs/rules.md, Search)."""

from collections.abc import Iterator, Mapping
from itertools import combinations, islice, product

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
"""What codes are made of."""

_TWINS = ("0OQ", "1IL", "2Z", "5S", "6G", "8B")
_CONFUSED: Mapping[str, str] = {character: twins.replace(character, "") for twins in _TWINS for character in twins}
"""By character, those that look like it on a worn label."""

CONFUSIONS_MOST = 512
"""Of the codes that differ by confused characters alone: a code of twenty zeros has three thousand million of them."""


def look_alikes(code: str) -> list[str]:
    """Give the codes that this one may stand for, the nearest first, each once.

    First the code itself; then those in which any number of characters are confused with one that looks like it; then
    those one mistake away: two neighbours swapped, one character wrong or unread, one lost, one too many.

    Parameters
    ----------
    code
        Normalised; whatever stands for a character that could not be read is a wrong character.

    Examples
    --------
    >>> look_alikes("5B")[:4]
    ['5B', 'SB', '58', 'S8']
    """
    return list(dict.fromkeys([*islice(_confused(code), CONFUSIONS_MOST), *_swapped(code), *_one_edit(code)]))


def _confused(code: str) -> Iterator[str]:
    """Give the code with no, one, two, … characters confused."""
    places = [place for place, character in enumerate(code) if character in _CONFUSED]
    for count in range(len(places) + 1):
        for chosen in combinations(places, count):
            for replaced in product(*(_CONFUSED[code[place]] for place in chosen)):
                characters = list(code)
                for place, character in zip(chosen, replaced, strict=True):
                    characters[place] = character
                yield "".join(characters)


def _swapped(code: str) -> Iterator[str]:
    for place in range(len(code) - 1):
        yield code[:place] + code[place + 1] + code[place] + code[place + 2 :]


def _one_edit(code: str) -> Iterator[str]:
    for place in range(len(code)):
        for character in ALPHABET:
            yield code[:place] + character + code[place + 1 :]
    for place in range(len(code) + 1):
        for character in ALPHABET:
            yield code[:place] + character + code[place:]
    for place in range(len(code)):
        yield code[:place] + code[place + 1 :]
