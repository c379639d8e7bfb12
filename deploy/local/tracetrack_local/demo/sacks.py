"""Sacks of a day: which there are, who fills them and when."""

import random
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from tracetrack_local.demo.codes import CodePrinter
from tracetrack_local.demo.rules import CAPACITY
from tracetrack_local.demo.shift import AREAS, LAST_FILLING_WAVE, Device
from tracetrack_local.demo.work import Event, PlannedSack, Roster

FULL_SHARE: Final = 0.88
REGISTERED_SHARE: Final = 0.8
"""Sacks that are scanned themselves before their first child; the others exist from their first child on."""

SHARED_SHARE: Final = 0.06
"""Sacks that a second device fills up in a later wave."""

LISTENED_BATCHES: Final = 0.5
"""Buffered batches whose outcomes the device waits for."""

_LEAST_CHILDREN = 5


@dataclass(frozen=True)
class Filler:
    """
    Plans the filling of sacks.

    Attributes
    ----------
    roster
        Who works.
    printer
        Where codes come from.
    rng
        Source of chance.
    """

    roster: Roster
    printer: CodePrinter
    rng: random.Random

    def fill(self, scans: int) -> list[PlannedSack]:
        """
        Plan sacks, in every area in turn, until their scans are used up.

        Parameters
        ----------
        scans
            How many scans filling and loading may take; each sack has one set aside for its bill.
        """
        sacks: list[PlannedSack] = []
        for area in cycle(AREAS):
            registered = self.rng.random() < REGISTERED_SHARE
            size = min(self._choose_size(), scans - registered - 1)
            if size < 1:
                break
            sacks.append(self._fill_one(area, size, registered=registered))
            scans -= size + registered + 1
        return sacks

    def _choose_size(self) -> int:
        return CAPACITY if self.rng.random() < FULL_SHARE else self.rng.randint(_LEAST_CHILDREN, CAPACITY - 1)

    def _fill_one(self, area: str, size: int, *, registered: bool) -> PlannedSack:
        sack = PlannedSack(self.printer.new_sack(), area, [self.printer.new_child() for _ in range(size)])
        device, wave = self._choose_turn(area, 0)
        shared = size > 1 and self.rng.random() < SHARED_SHARE and wave + 1 < LAST_FILLING_WAVE
        first_part = self.rng.randint(1, size - 1) if shared else size
        # The device waits for the sack's own outcome: a child that overtakes it would register the sack in its place.
        job = [Event(kind="parent", code=self.printer.as_scanned(sack.code), wait=True)] if registered else []
        job += self._put_in(sack, sack.children[:first_part], device)
        sack.ready_phase = self.roster.assign(device, wave, job)
        if shared:
            device, wave = self._choose_turn(area, sack.ready_phase + 1)
            job = self._put_in(sack, sack.children[first_part:], device)
            sack.ready_phase = self.roster.assign(device, wave, job)
        return sack

    def _choose_turn(self, area: str, first_wave: int) -> tuple[Device, int]:
        return self.rng.choice(self.roster.by_area[area]), self.rng.randint(first_wave, LAST_FILLING_WAVE)

    def _put_in(self, sack: PlannedSack, children: list[str], device: Device) -> list[Event]:
        group = f"{device.name}-{sack.code}" if device.buffers else None
        wait = device.buffers and self.rng.random() < LISTENED_BATCHES
        return [
            Event(kind="child", code=self.printer.as_scanned(child), target=sack.code, group=group, wait=wait)
            for child in children
        ]
