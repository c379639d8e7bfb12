"""What arrived of a device's counters, and what did not: ranges of counters, and the answer that a device acts on.

A device counts its scans from 1 in every epoch. It keeps a scan until its counter is known to have arrived for good:
the scan is applied (refused ones too, since their outcome is recorded), or it is failed work that a person looks at.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Range = tuple[int, int]
"""From and to, both in it."""

FIRST_COUNTER = 1
"""Where an epoch begins. A counter 0 is taken and kept, but never asked for: nobody can tell whether it was used."""


def gather(counters: Iterable[int]) -> list[Range]:
    """Put counters, in any order and with repetitions, together to as few ranges as possible, in order.

    Examples
    --------
    >>> gather([5, 1, 2, 2, 3])
    [(1, 3), (5, 5)]
    """
    return merge((counter, counter) for counter in sorted(set(counters)))


def merge(ranges: Iterable[Range]) -> list[Range]:
    """Join ranges that overlap or touch.

    Parameters
    ----------
    ranges
        In the order of their first counters.
    """
    joined: list[Range] = []
    for first, last in ranges:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def holes(ranges: Iterable[Range], first: int, last: int) -> Iterator[Range]:
    """Give what of a stretch is in none of some ranges, in order.

    Parameters
    ----------
    ranges
        In order, none touching another.
    first, last
        The stretch, both in it; empty where the last comes before the first.

    Examples
    --------
    >>> list(holes([(2, 3), (6, 9)], 1, 7))
    [(1, 1), (4, 5)]
    """
    begin = first
    for low, high in ranges:
        if low > last:
            break
        if low > begin:
            yield (begin, low - 1)
        begin = max(begin, high + 1)
    if begin <= last:
        yield (begin, last)


def subtract(ranges: Iterable[Range], others: Sequence[Range]) -> Iterator[Range]:
    """Give what of some ranges is in none of others, in order.

    Parameters
    ----------
    ranges, others
        Each in order, none touching another of its kind.
    """
    for first, last in ranges:
        yield from holes(others, first, last)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrived of one epoch of a device.

    Parameters
    ----------
    epoch
        The run the counters belong to.
    applied_through
        Every counter from 1 to this one has arrived for good; 0 when not even the first has.
    missing
        Counters that have not, up to `listed_through`.
    failed
        Counters that arrived and ended as failed work, up to `listed_through`; sending them again cures nothing.
    listed_through
        How far the two lists go: a counter up to this one that is not in `missing` has arrived for good.
    highest_seq
        The highest counter that has arrived.
    """

    epoch: int
    applied_through: int
    missing: Sequence[Range]
    failed: Sequence[Range]
    listed_through: int
    highest_seq: int


def describe_delivery(epoch: int, applied: Sequence[Range], failed: Sequence[Range], *, most: int) -> Delivery:
    """Say what arrived of an epoch, with at most so many ranges in each list.

    Parameters
    ----------
    epoch
        Which.
    applied
        The counters whose scans are recorded with an outcome: in order, none touching another.
    failed
        The counters whose scans became failed work at any time, likewise; one that was applied later has not failed.
    most
        Ranges in a list; where there are more, `listed_through` ends before the first that is left out.
    """
    arrived = merge(sorted([*applied, *failed])) if failed else applied
    highest = arrived[-1][1] if arrived else 0
    missing, missing_through = _first(holes(arrived, FIRST_COUNTER, highest), most, highest)
    still_failed, failed_through = _first(subtract(failed, applied), most, highest)
    listed_through = min(missing_through, failed_through)
    missing = _cut(missing, listed_through)
    applied_through = missing[0][0] - 1 if missing else listed_through
    return Delivery(epoch, applied_through, missing, _cut(still_failed, listed_through), listed_through, highest)


def _first(found: Iterable[Range], most: int, highest: int) -> tuple[list[Range], int]:
    """Give the first so many ranges, and how far they tell everything."""
    shown: list[Range] = []
    for each in found:
        if len(shown) == most:
            return shown, each[0] - 1
        shown.append(each)
    return shown, highest


def _cut(ranges: Iterable[Range], last: int) -> list[Range]:
    return [(low, min(high, last)) for low, high in ranges if low <= last]
