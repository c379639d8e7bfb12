"""What goes wrong on a day: misprints, second sacks, 31st children, wrong bills."""

import random
from collections.abc import Callable
from typing import Final, TypeVar

from tracetrack_local.demo.codes import CodePrinter
from tracetrack_local.demo.rules import CAPACITY
from tracetrack_local.demo.shift import AREAS, WAVES
from tracetrack_local.demo.work import Event, PlannedBill, PlannedSack, Roster

MISTAKE_SHARE: Final = 0.031
LEAST_MISTAKES: Final = 25
"""Together at least what `Mistakes.make` plans for any number of scans."""

T = TypeVar("T")

_LAST_WAVE: Final = len(WAVES) - 1
_SPILLED_PER_SACK: Final = 25
_OTHER_AREA_SHARE: Final = 0.1


class Mistakes:
    """
    Plans mistakes with sacks and bills that are planned already.

    Each one comes a wave after what it gets wrong, so that its outcome depends on no race.

    Parameters
    ----------
    sacks, bills
        The day's.
    roster
        Who works.
    printer
        Where codes come from.
    rng
        Source of chance.
    """

    def __init__(
        self,
        sacks: list[PlannedSack],
        bills: list[PlannedBill],
        *,
        roster: Roster,
        printer: CodePrinter,
        rng: random.Random,
    ) -> None:
        self._bills = {area: [bill for bill in bills if bill.area == area] for area in AREAS}
        self._roster = roster
        self._printer = printer
        self._rng = rng
        self._spill_sacks: dict[str, tuple[str, int]] = {}
        self._sacks = sacks
        settled = [sack for sack in sacks if not sack.returned]
        self._full = [sack for sack in settled if len(sack.children) == CAPACITY]
        self._unbilled = [sack for sack in settled if sack.bill is None]
        self._billed = [sack for sack in settled if sack.bill is not None]
        self._locked = [sack for sack in settled if sack.bill is not None and sack.bill.completed]
        self._full_bills = [b for b in bills if not b.completed and b.capacity == _count_on(b, sacks)]
        self._completed_bills = [bill for bill in bills if bill.completed]

    def kinds(self) -> dict[Callable[[], None], float]:
        """Give every mistake with its share of all scans."""
        return {
            self._misprint_child: 0.0050,
            self._misprint_parent_code: 0.0005,
            self._misprint_sack: 0.0005,
            self._misprint_on_bill: 0.0003,
            self._scan_sack_as_child: 0.0030,
            self._scan_child_as_parent: 0.0010,
            self._register_child: 0.0010,
            self._register_again: 0.0050,
            self._put_in_second_sack: 0.0060,
            self._overfill: 0.0030,
            self._put_in_completed_bill: 0.0010,
            self._load_again: 0.0015,
            self._load_on_other_bill: 0.0010,
            self._load_on_unknown_bill: 0.0005,
            self._load_on_other_areas_bill: 0.0005,
            self._load_unregistered: 0.0010,
            self._load_child: 0.0005,
            self._load_on_full_bill: 0.0005,
            self._load_on_completed_bill: 0.0005,
        }

    def make(self, scans: int) -> None:
        """Plan every mistake as often as it happens in so many scans, and at least once."""
        for mistake, share in self.kinds().items():
            for _ in range(max(1, round(share * scans))):
                mistake()

    def scan_again(self) -> None:
        """Plan a child that is scanned into its own sack once more."""
        sack = self._rng.choice(self._sacks)
        self._child(self._rng.choice(sack.children), sack.code, sack.area, self._later(sack.ready_phase))

    def _misprint_child(self) -> None:
        sack = self._rng.choice(self._sacks)
        self._child(self._printer.misprinted_child(), sack.code, sack.area, self._any_wave())

    def _misprint_parent_code(self) -> None:
        area = self._any_area()
        self._child(self._printer.new_child(), self._printer.misprinted_sack(), area, self._any_wave())

    def _misprint_sack(self) -> None:
        self._plan(Event(kind="parent", code=self._printer.misprinted_sack()), self._any_area(), self._any_wave())

    def _misprint_on_bill(self) -> None:
        bill = self._any_bill()
        self._load(self._printer.misprinted_sack(), bill.bill_no, bill.area, self._any_wave())

    def _scan_sack_as_child(self) -> None:
        sack, other = self._rng.choice(self._sacks), self._rng.choice(self._sacks)
        self._child(other.code, sack.code, sack.area, self._any_wave())

    def _scan_child_as_parent(self) -> None:
        sack = self._rng.choice(self._sacks)
        self._child(self._printer.new_child(), self._rng.choice(sack.children), sack.area, self._any_wave())

    def _register_child(self) -> None:
        sack = self._rng.choice(self._sacks)
        self._plan(Event(kind="parent", code=self._rng.choice(sack.children)), sack.area, self._any_wave())

    def _register_again(self) -> None:
        sack = self._rng.choice(self._sacks)
        self._plan(Event(kind="parent", code=sack.code), sack.area, self._later(sack.ready_phase))

    def _put_in_second_sack(self) -> None:
        holder, second = self._rng.sample(self._sacks, 2)
        area = second.area if self._rng.random() < _OTHER_AREA_SHARE else holder.area
        self._child(self._rng.choice(holder.children), second.code, area, self._later(holder.ready_phase))

    def _overfill(self) -> None:
        """Plan a 31st child: it is refused and goes into the next sack, on the same device once it knows."""
        if not self._full:
            return
        sack, child = self._rng.choice(self._full), self._printer.new_child()
        spill, spilled = self._spill_sacks.get(sack.area, ("", _SPILLED_PER_SACK))
        if spilled == _SPILLED_PER_SACK:
            spill, spilled = self._printer.new_sack(), 0
        self._spill_sacks[sack.area] = spill, spilled + 1
        job = [
            Event(kind="child", code=child, target=sack.code, wait=True),
            Event(kind="child", code=child, target=spill),
        ]
        # One device of the area, so that a spill sack has one worker; the first of each area never goes offline.
        self._roster.assign(self._roster.by_area[sack.area][0], self._later(sack.ready_phase), job)

    def _put_in_completed_bill(self) -> None:
        sack = self._pick(self._locked)
        if sack is not None and sack.bill is not None:
            self._child(self._printer.new_child(), sack.code, sack.area, self._later(sack.bill.loaded_phase))

    def _load_again(self) -> None:
        sack = self._pick(self._billed)
        if sack is not None and sack.bill is not None and sack.billed_wave is not None:
            self._load(sack.code, sack.bill.bill_no, sack.area, self._later(sack.billed_wave))

    def _load_on_other_bill(self) -> None:
        sack = self._pick(self._billed)
        if sack is not None and sack.billed_wave is not None:
            other = self._rng.choice([bill for bill in self._bills[sack.area] if bill is not sack.bill])
            self._load(sack.code, other.bill_no, sack.area, self._later(sack.billed_wave))

    def _load_on_unknown_bill(self) -> None:
        sack = self._rng.choice(self._sacks)
        self._load(sack.code, f"BILL-2019-{self._rng.randint(1, 999_999):06d}", sack.area, self._any_wave())

    def _load_on_other_areas_bill(self) -> None:
        bill, area = self._any_bill(), self._any_area()
        if bill.area != area:
            self._load(self._rng.choice(self._sacks).code, bill.bill_no, area, self._any_wave())

    def _load_unregistered(self) -> None:
        bill = self._any_bill()
        self._load(self._printer.new_sack(), bill.bill_no, bill.area, self._any_wave())

    def _load_child(self) -> None:
        bill, sack = self._any_bill(), self._rng.choice(self._sacks)
        self._load(self._rng.choice(sack.children), bill.bill_no, bill.area, self._any_wave())

    def _load_on_full_bill(self) -> None:
        self._load_too_late(self._full_bills)

    def _load_on_completed_bill(self) -> None:
        self._load_too_late(self._completed_bills)

    def _load_too_late(self, bills: list[PlannedBill]) -> None:
        bill = self._pick(bills)
        if bill is None:
            return
        sack = self._pick([sack for sack in self._unbilled if sack.area == bill.area])
        if sack is not None:
            self._load(sack.code, bill.bill_no, bill.area, self._later(max(sack.ready_phase, bill.loaded_phase)))

    def _child(self, code: str, parent_code: str, area: str, wave: int) -> None:
        event = Event(kind="child", code=self._printer.as_scanned(code), target=self._printer.as_scanned(parent_code))
        self._plan(event, area, wave)

    def _load(self, code: str, bill_no: str, area: str, wave: int) -> None:
        self._plan(Event(kind="bill", code=self._printer.as_scanned(code), target=bill_no), area, wave)

    def _plan(self, event: Event, area: str, wave: int) -> None:
        self._roster.assign_online(area, wave, [event])

    def _later(self, phase: int) -> int:
        """Choose a wave after a phase, the next one or the one after it."""
        return min(phase + self._rng.randint(1, 2), _LAST_WAVE)

    def _any_wave(self) -> int:
        return self._rng.randrange(len(WAVES))

    def _any_area(self) -> str:
        return self._rng.choice(AREAS)

    def _any_bill(self) -> PlannedBill:
        return self._rng.choice(self._bills[self._any_area()])

    def _pick(self, candidates: list[T]) -> T | None:
        return self._rng.choice(candidates) if candidates else None


def _count_on(bill: PlannedBill, sacks: list[PlannedSack]) -> int:
    return sum(sack.bill is bill for sack in sacks)
