"""A row of an imported table, whatever format it came in."""

from collections.abc import Mapping
from typing import NamedTuple

CELLS_MOST = 32
"""Cells of a row that are looked at; no head that is understood here stands further right in any list we know."""
TEXT_MOST_CHARS = 1_000
"""Characters of a cell that are looked at: more than any code, number or description has."""


class Row(NamedTuple):
    """A row as it stands in the file.

    Parameters
    ----------
    number
        Its number, as a spreadsheet shows it: from 1, heads and blank rows counted.
    cells
        Its values as text; rows may differ in length.
    notes
        What is to be known of a cell besides its text, by column: that it is a number, a date, an error.
    """

    number: int
    cells: tuple[str, ...]
    notes: Mapping[int, str] = {}

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands in it."""
        return not any(cell.strip() for cell in self.cells)
