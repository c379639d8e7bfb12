"""The figures of an end-of-day summary and their arithmetic (domain.md, End of day).

Pure: what was counted from history goes in, totals come out, and every total is the sum of the parts beside it.
Weights are grams.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .business_day import Window
from .scans import Feedback, Kind, Outcome

BILL_STATUSES = ("new", "processing", "completed")
HOURS = range(24)


@dataclass(frozen=True, slots=True)
class ScanCell:
    """How many scans of the day agree in all of these.

    Parameters
    ----------
    area
        The area they count in; None for those of a person without an area that name no known bill or return.
    device
        The device's name; None for scans that people entered.
    hour
        The hour on a clock in the summary's zone.
    kind, outcome
        What they said and what became of them.
    scans
        Their number.
    late
        How many of them were received after the window's end.
    """

    area: str | None
    device: str | None
    hour: int
    kind: Kind
    outcome: Outcome
    scans: int
    late: int = 0


@dataclass(frozen=True, slots=True)
class DeviceScans:
    """The scans of one device, or of people (None), in one area; of the applied ones those of sacks, of children."""

    device: str | None
    area: str | None
    scans: int
    applied: int
    sacks: int
    children: int


@dataclass(frozen=True, slots=True)
class HourScans:
    """The scans of one local hour; of the applied ones those of sacks, of children."""

    hour: int
    scans: int
    applied: int
    sacks: int
    children: int


@dataclass(frozen=True, slots=True)
class ScanFigures:
    """The scans of a day, by each of the views a summary has; what did not occur is not in the mappings."""

    total: int
    applied: int
    already: int
    refused: int
    late: int
    sacks_scanned: int
    children_linked: int
    by_kind: dict[str, int]
    by_outcome: dict[str, int]
    refused_by_reason: dict[str, int]
    by_device: list[DeviceScans]
    by_hour: list[HourScans]


def count_scans(cells: Iterable[ScanCell]) -> ScanFigures:
    """Add up the day's scans.

    Parameters
    ----------
    cells
        Every scan of the day is in exactly one of them.
    """
    kinds: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    feedbacks: Counter[Feedback] = Counter()
    devices: dict[tuple[str | None, str | None], list[int]] = {}
    hours = {hour: [0, 0, 0, 0] for hour in HOURS}
    late = 0
    for cell in cells:
        applied = cell.scans if cell.outcome is Outcome.APPLIED else 0
        kinds[cell.kind.value] += cell.scans
        outcomes[cell.outcome.value] += cell.scans
        feedbacks[cell.outcome.feedback] += cell.scans
        added = (
            cell.scans,
            applied,
            applied if cell.kind is Kind.PARENT else 0,
            applied if cell.kind is Kind.CHILD else 0,
        )
        for counts in (devices.setdefault((cell.area, cell.device), [0, 0, 0, 0]), hours[cell.hour]):
            for place, number in enumerate(added):
                counts[place] += number
        late += cell.late
    return ScanFigures(
        total=kinds.total(),
        applied=feedbacks[Feedback.OK],
        already=feedbacks[Feedback.ALREADY],
        refused=feedbacks[Feedback.STOP],
        late=late,
        sacks_scanned=sum(counts[2] for counts in hours.values()),
        children_linked=sum(counts[3] for counts in hours.values()),
        by_kind=_sorted(kinds),
        by_outcome=_sorted(outcomes),
        refused_by_reason=_sorted({name: n for name, n in outcomes.items() if Outcome(name).feedback is Feedback.STOP}),
        by_device=[
            DeviceScans(device, area, *devices[area, device])
            for area, device in sorted(devices, key=lambda key: (key[0] or "", key[1] is None, key[1] or ""))
        ],
        by_hour=[HourScans(hour, *counts) for hour, counts in hours.items()],
    )


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True)
class BillFigures:
    """A bill as it stood at the window's end.

    Parameters
    ----------
    bill_no, area, created_by, created_at, destination
        As it was created.
    capacity
        How many sacks it is meant for.
    status
        Its state.
    is_created_today
        Whether it was created in the window.
    sacks, children
        What was on it.
    actual_g, expected_g
        What that weighs, and what it would weigh were every sack full.
    """

    bill_no: str
    area: str
    created_by: str
    created_at: datetime
    destination: str
    capacity: int
    status: str
    is_created_today: bool
    sacks: int
    children: int
    actual_g: int
    expected_g: int

    @property
    def variance_g(self) -> int:
        """Actual less expected weight: negative when the sacks are not full."""
        return self.actual_g - self.expected_g

    @property
    def is_open(self) -> bool:
        """Whether it was not completed."""
        return self.status != "completed"


@dataclass(frozen=True, slots=True)
class BillTotals:
    """The sums over a summary's bills."""

    sacks: int
    children: int
    actual_g: int
    expected_g: int

    @property
    def variance_g(self) -> int:
        """Actual less expected weight."""
        return self.actual_g - self.expected_g


def total_bills(bills: Iterable[BillFigures]) -> BillTotals:
    """Add up bills.

    Examples
    --------
    >>> total_bills([])
    BillTotals(sacks=0, children=0, actual_g=0, expected_g=0)
    """
    sums = [0, 0, 0, 0]
    for bill in bills:
        for place, number in enumerate((bill.sacks, bill.children, bill.actual_g, bill.expected_g)):
            sums[place] += number
    return BillTotals(*sums)


@dataclass(frozen=True, slots=True)
class AreaFigures:
    """What one area's day comes to; `area` is None for scans that count in no area."""

    area: str | None
    scans: int
    applied: int
    sacks: int
    children: int
    bills: int
    totals: BillTotals


def sum_by_area(scans: ScanFigures, bills: Iterable[BillFigures]) -> list[AreaFigures]:
    """Add up each area's scans and bills, by its code."""
    of_area: dict[str | None, tuple[list[DeviceScans], list[BillFigures]]] = {}
    for row in scans.by_device:
        of_area.setdefault(row.area, ([], []))[0].append(row)
    for bill in bills:
        of_area.setdefault(bill.area, ([], []))[1].append(bill)
    return [
        AreaFigures(
            area,
            scans=sum(row.scans for row in rows),
            applied=sum(row.applied for row in rows),
            sacks=sum(row.sacks for row in rows),
            children=sum(row.children for row in rows),
            bills=len(own),
            totals=total_bills(own),
        )
        for area, (rows, own) in sorted(of_area.items(), key=lambda entry: (entry[0] is None, entry[0] or ""))
    ]


def count_by_status(bills: Iterable[BillFigures]) -> dict[str, int]:
    """Count bills by their state at the window's end, every state named."""
    counts = Counter(bill.status for bill in bills)
    return {status: counts[status] for status in BILL_STATUSES}


def count_created_by_biller(bills: Iterable[BillFigures]) -> dict[str, int]:
    """Count the bills that were created in the window, by who created them."""
    return _sorted(Counter(bill.created_by for bill in bills if bill.is_created_today))


@dataclass(frozen=True, slots=True)
class SackFigures:
    """A sack that was worked on in the window, as it stood at the window's end."""

    code: str
    children: int
    capacity: int
    is_billed: bool

    @property
    def is_underfilled(self) -> bool:
        """Whether it has room."""
        return self.children < self.capacity

    @property
    def is_overfilled(self) -> bool:
        """Whether it holds more than it may: a sign that a rule was broken somewhere."""
        return self.children > self.capacity

    @property
    def is_full_unbilled(self) -> bool:
        """Whether it is ready to go and on no bill."""
        return self.children >= self.capacity and not self.is_billed


@dataclass(frozen=True, slots=True)
class Gap:
    """Counters that a device used and that never arrived: from `from_seq` to `to_seq`, both among the missing."""

    device: str
    epoch: int
    from_seq: int
    to_seq: int

    @property
    def missing(self) -> int:
        """How many there are."""
        return self.to_seq - self.from_seq + 1


@dataclass(frozen=True, slots=True)
class Figures:
    """All that a summary says of a day, save its number and when it was made."""

    window: Window
    scans: ScanFigures
    sacks_registered: int
    bills: Sequence[BillFigures]
    sacks: Sequence[SackFigures]
    gaps: Sequence[Gap]


def find_disagreements(scans: ScanFigures) -> list[str]:
    """Name every total that is not the sum of its parts; a summary with such a one must not go out.

    Parameters
    ----------
    scans
        The figures to hold against one another.
    """
    parts = {
        "applied + already + refused": scans.applied + scans.already + scans.refused,
        "by kind": sum(scans.by_kind.values()),
        "by outcome": sum(scans.by_outcome.values()),
        "by device": sum(row.scans for row in scans.by_device),
        "by hour": sum(row.scans for row in scans.by_hour),
    }
    wrong = [f"scans {name}: {found}, not {scans.total}" for name, found in parts.items() if found != scans.total]
    views: Mapping[str, Sequence[DeviceScans] | Sequence[HourScans]] = {
        "by device": scans.by_device,
        "by hour": scans.by_hour,
    }
    for name, rows in views.items():
        for field, total in (("sacks", scans.sacks_scanned), ("children", scans.children_linked)):
            if (found := sum(getattr(row, field) for row in rows)) != total:
                wrong.append(f"{field} {name}: {found}, not {total}")
    return wrong
