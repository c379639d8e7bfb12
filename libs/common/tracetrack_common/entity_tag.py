"""Entity tags of what admins edit: a digest of the fields that an edit can change (RFC 9110, 8.8.3).

The gateway gives the tag with what it shows; the worker compares it under the lock of the row, so that of two who edit
what both have read, the second is told.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from tracetrack_common.errors import PreconditionFailedError

EDITABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "area": ("name", "zone"),
    "bag_type": ("name", "parent_pattern", "capacity", "child_weight_g"),
    "user": ("email", "role", "area", "disabled"),
}
"""Of each kind of thing, the fields that an edit can change."""


def tag_of(kind: str, fields: Mapping[str, Any]) -> str:
    """Give a thing's entity tag, with its quotes.

    Parameters
    ----------
    kind
        One of `EDITABLE`.
    fields
        The thing; other fields than those of its kind do not count.

    Examples
    --------
    >>> tag_of("area", {"code": "akola", "name": "Akola", "zone": "Asia/Kolkata"})
    '"cbf3e1521a49e54a"'
    """
    content = orjson.dumps([kind, *(fields[name] for name in EDITABLE[kind])])
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def require_unchanged(kind: str, fields: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Hold that a thing is as the caller has read it, where the caller says how that was.

    Parameters
    ----------
    kind, fields
        As of `tag_of`; the row is locked.
    arguments
        The command's: ``if_match``, a list of tags, or nothing.

    Raises
    ------
    PreconditionFailedError
        It is not.
    """
    wanted = arguments.get("if_match")
    if wanted is not None and tag_of(kind, fields) not in wanted:
        raise PreconditionFailedError("It was changed since you read it. Read it again, and decide anew.")
