"""Work of a day before it has times and numbers: events, in jobs, on the roster of the devices."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from tracetrack_local.demo.shift import Device, spread_times


@dataclass(eq=False, slots=True, kw_only=True)
class Event:
    """
    One scan to be made.

    Attributes
    ----------
    kind, code, target
        What is scanned, as the scanner reads it, and what it belongs to.
    wait
        The device waits for the outcome before it goes on.
    group
        The batch it is sent in.
    device, wave, at, phase, position
        Who scans it when (true time); in which phase, and where in it, it is sent. Set by the roster.
    epoch, seq, scan_id
        Set when the device's scans are numbered.
    """

    kind: str
    code: str
    target: str | None = None
    wait: bool = False
    group: str | None = None
    device: Device = field(init=False)
    wave: int = field(init=False)
    at: datetime = field(init=False)
    phase: int = field(init=False)
    position: float = field(init=False)
    epoch: int | None = None
    seq: int | None = None
    scan_id: UUID = field(init=False)


@dataclass(frozen=True)
class PlannedBill:
    """
    A bill that is made through the API.

    Attributes
    ----------
    bill_no, area, capacity, destination, vehicle
        As created.
    loaded_phase
        Its last sack is on at the end of this phase.
    completed
        It is completed after that phase.
    reason
        Why it is completed short; None when it is full.
    """

    bill_no: str
    area: str
    capacity: int
    destination: str
    vehicle: str
    loaded_phase: int
    completed: bool = False
    reason: str | None = None


@dataclass(eq=False)
class PlannedSack:
    """
    A sack that is filled on this day.

    Attributes
    ----------
    code, area
        Its code, and the area that sees it first.
    children
        Codes of its children.
    ready_phase
        All its children are applied at the end of this phase.
    bill, billed_wave
        The bill it is loaded on and when; None while it is on none.
    returned
        It comes back in the evening, so that nothing else may happen to it then.
    """

    code: str
    area: str
    children: list[str]
    ready_phase: int = 0
    bill: PlannedBill | None = None
    billed_wave: int | None = None
    returned: bool = False


class Roster:
    """
    Who does what in which wave.

    Parameters
    ----------
    devices
        The day's devices.
    rng
        Source of chance.
    """

    def __init__(self, devices: Iterable[Device], rng: random.Random) -> None:
        self.by_area: dict[str, list[Device]] = {}
        for device in devices:
            self.by_area.setdefault(device.area, []).append(device)
        self._rng = rng
        self._jobs: dict[tuple[Device, int], list[list[Event]]] = {}
        self.events = 0

    def assign(self, device: Device, wave: int, job: list[Event]) -> int:
        """
        Give a device a job, to be done in one go.

        Returns
        -------
        int
            The phase at whose end the job is surely done: a device without the network delivers one later.
        """
        self._jobs.setdefault((device, wave), []).append(job)
        self.events += len(job)
        return wave + (device.offline_wave == wave)

    def assign_online(self, area: str, wave: int, job: list[Event]) -> None:
        """Give a job to any device of an area that keeps the network in this wave."""
        candidates = [each for each in self.by_area[area] if each.offline_wave != wave]
        self.assign(self._rng.choice(candidates), wave, job)

    def schedule(self, day: date) -> list[Event]:
        """Give every event its device, time and place in the sending; in the order of the roster, not of time."""
        events = []
        for (device, wave), jobs in self._jobs.items():
            self._rng.shuffle(jobs)
            planned = [event for job in jobs for event in job]
            for event, at in zip(planned, spread_times(day, wave, len(planned), self._rng), strict=True):
                event.device, event.wave, event.at = device, wave, at
                event.phase, event.position = wave, at.timestamp()
                event.wait |= device.listens
            _gather_offline(device, wave, [event for event in planned if device.is_offline(wave, event.at)])
            events += planned
        return events


def _gather_offline(device: Device, wave: int, gathered: list[Event]) -> None:
    """Put what was scanned without the network in batches that leave first thing in the next phase."""
    half = len(gathered) // 2 if device.reversed_sync else 0
    for number, event in enumerate(gathered):
        event.phase = wave + 1
        event.wait = True
        # Positions of a phase are times of day in seconds; these come before all of them, the later half first.
        event.position = number / len(gathered) + (1 if number < half else 0)
        event.group = f"sync-{device.name}-{1 if number < half else 2}"
