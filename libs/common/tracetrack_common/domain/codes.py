"""Bag codes: how they are read, and what kind of bag a code can stand for (domain.md, Codes)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

CODE_MAX_CHARS = 200
"""Longest text taken for a code: a supplier's label with its lot fits, a novel does not."""

_CHILD = re.compile(r"[A-Z0-9]{4,20}", re.ASCII)
# With a mark or blank before the code, so that what a label stands for is never a label again.
_SUPPLIER_LABEL = re.compile(r"LABEL\s*NO(?:\s*[.:]\s*|\s+)([A-Z0-9]{4,20})(?:\s.*)?", re.ASCII | re.DOTALL)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class CodeClass(Enum):
    """What a code can stand for, by its form alone."""

    PARENT = auto()
    CHILD = auto()
    INVALID = auto()


@dataclass(frozen=True, slots=True)
class BagType:
    """A kind of parent bag (a row of `bag_type`).

    Parameters
    ----------
    bag_type_id
        Its key.
    name
        Its name, for people.
    parent_pattern
        Regular expression that a parent's whole code matches.
    capacity
        Children a parent holds.
    child_weight_g
        Grams one child weighs.
    """

    bag_type_id: int
    name: str
    parent_pattern: str
    capacity: int
    child_weight_g: int


def normalise(text: str) -> str:
    """Read a code as it is stored: trimmed, upper case, a supplier's label reduced to its child code.

    Unprintable characters, which a worn barcode can yield and Postgres may not store, become `U+FFFD`.

    Examples
    --------
    >>> normalise(" sb12345 ")
    'SB12345'
    >>> normalise("LABEL NO.0016586 LOT 77")
    '0016586'
    """
    code = text.strip().upper()
    label = _SUPPLIER_LABEL.fullmatch(code)
    if label is not None:
        return label[1]
    if code.isprintable():
        return code
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", code)


class Catalogue:
    """The bag types in force; tells what a normalised code can stand for.

    Parameters
    ----------
    bag_types
        All of them; the first whose pattern matches a code is its type.
    """

    def __init__(self, bag_types: Iterable[BagType]) -> None:
        self.bag_types = tuple(bag_types)
        self._patterns = [(re.compile(each.parent_pattern, re.ASCII), each) for each in self.bag_types]
        self.bag_type_of = lru_cache(maxsize=4096)(self._bag_type_of)

    def _bag_type_of(self, code: str) -> BagType | None:
        for pattern, bag_type in self._patterns:
            if pattern.fullmatch(code):
                return bag_type
        return None

    def classify(self, code: str) -> CodeClass:
        """Tell what a normalised code can stand for, by its form."""
        if self.bag_type_of(code) is not None:
            return CodeClass.PARENT
        return CodeClass.CHILD if _CHILD.fullmatch(code) else CodeClass.INVALID
