"""Bills and returns of a day: which sacks are loaded where, and which come back."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from tracetrack_local.demo.codes import CodePrinter
from tracetrack_local.demo.rules import CAPACITY
from tracetrack_local.demo.shift import AREAS
from tracetrack_local.demo.work import Event, PlannedBill, PlannedSack, Roster

RETURN_AREAS: Final = AREAS[1::2][:4]
"""Areas where sacks come back; their second bill is left open with room on it."""

LOADING_WAVE: Final = 4
CLOSING_WAVE: Final = 5
BILLED_SHARE: Final = 0.85
SACKS_PER_BILL: Final = 9
MOST_RETURN_SCANS: Final = 50
"""At least what `Loader.take_back` plans."""

SHORT_REASON: Final = "the vehicle left before the last sacks were filled"

_SOON_SHARE = 0.7
_SPARE_ROOM = 5
_EMPTY_BILL_AREAS = (AREAS[0], AREAS[6])
_DESTINATIONS = ("Delhi", "Ahmedabad", "Nagpur", "Patna", "Guwahati", "Kochi", "Ludhiana", "Surat")


@dataclass(frozen=True)
class Loader:
    """
    Plans bills and returns.

    Attributes
    ----------
    day
        The business day; bill numbers contain it.
    roster
        Who works.
    printer
        Where codes come from.
    rng
        Source of chance.
    """

    day: date
    roster: Roster
    printer: CodePrinter
    rng: random.Random

    def load(self, sacks: list[PlannedSack]) -> list[PlannedBill]:
        """
        Plan the bills of every area and put most of its sacks on them.

        In each area the first bill is completed, the second stays open, full or with room; the others alternate. One
        bill of the day is completed short, two stay empty.
        """
        bills: list[PlannedBill] = []
        for area in AREAS:
            loaded = [sack for sack in sacks if sack.area == area and self.rng.random() < BILLED_SHARE]
            # Sacks that are ready early share a bill, so that some bills are done early.
            loaded.sort(key=lambda sack: sack.ready_phase)
            count = max(2, len(loaded) // SACKS_PER_BILL)
            for number in range(count):
                share = loaded[len(loaded) * number // count : len(loaded) * (number + 1) // count]
                bills.append(self._load_one(area, number, share))
            if area in _EMPTY_BILL_AREAS:
                bills.append(self._load_one(area, count, []))
        return bills

    def _load_one(self, area: str, number: int, sacks: list[PlannedSack]) -> PlannedBill:
        completed = number % 2 == 0 and bool(sacks)
        short = completed and (area, number) == (AREAS[0], 0)
        exact = (completed and not short) or (number == 1 and area not in RETURN_AREAS)
        waves = [self._choose_wave(sack) for sack in sacks]
        bill = PlannedBill(
            bill_no=f"DEMO-{self.day:%Y%m%d}-{area[:3].upper()}-{number + 1}",
            area=area,
            capacity=len(sacks) if exact and sacks else len(sacks) + self.rng.randint(1, _SPARE_ROOM),
            destination=self.rng.choice(_DESTINATIONS),
            vehicle=f"RJ{self.rng.randint(1, 50):02d} GA {self.rng.randint(1000, 9999)}",
            loaded_phase=max(waves, default=0),
            completed=completed,
            reason=SHORT_REASON if short else None,
        )
        for sack, wave in zip(sacks, waves, strict=True):
            sack.bill, sack.billed_wave = bill, wave
            self._scan("bill", sack.code, bill.bill_no, area, wave)
        return bill

    def _choose_wave(self, sack: PlannedSack) -> int:
        soon = sack.ready_phase + 1
        return soon if self.rng.random() < _SOON_SHARE else self.rng.randint(soon, LOADING_WAVE)

    def take_back(self, sacks: list[PlannedSack], return_nos: Mapping[str, str]) -> None:
        """
        Plan what comes back in the evening: from an open bill, from a completed one, from none; and mistakes with it.

        Parameters
        ----------
        sacks
            The day's, as loaded.
        return_nos
            The number of the return of each area that has one.
        """
        for area, return_no in return_nos.items():
            from_open = [s for s in sacks if s.area == area and _can_leave(s, completed=False)][:2]
            from_completed = [s for s in sacks if s.area == area and _can_leave(s, completed=True)][:1]
            from_none = [s for s in sacks if s.area == area and s.bill is None and len(s.children) == CAPACITY][:1]
            for sack in from_open + from_completed + from_none:
                sack.returned = True
                self._scan("return", sack.code, return_no, area, LOADING_WAVE)
            for sack in from_open[:1]:
                self._scan("return", sack.code, return_no, area, CLOSING_WAVE)
            for sack in from_open[1:]:
                self._scan("bill", sack.code, sack.bill.bill_no if sack.bill else None, area, CLOSING_WAVE)
            others = [number for number in return_nos.values() if number != return_no]
            for number in (*others[:1], "RTN-20200229-0001"):
                self._scan("return", sacks[0].code, number, area, CLOSING_WAVE)
            for code in (self.printer.new_sack(), self.printer.new_child(), self.printer.misprinted_sack()):
                self._scan("return", code, return_no, area, CLOSING_WAVE)

    def _scan(self, kind: str, code: str, target: str | None, area: str, wave: int) -> None:
        self.roster.assign_online(area, wave, [Event(kind=kind, code=self.printer.as_scanned(code), target=target)])


def _can_leave(sack: PlannedSack, *, completed: bool) -> bool:
    """Tell whether a sack is on such a bill, loaded and locked before the evening."""
    bill = sack.bill
    return bill is not None and bill.completed == completed and bill.loaded_phase < LOADING_WAVE
