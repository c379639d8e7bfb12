"""Identifiers: UUIDv7 (RFC 9562), which sort by the time they were made."""

import os
import time
import uuid

_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0b10 << 62
_RANDOM_A = 0xFFF << 64
_RANDOM_B = (1 << 62) - 1


def uuid7(time_ms: int | None = None) -> uuid.UUID:
    """Make a UUIDv7.

    Parameters
    ----------
    time_ms
        Milliseconds since the Unix epoch; now when left out.

    Returns
    -------
    uuid.UUID
        48 bits of time, 74 bits of randomness.
    """
    if time_ms is None:
        time_ms = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    return uuid.UUID(int=(time_ms << 80) | _VERSION_7 | (random & _RANDOM_A) | _VARIANT_RFC | (random & _RANDOM_B))


def first_uuid7(time_ms: int) -> uuid.UUID:
    """Give the smallest UUID whose first 48 bits are this time: the boundary of a partition or a range.

    Parameters
    ----------
    time_ms
        Milliseconds since the Unix epoch.
    """
    return uuid.UUID(int=time_ms << 80)
