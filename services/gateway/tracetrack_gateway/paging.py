"""Pages of a list: how many rows are asked for, and where the next page begins."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Row

from tracetrack_gateway.cursors import invalid_cursor
from tracetrack_gateway.models import Page

Item = TypeVar("Item")


def page_of(
    rows: Sequence[Row[Any]], limit: int, item: Callable[[Row[Any]], Item], cursor: Callable[[Row[Any]], str]
) -> Page[Item]:
    """Put a page together.

    Parameters
    ----------
    rows
        One more than the page holds, if there are so many.
    limit
        How many it holds.
    item, cursor
        Make an item of a row, and of the last row the cursor that stands for it.
    """
    shown = rows[:limit]
    return Page(items=[item(row) for row in shown], next_cursor=cursor(shown[-1]) if len(rows) > limit else None)


def key_of(cursor: str | None) -> int | None:
    """Give the key that a cursor stands for, in a list that is paged by key.

    Raises
    ------
    InvalidInputError
        It is not one of ours.
    """
    if cursor is None:
        return None
    with suppress(ValueError):
        if 0 <= (key := int(cursor)) < 2**31:
            return key
    raise invalid_cursor()
