"""What the devices of the fault suite scan, and what may come of it.

Sacks are shared: every device puts children into every sack, and more than it holds, so that two workers meet at the
same rows all the time. Some scans are refused whatever happens, since a refused scan has no effect that a constraint
would guard: done twice, only the running totals show it.
"""

import itertools
import random
from collections.abc import Sequence
from typing import NamedTuple

CAPACITY = 30
CHILDREN = 34
"""Scanned into each sack, over all devices: four of them too many."""
SCANS_PER_SACK = CHILDREN + 2

_sacks = itertools.count(1)
_children = itertools.count(1)


class Wanted(NamedTuple):
    """A scan to be made."""

    kind: str
    code: str
    sack: str | None = None

    @property
    def outcomes(self) -> frozenset[str]:
        """What may come of it; that a sack takes exactly as many as it holds is for the books to see."""
        if self.kind == "parent":
            return frozenset({"applied", "known"}) if self.code.startswith("SB") else frozenset({"invalid_code"})
        return frozenset({"applied", "parent_full"})


def new_sack() -> str:
    """Give a code that no other sack of this run has."""
    return f"SB{next(_sacks):05d}"


def new_child() -> str:
    """Give a code that no other child of this run has."""
    return f"C{next(_children):08d}"


def plan_wave(rng: random.Random, *, scans: int, devices: int) -> Sequence[Sequence[Wanted]]:
    """Plan so many scans, or a few more, for each device in its order.

    Parameters
    ----------
    rng
        Deals them out.
    scans
        At least so many in all.
    devices
        How many share them.
    """
    wanted = []
    for _ in range(-(-scans // SCANS_PER_SACK)):
        sack = new_sack()
        wanted += [Wanted("child", new_child(), sack) for _ in range(CHILDREN)]
        wanted += [Wanted("parent", sack), Wanted("parent", f"MISPRINT-{sack}")]
    rng.shuffle(wanted)
    return [wanted[first::devices] for first in range(devices)]
