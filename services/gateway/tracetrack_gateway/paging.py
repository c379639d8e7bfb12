"""Cursors of lists that are paged by key."""

from contextlib import suppress

from tracetrack_common.errors import InvalidInputError


def key_of(cursor: str | None) -> int | None:
    """Give the key that a cursor stands for.

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
    detail = [{"field": "cursor", "detail": "give the next_cursor of the page before"}]
    raise InvalidInputError("This cursor is not one of ours.", errors=detail)
