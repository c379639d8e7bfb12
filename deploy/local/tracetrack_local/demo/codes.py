"""Bag codes of a demo day: fresh ones, worn ones, misprinted ones."""

import random
from dataclasses import dataclass, replace
from typing import Final

from tracetrack_local.errors import LauncherError

FIRST_NUMBER: Final = 20_000
"""Demo sacks begin here, so that codes typed in by hand from the README stay free."""

MOONG_SHARE: Final = 0.2
LABEL_SHARE: Final = 0.03
LOWER_CASE_SHARE: Final = 0.03
PADDED_SHARE: Final = 0.01

_LAST_SACK = 99_999
_MISPRINTED_CHILDREN: Final = ("CH{:05d}*{:02d}", "C{}", "CH {:05d}", "CH{:021d}", "CH{:05d}#", "ÇH{:06d}")
_MISPRINTED_SACKS: Final = ("SB{:03d}-4", "M444\N{EN DASH}{:05d}", "M44-{:05d}", "SB{:03d} {:02d}", "S?{:05d}")


@dataclass(frozen=True)
class CodeRanges:
    """
    The next numbers that no demo day has used.

    Attributes
    ----------
    wheat, moong
        Of sacks, five digits.
    child, label
        Of children with a printed code, and of those with a supplier's label.
    """

    wheat: int = FIRST_NUMBER
    moong: int = FIRST_NUMBER
    child: int = FIRST_NUMBER
    label: int = FIRST_NUMBER

    def skip(self, sacks: int, children: int) -> "CodeRanges":
        """Leave out numbers, for a database that knows them from elsewhere."""
        return replace(
            self,
            wheat=self.wheat + sacks,
            moong=self.moong + sacks,
            child=self.child + children,
            label=self.label + children,
        )


class CodePrinter:
    """
    Prints the codes of one day, each once.

    Parameters
    ----------
    ranges
        Where to begin.
    rng
        Source of chance.
    """

    def __init__(self, ranges: CodeRanges, rng: random.Random) -> None:
        self._next = ranges
        self._rng = rng

    @property
    def ranges(self) -> CodeRanges:
        """Where the next day may begin."""
        return self._next

    def new_sack(self) -> str:
        """
        Print a sack's code, of wheat mostly.

        Raises
        ------
        LauncherError
            When every code of that kind was used by earlier days.
        """
        if self._rng.random() < MOONG_SHARE:
            number, self._next = self._next.moong, replace(self._next, moong=self._next.moong + 1)
            code = f"M444-{number:05d}"
        else:
            number, self._next = self._next.wheat, replace(self._next, wheat=self._next.wheat + 1)
            code = f"SB{number:05d}"
        if number > _LAST_SACK:
            raise LauncherError("Earlier demo days have used every sack code: start over with another state folder.")
        return code

    def new_child(self) -> str:
        """Print a child's code; a few are the seven digits of a supplier's label."""
        if self._rng.random() < LABEL_SHARE:
            number, self._next = self._next.label, replace(self._next, label=self._next.label + 1)
            return f"{number:07d}"
        number, self._next = self._next.child, replace(self._next, child=self._next.child + 1)
        return f"CH{number:08d}"

    def as_scanned(self, code: str) -> str:
        """Give a code as a scanner may read it: a label with its lot, in lower case, with blanks around it."""
        if code.isdigit():
            return f"LABEL NO.{code} LOT {self._rng.randint(100, 999)}"
        chance = self._rng.random()
        if chance < LOWER_CASE_SHARE:
            return code.lower()
        return f" {code} " if chance < LOWER_CASE_SHARE + PADDED_SHARE else code

    def misprinted_child(self) -> str:
        """Print what no child can be called."""
        return self._fill(_MISPRINTED_CHILDREN)

    def misprinted_sack(self) -> str:
        """Print what no sack can be called, nor a child."""
        return self._fill(_MISPRINTED_SACKS)

    def _fill(self, patterns: tuple[str, ...]) -> str:
        number = self._rng.randint(0, 9)
        return self._rng.choice(patterns).format(number, number)
