"""UUIDv7 (RFC 9562): identities that sort by time."""

import secrets
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_TIME_MAX = (1 << 48) - 1


def uuid7() -> UUID:
    """Make an identity; a clock that stands before 1970 counts as 1970."""
    milliseconds = min(max(time.time_ns() // 1_000_000, 0), _TIME_MAX)
    return UUID(int=milliseconds << 80 | _VERSION | secrets.randbits(12) << 64 | _VARIANT | secrets.randbits(62))
