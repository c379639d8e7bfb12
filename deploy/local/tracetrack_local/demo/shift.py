"""The shift: the hours of a demo day, its areas, and the fifty devices with their clocks and counters."""

import random
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from itertools import product
from typing import Final

AREAS: Final = (
    "lucknow", "indore", "jaipur", "hisar", "sri_ganganagar", "sangaria", "bathinda", "raipur", "ranchi", "akola",
)  # fmt: skip
DEVICES_PER_AREA: Final = 5

ZONE: Final = timezone(timedelta(hours=5, minutes=30), "IST")
"""Asia/Kolkata, which has had no other offset since 1945; a bare machine may have no zone database."""

WAVES: Final = ((6, 9), (9, 12), (12, 15), (15, 18), (18, 20), (20, 22))
"""
Hours of the waves of work. Nothing in a wave depends on another device's work in the same wave.

What a later scan needs is scanned a wave earlier, so the outcomes do not depend on who is faster.
"""

LAST_FILLING_WAVE: Final = 3
"""New sacks are filled up to this wave; the evening is for loading and mending."""

QUIET_S: Final = 30
"""
No scan this close to a full hour.

A corrected time is later than the true one by what the request took, and must not slip into the next hour.
"""

ONLINE_BEFORE_GAP: Final = timedelta(hours=1)
"""A device that loses the network in a wave works this long before; the two hours after it, it works offline."""

_HOUR_S = 3600
_WRONG_BY_HOURS = timedelta(hours=-3, minutes=-12)
_WRONG_BY_YEARS = timedelta(days=-6 * 365, seconds=-41)
_LISTENING_DEVICE = 0
_OFFLINE_DEVICE = 2
_BUFFERING_DEVICES = (2, 3, 4)
_LAST_OFFLINE_WAVE = 2


@dataclass(frozen=True)
class Device:
    """
    A scanner and its quirks.

    Attributes
    ----------
    name, area
        As it is enrolled.
    clock_offset
        How far its clock is ahead of the true time.
    counts
        Whether it numbers its scans.
    reset_wave
        The wave at whose start it is reset and begins a new epoch.
    offline_wave
        The wave in which it loses the network; it syncs at the start of the next one.
    reversed_sync, repeated_sync
        It sends the later half of what it gathered first; it sends everything twice.
    listens
        It waits for the outcome of every scan, as a gun with a tone does.
    buffers
        It sends a sack's children as one batch, not one by one.
    """

    name: str
    area: str
    clock_offset: timedelta
    counts: bool = True
    reset_wave: int | None = None
    offline_wave: int | None = None
    reversed_sync: bool = False
    repeated_sync: bool = False
    listens: bool = False
    buffers: bool = False

    def is_offline(self, wave: int, at: datetime) -> bool:
        """Tell whether it is without the network at a true time in a wave."""
        if wave != self.offline_wave:
            return False
        return at >= datetime.combine(at.date(), time(WAVES[wave][0]), ZONE) + ONLINE_BEFORE_GAP


def make_devices(day: date, rng: random.Random) -> list[Device]:
    """
    Make the day's devices: five in each area, the third of each without the network for two hours.

    Clocks are wrong by seconds or minutes; one by hours, one by years.
    """
    made = []
    for area, number in product(AREAS, range(DEVICES_PER_AREA)):
        place = AREAS.index(area)
        spread_s = rng.choice((5, 60, 600))
        offset = timedelta(milliseconds=rng.randint(-spread_s * 1000, spread_s * 1000))
        if number == 0 and place in (1, 4):
            offset = _WRONG_BY_HOURS if place == 1 else _WRONG_BY_YEARS
        offline = number == _OFFLINE_DEVICE
        made.append(
            Device(
                name=f"demo-{day:%Y%m%d}-{area}-{number + 1}",
                area=area,
                clock_offset=offset,
                counts=(number, place % 4) != (1, 3),
                reset_wave=rng.randint(1, LAST_FILLING_WAVE) if rng.random() < 0.2 else None,  # noqa: PLR2004 - a fifth
                offline_wave=place % (_LAST_OFFLINE_WAVE + 1) if offline else None,
                reversed_sync=offline and place % 5 == 1,
                repeated_sync=offline and place % 5 == 2,  # noqa: PLR2004 - two areas of ten
                listens=number == _LISTENING_DEVICE,
                buffers=number in _BUFFERING_DEVICES,
            )
        )
    return made


def spread_times(day: date, wave: int, count: int, rng: random.Random) -> list[datetime]:
    """
    Spread true times over a wave, in order and all different, away from full hours.

    Parameters
    ----------
    day
        The business day.
    wave
        Number of the wave.
    count
        How many times.
    rng
        Source of chance.
    """
    first_hour, end_hour = WAVES[wave]
    working_ms = (_HOUR_S - 2 * QUIET_S) * 1000
    start = datetime.combine(day, time(first_hour), ZONE)
    times = []
    for moment_ms in sorted(rng.sample(range((end_hour - first_hour) * working_ms), count)):
        hours, within_ms = divmod(moment_ms, working_ms)
        times.append(start + timedelta(hours=hours, seconds=QUIET_S, milliseconds=within_ms))
    return times
