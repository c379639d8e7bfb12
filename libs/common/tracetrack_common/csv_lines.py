"""CSV (RFC 4180) that is safe to open in a spreadsheet: nothing in it is a formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

_FORMULA_STARTS = frozenset("=+-@\t\r\n")


def csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    r"""Write rows as CSV (RFC 4180), with nothing in them that a spreadsheet takes for a formula.

    Examples
    --------
    >>> csv_lines([["=1+1", -22, None, ["a", "b"]]])
    b"'=1+1,-22,,a b\r\n"
    """
    text = io.StringIO()
    csv.writer(text).writerows([cell_of(value) for value in row] for row in rows)
    return text.getvalue().encode()


def cell_of(value: Any) -> Any:
    """Give a value as it stands in a cell: lists of words as words, other documents as JSON, no formulas."""
    if value is None or type(value) is int:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = " ".join(value)
    elif isinstance(value, list | dict):
        value = orjson.dumps(value).decode()
    return f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA_STARTS else value
