"""What the server says has arrived of this device's counters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

Range = tuple[int, int]
"""From and to, both in it."""

_FIRST_COUNTER = 1
_LAST_COUNTER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """What has arrived of one epoch.

    Parameters
    ----------
    epoch
        The run the counters belong to.
    applied_through
        Every counter from 1 to this one has arrived for good.
    missing
        Runs of counters up to `listed_through` that have not.
    failed
        Runs of counters up to `listed_through` that ended as failed work on the server.
    listed_through
        How far the lists go; of what is beyond, nothing is known.
    highest_seq
        The highest counter that has arrived; told only where the device asks for it.
    """

    epoch: int
    applied_through: int
    missing: Sequence[Range]
    failed: Sequence[Range]
    listed_through: int
    highest_seq: int | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read it from JSON; what a later release adds is passed over.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is something else.
        """
        highest = document.get("highest_seq")
        return cls(
            epoch=int(document["epoch"]),
            applied_through=int(document["applied_through"]),
            missing=_read_ranges(document["missing"]),
            failed=_read_ranges(document["failed"]),
            listed_through=int(document["listed_through"]),
            highest_seq=None if highest is None else int(highest),
        )

    @classmethod
    def nothing(cls, epoch: int) -> Self:
        """Give what is known of an epoch that the server does not know."""
        return cls(epoch, applied_through=0, missing=(), failed=(), listed_through=0, highest_seq=0)

    def arrived(self) -> Iterator[Range]:
        """Give the runs of counters that have arrived for good, failed ones among them."""
        begin = _FIRST_COUNTER
        for first, last in self.missing:
            if first > begin:
                yield (begin, first - 1)
            begin = max(begin, last + 1)
        if begin <= self.listed_through:
            yield (begin, self.listed_through)

    def absent(self) -> Iterator[Range]:
        """Give the runs of counters that are known not to have arrived."""
        yield from self.missing
        if self.highest_seq is not None:
            yield (self.highest_seq + 1, _LAST_COUNTER)


def _read_ranges(pairs: Sequence[Sequence[int]]) -> list[Range]:
    return [(int(first), int(last)) for first, last in pairs]
