"""The fault suite: the whole system, broken in every way we know of, and its books compared afterwards."""
