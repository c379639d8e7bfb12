"""A whole demo day: the scan log, and what must become of every scan in it."""

import random
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

from tracetrack_local.demo.codes import CodePrinter, CodeRanges
from tracetrack_local.demo.loading import MOST_RETURN_SCANS, Loader
from tracetrack_local.demo.mistakes import LEAST_MISTAKES, MISTAKE_SHARE, Mistakes
from tracetrack_local.demo.rules import Verdict, Warehouse
from tracetrack_local.demo.sacks import Filler
from tracetrack_local.demo.shift import WAVES, Device, make_devices
from tracetrack_local.demo.work import Event, PlannedBill, Roster
from tracetrack_local.errors import LauncherError
from tracetrack_local.replay.ids import RANDOM_BITS, uuid7_of
from tracetrack_local.replay.scanlog import TARGET_FIELDS, ScanLine

LEAST_SCANS: Final = 500
"""Fewer do not make a sack in every area."""

MOST_SCANS: Final = 500_000

RESENT_SHARE: Final = 0.015
DUPLICATE_SHARE: Final = 0.012
LOST_SHARE: Final = 0.003
SAME_PHASE_SHARE: Final = 0.7
"""Of the resends; the others come a wave later."""

_MOST_LOST: Final = 4
_SOON_S: Final = 600


class Gap(NamedTuple):
    """Counters a device used that were never delivered."""

    device: str
    area: str
    epoch: int
    from_seq: int
    to_seq: int


class Judged(NamedTuple):
    """A scan (once, however often it is sent), its true time, and what must become of it."""

    line: ScanLine
    at: datetime
    verdict: Verdict


@dataclass(frozen=True)
class Day:
    """
    A day and all that must come out of it.

    Attributes
    ----------
    date
        The business day.
    devices, bills
        What must exist before the replay.
    lines
        The scan log, in the order of the file.
    scans
        Every scan with its verdict.
    warehouse
        How everything stands at the end.
    gaps
        Counters that never arrive.
    ranges
        Codes that the next day may begin with.
    """

    date: date
    devices: tuple[Device, ...]
    bills: tuple[PlannedBill, ...]
    lines: tuple[ScanLine, ...]
    scans: Mapping[UUID, Judged]
    warehouse: Warehouse
    gaps: tuple[Gap, ...]
    ranges: CodeRanges


def generate_day(day: date, *, scans: int, seed: int, ranges: CodeRanges, return_nos: Mapping[str, str]) -> Day:
    """
    Generate a day; the same arguments give the same day.

    Parameters
    ----------
    day
        The business day.
    scans
        Lines of the scan log, resends included.
    seed
        Seed of chance.
    ranges
        Codes to begin with.
    return_nos
        The return of each area that has one, by area.

    Raises
    ------
    LauncherError
        When the number of scans is out of range or the codes are used up.
    """
    require_size(scans)
    rng = random.Random(f"{seed}/{day}")  # noqa: S311 - the same day for a seed is wanted, not secrecy
    devices = make_devices(day, rng)
    printer = CodePrinter(ranges, rng)
    roster = Roster(devices, rng)
    resent = round(scans * RESENT_SHARE)
    bills = _plan(Loader(day, roster, printer, rng), scans - resent, return_nos)
    events = roster.schedule(day)
    gaps = [gap for device, made in _by_device(events).items() for gap in _number(device, made, rng)]
    sent = sorted(events + _resend(events, resent, rng), key=attrgetter("phase", "position"))
    warehouse, verdicts = _judge(sent, bills, return_nos)
    lines = [_as_line(event, verdicts[event.scan_id]) for event in sent]
    judged: dict[UUID, Judged] = {}
    for event, line in zip(sent, lines, strict=True):
        judged.setdefault(event.scan_id, Judged(line, event.at, verdicts[event.scan_id]))
    return Day(
        date=day,
        devices=tuple(devices),
        bills=tuple(bills),
        lines=tuple(lines),
        scans=judged,
        warehouse=warehouse,
        gaps=tuple(gaps),
        ranges=printer.ranges,
    )


def require_size(scans: int) -> None:
    """
    Check that a day can have so many scans.

    Raises
    ------
    LauncherError
        When it cannot.
    """
    if not LEAST_SCANS <= scans <= MOST_SCANS:
        raise LauncherError(f"A demo day has {LEAST_SCANS:,} to {MOST_SCANS:,} scans, not {scans:,}.")


def completions_after(bills: Iterable[PlannedBill], phase: int) -> list[PlannedBill]:
    """Give the bills that are completed when a phase is applied."""
    return [bill for bill in bills if bill.completed and bill.loaded_phase == phase]


def _plan(loader: Loader, scans: int, return_nos: Mapping[str, str]) -> list[PlannedBill]:
    """Put exactly so many scans on the roster; what sacks, bills and mistakes leave over are children scanned twice."""
    roster, printer, rng = loader.roster, loader.printer, loader.rng
    set_aside = round(scans * (DUPLICATE_SHARE + MISTAKE_SHARE)) + LEAST_MISTAKES + MOST_RETURN_SCANS
    sacks = Filler(roster, printer, rng).fill(scans - set_aside)
    bills = loader.load(sacks)
    loader.take_back(sacks, return_nos)
    mistakes = Mistakes(sacks, bills, roster=roster, printer=printer, rng=rng)
    mistakes.make(scans)
    for _ in range(scans - roster.events):
        mistakes.scan_again()
    return bills


def _by_device(events: Iterable[Event]) -> dict[Device, list[Event]]:
    """Sort events into what each device scanned, in the order of true time."""
    made: dict[Device, list[Event]] = {}
    for event in sorted(events, key=attrgetter("at")):
        made.setdefault(event.device, []).append(event)
    return made


def _number(device: Device, events: list[Event], rng: random.Random) -> list[Gap]:
    """Give a device's scans their ids and counters; some counters are used up and never delivered."""
    gaps = []
    epoch, seq = 1, 0
    for event in events:
        at_ms = round((event.at + device.clock_offset).timestamp() * 1000)
        event.scan_id = uuid7_of(at_ms, rng.getrandbits(RANDOM_BITS))
        if not device.counts:
            continue
        if epoch == 1 and device.reset_wave is not None and event.wave >= device.reset_wave:
            epoch, seq = 2, 0
        # Never before an epoch's first scan: nobody can know that something is missing there.
        lost = rng.randint(1, _MOST_LOST) if seq > 0 and rng.random() < LOST_SHARE else 0
        if lost:
            gaps.append(Gap(device.name, device.area, epoch, seq + 1, seq + lost))
        seq += lost + 1
        event.epoch, event.seq = epoch, seq
    return gaps


def _resend(events: list[Event], count: int, rng: random.Random) -> list[Event]:
    """Send scans again, as devices do that got no answer: whole offline batches, single scans soon or much later."""
    batches = [event for event in events if event.device.repeated_sync and event.phase != event.wave][:count]
    resent = [copy(event) for event in batches]
    for event in resent:
        event.position += 1
        event.group = f"{event.group}-again"
    singles = [event for event in events if event.group is None]
    for original in rng.sample(singles, count - len(resent)):
        event = copy(original)
        event.wait = False
        if rng.random() < SAME_PHASE_SHARE:
            event.position += rng.randint(1, _SOON_S)
        else:
            event.phase = min(event.phase + 1, len(WAVES) - 1)
        resent.append(event)
    return resent


def _as_line(event: Event, verdict: Verdict) -> ScanLine:
    target = {TARGET_FIELDS[event.kind]: event.target} if event.kind in TARGET_FIELDS else {}
    offset = event.device.clock_offset
    return ScanLine.model_validate(
        {
            "device": event.device.name,
            "area": event.device.area,
            "kind": event.kind,
            "code": event.code,
            **target,
            "scanned_at": event.at + offset,
            "scan_id": event.scan_id,
            "epoch": event.epoch,
            "seq": event.seq,
            "phase": event.phase,
            "group": event.group,
            "clock_offset_s": offset.total_seconds(),
            "wait": event.wait,
            "expect": verdict.outcome,
        }
    )


def _judge(
    events: Iterable[Event], bills: Iterable[PlannedBill], return_nos: Mapping[str, str]
) -> tuple[Warehouse, dict[UUID, Verdict]]:
    """Apply a day to the model: scans in the order of sending, each once, and completions between the phases."""
    warehouse = Warehouse()
    for bill in bills:
        warehouse.create_bill(bill.bill_no, bill.area, bill.capacity)
    for area, return_no in return_nos.items():
        warehouse.create_return(return_no, area)
    verdicts: dict[UUID, Verdict] = {}
    for phase, of_phase in groupby(events, key=attrgetter("phase")):
        for event in of_phase:
            if event.scan_id not in verdicts:
                verdicts[event.scan_id] = warehouse.judge(event.kind, event.code, event.target, event.device.area)
        for bill in completions_after(bills, phase):
            warehouse.complete_bill(bill.bill_no)
    return warehouse, verdicts
