"""Cursors: where the next page of a list begins, as text that only this gateway reads."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tracetrack_common.errors import InvalidInputError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def write_time(time: datetime) -> str:
    """Write a time, to the microsecond."""
    return str((time - _EPOCH) // _MICROSECOND)


def read_time(text: str) -> datetime:
    """Read what `write_time` wrote.

    Raises
    ------
    ValueError, OverflowError
        It is no time.
    """
    return _EPOCH + int(text) * _MICROSECOND


def read_number(text: str, *, most: int) -> int:
    """Read a number that is neither negative nor too large.

    Raises
    ------
    ValueError
        It is one of these, or none.
    """
    number = int(text)
    if not 0 <= number <= most:
        raise ValueError(text)
    return number


def parts_of(cursor: str, count: int) -> Sequence[str]:
    """Give the parts of a cursor that are joined by full stops; only the last may hold one itself.

    Raises
    ------
    ValueError
        There are fewer.
    """
    parts = cursor.split(".", maxsplit=count - 1)
    if len(parts) != count:
        raise ValueError(cursor)
    return parts


def invalid_cursor() -> InvalidInputError:
    """Give the error for a cursor that is none."""
    detail = [{"field": "cursor", "detail": "give the next_cursor of the page before"}]
    return InvalidInputError("This cursor is not one of ours.", errors=detail)
