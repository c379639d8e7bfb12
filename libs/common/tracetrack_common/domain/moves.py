"""Moves: a child taken out of its sack, or put in another, by command (domain.md, Scans: undo and relink).

Pure, as deciding is: the caller holds locks on every row that the bags and bills were read from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .decide import Bag, Bill
from .scans import Outcome

UNDO_NEWEST_WITHIN = timedelta(hours=1)
"""How old the newest scan may be that is undone without naming its child (domain.md, Scans)."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A move, with all that it touches as it stands afterwards.

    Parameters
    ----------
    child
        Who moves.
    source, target
        The sack it leaves, and the one it goes into; None when it goes into none.
    bills
        The bills whose totals change.
    """

    child: Bag
    source: Bag
    target: Bag | None
    bills: list[Bill]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a child cannot move.

    Parameters
    ----------
    outcome
        The word for it, as of a scan.
    sack
        The code of the sack that stands in the way.
    refers_to
        The completed bill it is on.
    """

    outcome: Outcome
    sack: str
    refers_to: str | None = None


def take_out(child: Bag, source: Bag, bills: Mapping[str, Bill]) -> Moved | Refused:
    """Take a child out of the sack it is in.

    Parameters
    ----------
    child, source
        The child and its sack; they are not changed.
    bills
        By number, with the one the sack is on.
    """
    if (locked := _find_lock(source, bills)) is not None:
        return locked
    changed = {} if source.bill_no is None else {source.bill_no: replace(bills[source.bill_no])}
    left = _count(source, -1, changed)
    return Moved(replace(child, parent=None), left, None, list(changed.values()))


def put_in_another(
    child: Bag, source: Bag, code: str, target: Bag | None, bills: Mapping[str, Bill]
) -> Moved | Refused:
    """Move a child into another sack, by the rules that a scan into it would meet.

    Parameters
    ----------
    child, source
        The child and the sack it is in; they are not changed.
    code, target
        Where it shall go, and the bag of that code; None when there is none.
    bills
        By number, with those the sacks are on.
    """
    if target is None or target.is_deleted:
        return Refused(Outcome.UNKNOWN_BAG, code)
    if not target.is_parent:
        return Refused(Outcome.WRONG_BAG_TYPE, code)
    if target.code == source.code:
        return Refused(Outcome.DUPLICATE, code)
    for sack in (source, target):
        if (locked := _find_lock(sack, bills)) is not None:
            return locked
    if target.children >= (target.capacity or 0):
        return Refused(Outcome.PARENT_FULL, code)
    changed = {number: replace(bills[number]) for number in (source.bill_no, target.bill_no) if number is not None}
    left, entered = _count(source, -1, changed), _count(target, +1, changed)
    return Moved(replace(child, parent=target.code), left, entered, list(changed.values()))


def is_undone_unnamed(scanned_at: datetime, asked_at: datetime) -> bool:
    """Tell whether the newest scan of a sack is young enough to be undone without naming its child."""
    return asked_at - scanned_at <= UNDO_NEWEST_WITHIN


def _find_lock(sack: Bag, bills: Mapping[str, Bill]) -> Refused | None:
    if sack.bill_no is None or bills[sack.bill_no].status != "completed":
        return None
    return Refused(Outcome.BILL_COMPLETED, sack.code, sack.bill_no)


def _count(sack: Bag, sign: int, bills: Mapping[str, Bill]) -> Bag:
    if sack.bill_no is not None:
        bill = bills[sack.bill_no]
        bill.children += sign
        bill.actual_weight_g += sign * (sack.child_weight_g or 0)
    return replace(sack, children=sack.children + sign)
