"""
The rules of scanning, told a second time.

The demo proves the system right only if what it expects does not come from the system's own code. This is therefore a
model of `domain.md` of its own: one scan at a time, plain dictionaries, no database, and no import from
`tracetrack_common`. Where it and the system differ, one of them is wrong.
"""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

CAPACITY: Final = 30
"""Children that fit in a sack, of wheat and of moong."""

CHILD_WEIGHT_G: Final = 1000
"""What one child weighs, of wheat and of moong."""

_SACK = re.compile(r"SB[0-9]{5}|M444-[0-9]{5}")
_CHILD = re.compile(r"[A-Z0-9]{4,20}")
_LABEL = re.compile(r"LABEL NO\.([A-Z0-9]{4,20}) LOT.*")

FEEDBACK: Final = {"applied": "ok", "known": "already", "duplicate": "already"}
"""The tone of each outcome; every other one is `stop`."""


class Verdict(NamedTuple):
    """What must become of a scan, and what stands in its way where something does."""

    outcome: str
    refers_to: str | None = None

    @property
    def feedback(self) -> str:
        """`ok`, `already` or `stop`."""
        return FEEDBACK.get(self.outcome, "stop")


APPLIED: Final = Verdict("applied")


@dataclass
class Sack:
    """A parent bag: who saw it first, what is in it, what it is on."""

    code: str
    area: str
    children: set[str] = field(default_factory=set)
    bill_no: str | None = None
    return_no: str | None = None


@dataclass
class Bill:
    """A vehicle's load."""

    bill_no: str
    area: str
    capacity: int
    status: str = "new"
    sacks: set[str] = field(default_factory=set)


def read_code(text: str) -> str:
    """Read a code as it is meant: trimmed, without case, a supplier's label reduced to the child it stands for."""
    code = text.strip().upper()
    label = _LABEL.fullmatch(code)
    return label[1] if label else code


def is_sack_code(code: str) -> bool:
    """Tell whether a code is a sack's by its form."""
    return _SACK.fullmatch(code) is not None


def is_child_code(code: str) -> bool:
    """Tell whether a code is a child's by its form."""
    return _CHILD.fullmatch(code) is not None and not is_sack_code(code)


class Warehouse:
    """All areas as they stand after the scans judged so far."""

    def __init__(self) -> None:
        self.sacks: dict[str, Sack] = {}
        self.parent_of: dict[str, str] = {}
        self.bills: dict[str, Bill] = {}
        self.returns: dict[str, str] = {}

    def create_bill(self, bill_no: str, area: str, capacity: int) -> None:
        """Open a bill of an area."""
        self.bills[bill_no] = Bill(bill_no, area, capacity)

    def create_return(self, return_no: str, area: str) -> None:
        """Open a return of an area."""
        self.returns[return_no] = area

    def complete_bill(self, bill_no: str) -> None:
        """Lock a bill."""
        self.bills[bill_no].status = "completed"

    def judge(self, kind: str, code: str, target: str | None, area: str) -> Verdict:
        """
        Apply one scan.

        Parameters
        ----------
        kind
            `parent`, `child`, `bill` or `return`.
        code, target
            The bag's code and what it belongs to, as scanned.
        area
            The area of the device.
        """
        code = read_code(code)
        target = "" if target is None else target.strip().upper()
        match kind:
            case "parent":
                return self._judge_parent(code, area)
            case "child":
                return self._judge_child(code, read_code(target), area)
            case "bill":
                return self._judge_bill(code, target, area)
            case _:
                return self._judge_return(code, target, area)

    def _judge_parent(self, code: str, area: str) -> Verdict:
        refusal = _refuse_other_than_sack(code)
        if refusal is not None:
            return refusal
        if code in self.sacks:
            return Verdict("known")
        self.sacks[code] = Sack(code, area)
        return APPLIED

    def _judge_child(self, code: str, parent: str, area: str) -> Verdict:
        refusal = self._refuse_child(code, parent)
        if refusal is not None:
            return refusal
        sack = self.sacks.setdefault(parent, Sack(parent, area))
        sack.children.add(code)
        self.parent_of[code] = parent
        return APPLIED

    def _refuse_child(self, code: str, parent: str) -> Verdict | None:
        if not all(is_sack_code(each) or is_child_code(each) for each in (code, parent)):
            return Verdict("invalid_code")
        if is_sack_code(code) or not is_sack_code(parent):
            return Verdict("wrong_bag_type")
        holder = self.parent_of.get(code)
        if holder is not None:
            return Verdict("duplicate") if holder == parent else Verdict("linked_elsewhere", holder)
        sack = self.sacks.get(parent)
        if sack is None:
            return None
        if sack.bill_no is not None and self.bills[sack.bill_no].status == "completed":
            return Verdict("bill_completed", sack.bill_no)
        return Verdict("parent_full") if len(sack.children) >= CAPACITY else None

    def _judge_bill(self, code: str, bill_no: str, area: str) -> Verdict:
        refusal = _refuse_other_than_sack(code)
        if refusal is not None:
            return refusal
        bill = self.bills.get(bill_no)
        if bill is None or bill.area != area:
            return Verdict("unknown_bill")
        sack = self.sacks.get(code)
        if sack is None:
            return Verdict("unknown_bag")
        if sack.bill_no is not None:
            return Verdict("duplicate") if sack.bill_no == bill_no else Verdict("on_other_bill", sack.bill_no)
        if bill.status == "completed":
            return Verdict("bill_completed", bill_no)
        if len(bill.sacks) >= bill.capacity:
            return Verdict("bill_full")
        bill.status = "processing"
        bill.sacks.add(code)
        sack.bill_no = bill_no
        return APPLIED

    def _judge_return(self, code: str, return_no: str, area: str) -> Verdict:
        refusal = _refuse_other_than_sack(code)
        if refusal is not None:
            return refusal
        if self.returns.get(return_no) != area:
            return Verdict("unknown_return")
        sack = self.sacks.get(code)
        if sack is None:
            return Verdict("unknown_bag")
        if sack.return_no == return_no:
            return Verdict("duplicate")
        if sack.bill_no is not None:
            self.bills[sack.bill_no].sacks.discard(code)
            sack.bill_no = None
        sack.return_no = return_no
        return APPLIED

    def children_on(self, bill: Bill) -> int:
        """Count the children in a bill's sacks."""
        return sum(len(self.sacks[code].children) for code in bill.sacks)


def _refuse_other_than_sack(code: str) -> Verdict | None:
    """Refuse what cannot be a sack's code, by its form: a child's code is one thing, a misprint another."""
    if is_sack_code(code):
        return None
    return Verdict("wrong_bag_type") if is_child_code(code) else Verdict("invalid_code")
