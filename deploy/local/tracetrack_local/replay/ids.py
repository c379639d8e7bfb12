"""UUIDv7 (RFC 9562) from given bits: the same scan gets the same id in every run."""

from uuid import UUID

RANDOM_BITS = 74
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_LOW_BITS = 62
_LAST_MS = (1 << 48) - 1


def uuid7_of(time_ms: int, random_bits: int) -> UUID:
    """
    Put a UUIDv7 together.

    Parameters
    ----------
    time_ms
        Milliseconds since the Unix epoch; a device clock before 1970 counts as 1970.
    random_bits
        Up to 74 bits that tell ids of one millisecond apart; higher bits are dropped.
    """
    time_part = min(max(time_ms, 0), _LAST_MS) << 80
    high, low = divmod(random_bits % (1 << RANDOM_BITS), 1 << _LOW_BITS)
    return UUID(int=time_part | _VERSION | high << 64 | _VARIANT | low)
