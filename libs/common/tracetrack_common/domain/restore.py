"""Restoring what a cancelled return took off its bills: which sack goes back, and what stands in the way of the others.

Pure, from domain.md, Returns: sacks go back to the bills they left, where those are still open, have room, and the sack
is on no other by now.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .decide import Bill


@dataclass(frozen=True, slots=True)
class ReturnedSack:
    """A sack that came back on the return that is cancelled.

    Parameters
    ----------
    code
        Its code.
    left
        The bill it left then; None when it was on none.
    bill_no, return_no
        The bill it is on by now; the return it is on by now.
    """

    code: str
    left: str | None
    bill_no: str | None
    return_no: str | None


@dataclass(frozen=True, slots=True)
class Restoration:
    """What becomes of a sack.

    Parameters
    ----------
    sack
        Which.
    obstacle
        What stands in the way, as a sentence; None when it goes back to the bill it left.
    """

    sack: ReturnedSack
    obstacle: str | None

    @property
    def restored_to(self) -> str | None:
        """The bill it goes back to."""
        return self.sack.left if self.obstacle is None else None


def decide_restorations(sacks: Iterable[ReturnedSack], bills: Mapping[str, Bill], return_no: str) -> list[Restoration]:
    """Decide for each sack of a return whether it goes back to the bill it left.

    Parameters
    ----------
    sacks
        In the order in which they get the places there are.
    bills
        By number, as they stand; what is not in them was deleted.
    return_no
        The return that is cancelled.
    """
    restored: Counter[str | None] = Counter()
    decided = []
    for sack in sacks:
        obstacle = _find_obstacle(sack, bills, return_no, restored)
        decided.append(Restoration(sack, obstacle))
        if obstacle is None:
            restored[sack.left] += 1
    return decided


def _find_obstacle(
    sack: ReturnedSack, bills: Mapping[str, Bill], return_no: str, restored: Mapping[str | None, int]
) -> str | None:
    if sack.bill_no is not None:
        return f"{sack.code} is on bill {sack.bill_no} by now"
    if sack.return_no not in {None, return_no}:
        return f"{sack.code} is on return {sack.return_no} by now"
    if sack.left is None:
        return f"{sack.code} was on no bill when it came back"
    bill = bills.get(sack.left)
    if bill is None:
        return f"Bill {sack.left} was deleted"
    if bill.status == "completed":
        return f"Bill {sack.left} is completed"
    if bill.sacks + restored[sack.left] >= bill.capacity:
        return f"Bill {sack.left} is full"
    return None
