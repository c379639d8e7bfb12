"""Deciding: scans and the state they meet → their results and the changes that follow (domain.md, Scans).

Pure. The scans are taken in their order, each meeting what the ones before it changed, so that a batch gives the
results that the same scans would have given one by one. The caller holds locks on every row the state was read from.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .codes import BagType, Catalogue, CodeClass
from .scans import Kind, Outcome, Result, Scan

_INVALID = Result(Outcome.INVALID_CODE)
_WRONG_TYPE = Result(Outcome.WRONG_BAG_TYPE)
_UNKNOWN_BAG = Result(Outcome.UNKNOWN_BAG)
_UNKNOWN_BILL = Result(Outcome.UNKNOWN_BILL)
_UNKNOWN_RETURN = Result(Outcome.UNKNOWN_RETURN)


@dataclass(slots=True)
class Bag:
    """A bag as the decision sees it.

    Parameters
    ----------
    code
        Its code.
    area_id
        The area that saw it first.
    capacity, child_weight_g
        Of a parent: its room and the grams of one child; None for a child bag.
    children
        Of a parent: how many it holds.
    parent
        Of a child: the code of the parent it is in.
    bill_no, return_no
        Of a parent: the bill it is on; the return it came back on, until it is billed again.
    bag_id
        Its key; None while it is new.
    is_deleted
        Whether it was deleted and not scanned since.
    """

    code: str
    area_id: int | None
    capacity: int | None = None
    child_weight_g: int | None = None
    children: int = 0
    parent: str | None = None
    bill_no: str | None = None
    return_no: str | None = None
    bag_id: int | None = None
    is_deleted: bool = False

    @property
    def is_parent(self) -> bool:
        """Whether it is a parent bag."""
        return self.capacity is not None

    @property
    def weight_g(self) -> int:
        """Grams its children weigh together."""
        return self.children * (self.child_weight_g or 0)

    @property
    def expected_weight_g(self) -> int:
        """Grams it weighs when full."""
        return (self.capacity or 0) * (self.child_weight_g or 0)


@dataclass(slots=True)
class Bill:
    """A bill as the decision sees it; the totals follow every change."""

    bill_no: str
    bill_id: int
    area_id: int | None
    status: str
    capacity: int
    sacks: int = 0
    children: int = 0
    actual_weight_g: int = 0
    expected_weight_g: int = 0


@dataclass(frozen=True, slots=True)
class GoodsReturn:
    """A return as the decision sees it."""

    return_no: str
    return_id: int
    area_id: int | None
    state: str


@dataclass(slots=True)
class State:
    """All that a batch of scans touches, as it stands before the batch.

    Parameters
    ----------
    catalogue
        The bag types in force.
    bags, bills, returns
        By code or number; what is not in them does not exist.
    """

    catalogue: Catalogue
    bags: Mapping[str, Bag] = field(default_factory=dict)
    bills: Mapping[str, Bill] = field(default_factory=dict)
    returns: Mapping[str, GoodsReturn] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SackReturned:
    """A sack came back: what it held and what leaving its bill did to the bill."""

    scan: Scan
    return_no: str
    bill_no: str | None
    children: int
    weight_g: int
    bill_weight_before_g: int | None
    bill_weight_after_g: int | None


@dataclass(frozen=True, slots=True)
class SackMoved:
    """A sack went on a bill or left one.

    Parameters
    ----------
    scan
        The scan that moved it.
    bill_no
        The bill it is on now; None when it left one.
    """

    scan: Scan
    bill_no: str | None


@dataclass(slots=True)
class Decisions:
    """What a batch of scans leads to.

    Parameters
    ----------
    results
        One per scan, in their order.
    bags, bills
        The bags and bills by code and number as they stand after the batch.
    new_bags
        Codes of the bags that the batch created, with the scan that did.
    revived
        Codes of the deleted bags that are there again, with the scan that found them.
    links
        Scans that put a child (`code`) in a parent (`target`).
    sacks_moved
        Sacks put on bills and taken off, in the order it happened.
    sacks_returned
        What came back.
    bills_started
        Numbers of bills that got their first sack, with the scan that brought it.
    touched_parents, touched_bills
        What has new counts or pointers to be written.
    """

    results: list[Result] = field(default_factory=list)
    bags: dict[str, Bag] = field(default_factory=dict)
    bills: dict[str, Bill] = field(default_factory=dict)
    new_bags: dict[str, Scan] = field(default_factory=dict)
    revived: dict[str, Scan] = field(default_factory=dict)
    links: list[Scan] = field(default_factory=list)
    sacks_moved: list[SackMoved] = field(default_factory=list)
    sacks_returned: list[SackReturned] = field(default_factory=list)
    bills_started: dict[str, Scan] = field(default_factory=dict)
    touched_parents: set[str] = field(default_factory=set)
    touched_bills: set[str] = field(default_factory=set)


def decide(scans: Sequence[Scan], state: State) -> Decisions:
    """Decide a batch of scans, each of which has an identity not seen before.

    Parameters
    ----------
    scans
        With distinct `scan_id`; in the order they are to be applied.
    state
        What they meet; it is not changed.

    Returns
    -------
    Decisions
        A result for every scan, and the changes.
    """
    decider = _Decider(state)
    decider.decisions.results = [decider.decide_one(scan) for scan in scans]
    return decider.decisions


def codes_of(scans: Iterable[Scan]) -> set[str]:
    """Give the codes of every bag that a decision over these scans needs to see."""
    codes = set()
    for scan in scans:
        codes.add(scan.code)
        if scan.kind is Kind.CHILD and scan.target is not None:
            codes.add(scan.target)
    return codes


class _Decider:
    """The state of one decision under way."""

    def __init__(self, state: State) -> None:
        self.catalogue = state.catalogue
        self.returns = state.returns
        self.decisions = Decisions(
            bags={code: replace(bag) for code, bag in state.bags.items()},
            bills={number: replace(bill) for number, bill in state.bills.items()},
        )
        self.bags = self.decisions.bags
        self.bills = self.decisions.bills
        self._rules: Mapping[Kind, Callable[[Scan], Result]] = {
            Kind.PARENT: self._parent,
            Kind.CHILD: self._child,
            Kind.BILL: self._bill,
            Kind.RETURN: self._return,
        }

    def decide_one(self, scan: Scan) -> Result:
        return self._rules[scan.kind](scan)

    def _parent(self, scan: Scan) -> Result:
        bag = self.bags.get(scan.code)
        if bag is not None and bag.is_parent:
            outcome = Outcome.APPLIED if bag.is_deleted else Outcome.KNOWN
            self._revive(bag, scan)
            return self._counted(outcome, bag)
        if bag is not None:
            return _WRONG_TYPE
        match self.catalogue.classify(scan.code):
            case CodeClass.PARENT:
                return self._counted(Outcome.APPLIED, self._create_parent(scan.code, scan))
            case CodeClass.CHILD:
                return _WRONG_TYPE
            case CodeClass.INVALID:
                return _INVALID

    def _child(self, scan: Scan) -> Result:
        parent_code = scan.target or ""
        child = self.bags.get(scan.code)
        parent = self.bags.get(parent_code)
        refused = self._refuse_by_form(scan.code, child, parent_code, parent)
        if refused is not None:
            return refused
        if child is not None and child.parent is not None:
            if child.parent == parent_code and parent is not None:
                return self._counted(Outcome.DUPLICATE, parent)
            return Result(Outcome.LINKED_ELSEWHERE, refers_to=child.parent)
        bill = None
        if parent is not None:
            bill = self.bills[parent.bill_no] if parent.bill_no is not None else None
            if bill is not None and bill.status == "completed":
                return self._counted(Outcome.BILL_COMPLETED, parent, refers_to=bill.bill_no)
            if parent.children >= (parent.capacity or 0):
                return self._counted(Outcome.PARENT_FULL, parent)
        else:
            parent = self._create_parent(parent_code, scan)
        if child is None:
            child = self._create(Bag(scan.code, scan.area_id), scan)
        self._revive(parent, scan)
        self._revive(child, scan)
        child.parent = parent_code
        parent.children += 1
        self.decisions.links.append(scan)
        self.decisions.touched_parents.add(parent_code)
        if bill is not None:
            bill.children += 1
            bill.actual_weight_g += parent.child_weight_g or 0
            self.decisions.touched_bills.add(bill.bill_no)
        return self._counted(Outcome.APPLIED, parent)

    def _refuse_by_form(self, code: str, child: Bag | None, parent_code: str, parent: Bag | None) -> Result | None:
        """Refuse a child scan whose codes cannot be a child and its parent; a registered bag stays what it is."""
        child_class = CodeClass.CHILD if child is not None else self.catalogue.classify(code)
        parent_class = CodeClass.PARENT if parent is not None else self.catalogue.classify(parent_code)
        if CodeClass.INVALID in (child_class, parent_class):
            return _INVALID
        if child_class is CodeClass.PARENT or parent_class is CodeClass.CHILD:
            return _WRONG_TYPE
        if (child is not None and child.is_parent) or (parent is not None and not parent.is_parent):
            return _WRONG_TYPE
        return None

    def _known_sack(self, scan: Scan) -> Bag | Result | None:
        """Give the sack a bill or return scan names, None when it is not there, or the refusal by its form."""
        bag = self.bags.get(scan.code)
        if bag is not None and bag.is_parent:
            return None if bag.is_deleted else bag
        if bag is not None:
            return _WRONG_TYPE
        match self.catalogue.classify(scan.code):
            case CodeClass.PARENT:
                return None
            case CodeClass.CHILD:
                return _WRONG_TYPE
            case CodeClass.INVALID:
                return _INVALID

    def _bill(self, scan: Scan) -> Result:
        sack = self._known_sack(scan)
        if isinstance(sack, Result):
            return sack
        bill = self.bills.get(scan.target or "")
        if bill is None or not _reaches(scan, bill.area_id):
            return _UNKNOWN_BILL
        if sack is None:
            return _UNKNOWN_BAG
        if sack.bill_no == bill.bill_no:
            return self._counted(Outcome.DUPLICATE, sack)
        if sack.bill_no is not None:
            return self._counted(Outcome.ON_OTHER_BILL, sack, refers_to=sack.bill_no)
        if bill.status == "completed":
            return self._counted(Outcome.BILL_COMPLETED, sack, refers_to=bill.bill_no)
        if bill.sacks >= bill.capacity:
            return self._counted(Outcome.BILL_FULL, sack)
        if bill.status == "new":
            bill.status = "processing"
            self.decisions.bills_started[bill.bill_no] = scan
        sack.bill_no = bill.bill_no
        sack.return_no = None
        self._count_on_bill(bill, sack, +1)
        self.decisions.sacks_moved.append(SackMoved(scan, bill.bill_no))
        return self._counted(Outcome.APPLIED, sack)

    def _return(self, scan: Scan) -> Result:
        sack = self._known_sack(scan)
        if isinstance(sack, Result):
            return sack
        goods_return = self.returns.get(scan.target or "")
        if goods_return is None or not _reaches(scan, goods_return.area_id):
            return _UNKNOWN_RETURN
        if sack is None:
            return _UNKNOWN_BAG
        if sack.return_no == goods_return.return_no:
            return self._counted(Outcome.DUPLICATE, sack)
        if goods_return.state != "open":
            return self._counted(Outcome.RETURN_CLOSED, sack)
        bill = self.bills[sack.bill_no] if sack.bill_no is not None else None
        before_g = None if bill is None else bill.actual_weight_g
        if bill is not None:
            self._count_on_bill(bill, sack, -1)
            self.decisions.sacks_moved.append(SackMoved(scan, None))
        self.decisions.sacks_returned.append(
            SackReturned(
                scan=scan,
                return_no=goods_return.return_no,
                bill_no=sack.bill_no,
                children=sack.children,
                weight_g=sack.weight_g,
                bill_weight_before_g=before_g,
                bill_weight_after_g=None if bill is None else bill.actual_weight_g,
            )
        )
        sack.bill_no = None
        sack.return_no = goods_return.return_no
        self.decisions.touched_parents.add(sack.code)
        return self._counted(Outcome.APPLIED, sack)

    def _count_on_bill(self, bill: Bill, sack: Bag, sign: int) -> None:
        bill.sacks += sign
        bill.children += sign * sack.children
        bill.actual_weight_g += sign * sack.weight_g
        bill.expected_weight_g += sign * sack.expected_weight_g
        self.decisions.touched_bills.add(bill.bill_no)
        self.decisions.touched_parents.add(sack.code)

    def _create_parent(self, code: str, scan: Scan) -> Bag:
        bag_type: BagType | None = self.catalogue.bag_type_of(code)
        if bag_type is None:
            raise AssertionError(f"{code} was classified as a parent and has no bag type")
        bag = Bag(code, scan.area_id, capacity=bag_type.capacity, child_weight_g=bag_type.child_weight_g)
        return self._create(bag, scan)

    def _create(self, bag: Bag, scan: Scan) -> Bag:
        self.bags[bag.code] = bag
        self.decisions.new_bags[bag.code] = scan
        return bag

    def _revive(self, bag: Bag, scan: Scan) -> None:
        if bag.is_deleted:
            bag.is_deleted = False
            self.decisions.revived[bag.code] = scan

    @staticmethod
    def _counted(outcome: Outcome, parent: Bag, *, refers_to: str | None = None) -> Result:
        return Result(outcome, refers_to, parent.children, parent.capacity, parent.weight_g)


def _reaches(scan: Scan, area_id: int | None) -> bool:
    """Tell whether the scan's maker may see a bill or return of that area; a person without an area sees all."""
    return scan.area_id is None or scan.area_id == area_id
