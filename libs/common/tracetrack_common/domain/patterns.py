r"""Patterns of sack codes: a language so small that two patterns can be held against each other exactly.

A pattern is a row of places, each of which takes one character: a letter, digit, ``-`` or ``_`` that stands for
itself, ``\d`` (a digit), ``[A-Z]`` or ``[A-Z0-9]``, with ``{n}`` behind it for n such places. So it matches codes of
one length, in linear time, and two patterns have a code in common exactly when they are of one length and have a
character in common at every place.
"""

import re
import string
from dataclasses import dataclass
from typing import Self

PLACES_MOST = 40
"""Longer codes fit on no sack."""

_DIGITS = frozenset(string.digits)
_LETTERS = frozenset(string.ascii_uppercase)
_CLASSES = {r"\d": _DIGITS, "[A-Z]": _LETTERS, "[A-Z0-9]": _LETTERS | _DIGITS}
_PLACE = re.compile(r"(\\d|\[A-Z\]|\[A-Z0-9\]|[A-Z0-9_-])(?:\{([1-9]\d?)\})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SackPattern:
    """A pattern that was read.

    Parameters
    ----------
    places
        For each place, the characters it takes.
    """

    places: tuple[frozenset[str], ...]

    @classmethod
    def read(cls, text: str) -> Self:
        r"""Read a pattern.

        Raises
        ------
        ValueError
            It is not one, or matches longer codes than there are.

        Examples
        --------
        >>> len(SackPattern.read(r"SB\d{5}").places)
        7
        """
        places: list[frozenset[str]] = []
        position = 0
        while position < len(text):
            found = _PLACE.match(text, position)
            if found is None:
                raise ValueError(
                    f"at {text[position:][:10]!r}: use A to Z, 0 to 9, - and _ as they are, \\d, [A-Z] and [A-Z0-9],"
                    " each with {n} behind it where it stands n times; the whole code is matched, without ^ and $"
                )
            characters = _CLASSES.get(found[1], frozenset(found[1]))
            places += [characters] * int(found[2] or 1)
            position = found.end()
        if not 1 <= len(places) <= PLACES_MOST:
            raise ValueError(f"a code has 1 to {PLACES_MOST} characters, not {len(places)}")
        return cls(tuple(places))

    def find_common(self, other: "SackPattern") -> str | None:
        r"""Give a code that both match; None when there is none.

        Examples
        --------
        >>> SackPattern.read(r"SB\d{2}").find_common(SackPattern.read("S[A-Z]0[A-Z0-9]"))
        'SB00'
        """
        if len(self.places) != len(other.places):
            return None
        shared = [mine & theirs for mine, theirs in zip(self.places, other.places, strict=True)]
        return "".join(min(each) for each in shared) if all(shared) else None
