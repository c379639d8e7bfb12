"""Scans and their outcomes: the words of domain.md, Scans."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a scan says."""

    PARENT = "parent"
    CHILD = "child"
    BILL = "bill"
    RETURN = "return"


class Feedback(StrEnum):
    """What the person at the gun sees and hears."""

    OK = "ok"
    ALREADY = "already"
    STOP = "stop"


class Outcome(StrEnum):
    """What became of a scan."""

    APPLIED = "applied"
    KNOWN = "known"
    DUPLICATE = "duplicate"
    LINKED_ELSEWHERE = "linked_elsewhere"
    PARENT_FULL = "parent_full"
    WRONG_BAG_TYPE = "wrong_bag_type"
    INVALID_CODE = "invalid_code"
    BILL_COMPLETED = "bill_completed"
    BILL_FULL = "bill_full"
    ON_OTHER_BILL = "on_other_bill"
    UNKNOWN_BILL = "unknown_bill"
    UNKNOWN_BAG = "unknown_bag"
    RETURN_CLOSED = "return_closed"
    UNKNOWN_RETURN = "unknown_return"
    ID_REUSED = "id_reused"

    @property
    def feedback(self) -> Feedback:
        """The tone and colour that go with it."""
        return _FEEDBACK.get(self, Feedback.STOP)


_FEEDBACK: Mapping[Outcome, Feedback] = {
    Outcome.APPLIED: Feedback.OK,
    Outcome.KNOWN: Feedback.ALREADY,
    Outcome.DUPLICATE: Feedback.ALREADY,
}


class Scan(NamedTuple):
    """One event from one device (or from a person at a screen), with a normalised code.

    Parameters
    ----------
    scan_id
        The UUIDv7 its maker gave it, as text: its identity for ever.
    kind
        What it says.
    code
        The bag's code, normalised.
    target
        What the bag belongs to, normalised: the parent's code, the bill's or the return's number; None for `parent`.
    scanned_at
        The corrected time, UTC.
    device_time
        The time as the device gave it, UTC.
    area_id
        The area of the device or person.
    device_id, user_id
        Who made it: exactly one of the two.
    epoch, seq
        The device's counter and the run it belongs to, when it keeps one.
    """

    scan_id: str
    kind: Kind
    code: str
    target: str | None
    scanned_at: datetime
    device_time: datetime
    area_id: int | None
    device_id: int | None
    user_id: int | None = None
    epoch: int | None = None
    seq: int | None = None

    @property
    def content(self) -> tuple[object, ...]:
        """What a repeated `scan_id` must repeat; `scanned_at` is not part of it, since every sending corrects anew."""
        return (
            self.kind,
            self.code,
            self.target,
            self.device_time,
            self.device_id,
            self.user_id,
            self.epoch,
            self.seq,
        )


class Result(NamedTuple):
    """The outcome of one scan, with the parent's running count.

    Parameters
    ----------
    outcome
        What became of it.
    refers_to
        The parent, bill or return that stands in the way, where one does.
    children, capacity, weight_g
        The parent's count, room and weight in grams after the scan; None where no parent is concerned.
    """

    outcome: Outcome
    refers_to: str | None = None
    children: int | None = None
    capacity: int | None = None
    weight_g: int | None = None


def format_kg(weight_g: int) -> str:
    """Write grams as kilograms, without needless zeros.

    Examples
    --------
    >>> format_kg(4000), format_kg(1250), format_kg(-22000)
    ('4 kg', '1.25 kg', '-22 kg')
    """
    sign = "-" if weight_g < 0 else ""
    whole, rest = divmod(abs(weight_g), 1000)
    return f"{sign}{whole} kg" if rest == 0 else f"{sign}{whole}.{rest:03d}".rstrip("0") + " kg"


_SENTENCES: Mapping[tuple[Kind, Outcome], str] = {
    (Kind.PARENT, Outcome.APPLIED): "{code} registered",
    (Kind.PARENT, Outcome.KNOWN): "{code} is known",
    (Kind.PARENT, Outcome.WRONG_BAG_TYPE): "{code} is a child bag, not a sack",
    (Kind.CHILD, Outcome.APPLIED): "{code} in {target}",
    (Kind.CHILD, Outcome.DUPLICATE): "{code} is already in {target}",
    (Kind.CHILD, Outcome.LINKED_ELSEWHERE): "{code} is in {refers_to}, not put in {target}",
    (Kind.CHILD, Outcome.PARENT_FULL): "{target} is full, {code} not put in",
    (Kind.CHILD, Outcome.WRONG_BAG_TYPE): "{code} cannot go in {target}: wrong kind of bag",
    (Kind.CHILD, Outcome.BILL_COMPLETED): "{target} is on completed bill {refers_to}, {code} not put in",
    (Kind.BILL, Outcome.APPLIED): "{code} on bill {target}",
    (Kind.BILL, Outcome.DUPLICATE): "{code} is already on bill {target}",
    (Kind.BILL, Outcome.ON_OTHER_BILL): "{code} is on bill {refers_to}, not put on {target}",
    (Kind.BILL, Outcome.BILL_FULL): "Bill {target} is full, {code} not put on",
    (Kind.BILL, Outcome.BILL_COMPLETED): "Bill {target} is completed, {code} not put on",
    (Kind.BILL, Outcome.UNKNOWN_BILL): "No bill {target} here",
    (Kind.BILL, Outcome.UNKNOWN_BAG): "{code} is not registered, scan it as a sack first",
    (Kind.BILL, Outcome.WRONG_BAG_TYPE): "{code} is a child bag, only sacks go on a bill",
    (Kind.RETURN, Outcome.APPLIED): "{code} returned on {target}",
    (Kind.RETURN, Outcome.DUPLICATE): "{code} is already on return {target}",
    (Kind.RETURN, Outcome.RETURN_CLOSED): "Return {target} is closed, {code} not taken back",
    (Kind.RETURN, Outcome.UNKNOWN_RETURN): "No return {target} here",
    (Kind.RETURN, Outcome.UNKNOWN_BAG): "{code} is not registered, it cannot come back",
    (Kind.RETURN, Outcome.WRONG_BAG_TYPE): "{code} is a child bag, only sacks are returned",
}


def describe(kind: Kind, code: str, target: str | None, result: Result) -> str:
    """Say a result in one sentence, with the parent's running count where there is one.

    Examples
    --------
    >>> describe(Kind.CHILD, "CH67890", "SB12345", Result(Outcome.APPLIED, None, 4, 30, 4000))
    'CH67890 in SB12345 (4/30, 4 kg)'
    """
    if result.outcome is Outcome.ID_REUSED:
        return "This scan_id was used before with other content; the first scan stands"
    if result.outcome is Outcome.INVALID_CODE:
        read = code or "An empty code"
        return (
            f"{read} is not a bag code"
            if kind is not Kind.CHILD
            else f"{read} in {target or 'no sack'}: not a bag code"
        )
    sentence = _SENTENCES[kind, result.outcome].format(code=code, target=target, refers_to=result.refers_to)
    if result.children is None or result.weight_g is None:
        return sentence
    return f"{sentence} ({result.children}/{result.capacity}, {format_kg(result.weight_g)})"
