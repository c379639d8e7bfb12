"""Identifiers: UUIDv7 (RFC 9562), which sort by the time they were made."""

import hashlib
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


def uuid7_of(time_ms: int, place: int, name: str) -> uuid.UUID:
    """Make the UUIDv7 of one thing of a list: always the same one, and in the list's order.

    Parameters
    ----------
    time_ms
        Milliseconds since the Unix epoch, of the whole list.
    place
        Where it stands in the list; the lower 24 bits count.
    name
        Names the list and is used for no other.

    Returns
    -------
    uuid.UUID
        48 bits of time, 24 of place, 50 of a digest of name and place.
    """
    digest = int.from_bytes(hashlib.sha256(f"{name}:{place}".encode()).digest()[:8]) >> 14
    high, low = (place >> 12) & 0xFFF, place & 0xFFF
    return uuid.UUID(int=(time_ms << 80) | _VERSION_7 | (high << 64) | _VARIANT_RFC | (low << 50) | digest)
