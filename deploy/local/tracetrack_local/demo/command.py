"""`tracetrack demo`: a day made, played, closed, and checked."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console

from tracetrack_local.credentials import Credentials
from tracetrack_local.demo.check import (
    SCOPES,
    Comparison,
    choose_sample,
    compare_accounts,
    compare_bills,
    compare_outcomes,
    compare_summaries,
    own_part,
    write_differences,
)
from tracetrack_local.demo.codes import CodeRanges
from tracetrack_local.demo.day import Day, completions_after, generate_day, require_size
from tracetrack_local.demo.daybook import DayBook, DayEntry, open_alone
from tracetrack_local.demo.loading import RETURN_AREAS
from tracetrack_local.demo.screens import show_comparison, show_summary
from tracetrack_local.errors import LauncherError
from tracetrack_local.replay.journal import Journal, Known
from tracetrack_local.replay.office import MOST_CONNECTIONS, Office, Stats
from tracetrack_local.replay.player import Player
from tracetrack_local.replay.scanlog import read_log, write_log

APPLY_DEADLINE_S: Final = 120.0
"""A backlog of a whole demo day is applied in seconds; later than this somebody must look."""

_POLL_S = 0.1
_CODE_BLOCK = 1000
_DEVICE_NAME = re.compile(r"demo-(\d{8})-")

Key = TypeVar("Key")
Item = TypeVar("Item")


def run_demo(*, credentials: Credentials, state_dir: Path, scans: int, seed: int, console: Console) -> int:
    """
    Replay a warehouse day through the running system and check every figure.

    Parameters
    ----------
    credentials
        The running system's.
    state_dir
        Its state folder; the scan log goes to `demo/<date>.ndjson` there.
    scans
        Lines of the scan log.
    seed
        Seed of chance.
    console
        Where to print.

    Returns
    -------
    int
        0 when every figure is as it must be, 1 when one is not.

    Raises
    ------
    LauncherError
        When the system does not run, or stays away; when a day cannot have so many scans.
    """
    require_size(scans)
    with open_alone(state_dir / "demo") as book_path:
        demo = Demo(book_path, console, scans=scans, seed=seed)
        comparison = asyncio.run(demo.run(credentials))
    differences_path = state_dir / "demo" / "differences.tsv"
    if comparison.differences:
        write_differences(comparison, differences_path)
    show_comparison(comparison, console, differences_path)
    return 1 if comparison.differences else 0


class Demo:
    """
    One run.

    Parameters
    ----------
    book_path
        The book of demo days.
    console
        Where to print.
    scans, seed
        How large the day is, and its seed.
    """

    def __init__(self, book_path: Path, console: Console, *, scans: int, seed: int) -> None:
        self._book_path = book_path
        self._console = console
        self._scans = scans
        self._seed = seed

    async def run(self, credentials: Credentials) -> Comparison:
        """Make a day, play it, close it, and compare."""
        began = time.monotonic()
        async with Office(credentials) as office:
            day, tokens = await self._prepare(office)
            before = await close_day(office, day.date)
            stats_before = await office.stats()
            path = self._book_path.with_name(f"{day.date}.ndjson")
            write_log(path, day.lines)
            self._say(
                f"{path}: {len(day.lines):,} scans of {len(day.devices)} devices on {day.date}, seed {self._seed}"
            )
            lines, problems = read_log(path)
            if problems:
                raise LauncherError(f"{path}:{problems[0].line}: {problems[0].detail}")
            applied = ApplyGuard(office, day, stats_before)
            player = Player(credentials.gateway_url, tokens, self._console)
            replay_began = time.monotonic()
            journal = await player.play(lines, applied.finish_phase)
            self._say_replayed(journal, player.retries, time.monotonic() - replay_began)
            summaries = await close_day(office, day.date)
            show_summary(summaries, self._console)
            comparison = Comparison()
            compare_accounts(
                comparison, day, journal, own_part(summaries, before), (stats_before, await office.stats())
            )
            compare_summaries(comparison, day, summaries, before)
            compare_bills(comparison, day, await side_by_side(day.warehouse.bills, office.bill))
            compare_outcomes(comparison, day, journal, await self._ask_sample(office, day))
        self._say(f"Done in {time.monotonic() - began:.1f} s.")
        return comparison

    async def _prepare(self, office: Office) -> tuple[Day, dict[str, str]]:
        """Choose a day, note it in the book, and make what must exist before its first scan."""
        book = DayBook.load(self._book_path)
        enrolled = await office.list_devices()
        taken = {date.fromisoformat(found[1]) for name in enrolled if (found := _DEVICE_NAME.match(name))}
        business_date = book.choose_day(datetime.now(UTC), taken)
        ranges = await free_ranges(office, book.next_codes)
        return_nos = {area: await office.create_return(area, f"demo day {business_date}") for area in RETURN_AREAS}
        day = generate_day(business_date, scans=self._scans, seed=self._seed, ranges=ranges, return_nos=return_nos)
        entry = DayEntry(day=business_date, scans=self._scans, seed=self._seed, begun_at=datetime.now(UTC))
        # Before anything of it is sent: a demo that is interrupted has used its day and its codes.
        book.with_day(entry, day.ranges).save(self._book_path)
        areas = {device.name: device.area for device in day.devices}
        tokens = await side_by_side(areas, lambda name: office.enrol(name, areas[name]))
        bills = {bill.bill_no: bill for bill in day.bills}

        async def create(bill_no: str) -> None:
            bill = bills[bill_no]
            await office.create_bill(
                bill_no=bill_no,
                area=bill.area,
                capacity=bill.capacity,
                destination=bill.destination,
                vehicle=bill.vehicle,
            )

        await side_by_side(bills, create)
        return day, tokens

    async def _ask_sample(self, office: Office, day: Day) -> dict[Any, Known | None]:
        sample = choose_sample(day, random.Random(self._seed))  # noqa: S311 - which scans are asked for is no secret
        documents = await side_by_side((scan.line.identity for scan in sample), lambda each: office.scan(str(each)))
        return {scan_id: Known.read(document) for scan_id, document in documents.items()}

    def _say_replayed(self, journal: Journal, retries: int, took_s: float) -> None:
        self._say(
            f"{journal.lines:,} lines accepted in {journal.requests:,} requests and applied in {took_s:.1f} s"
            f" ({journal.lines / took_s:,.0f}/s): {len(journal.accepted):,} scans; {retries} requests repeated."
        )

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class ApplyGuard:
    """
    Waits between the phases until everything accepted is applied, then completes the bills that are due.

    Parameters
    ----------
    office
        The admin's session.
    day
        The day.
    before
        The system's counts before the replay.
    """

    def __init__(self, office: Office, day: Day, before: Stats) -> None:
        self._office = office
        self._day = day
        self._before = before

    async def finish_phase(self, phase: int, journal: Journal) -> None:
        """
        Wait, then complete bills.

        Raises
        ------
        LauncherError
            When nothing was applied for two minutes and some scans still wait.
        """
        loop = asyncio.get_running_loop()
        stats, give_up_at = await self._office.stats(), loop.time() + APPLY_DEADLINE_S
        # Empty ledgers alone would not do: the counts may be a moment old, from before the last scans came.
        while stats.waiting > 0 or self._done(stats) < len(journal.accepted):
            if loop.time() > give_up_at:
                raise LauncherError(
                    f"{len(journal.accepted) - self._done(stats):,} of {len(journal.accepted):,} accepted scans are not"
                    f" applied, {stats.waiting:,} ledger entries wait, and for {APPLY_DEADLINE_S:.0f} s nothing has"
                    " moved; see `tracetrack status` and `tracetrack logs scan-worker`."
                )
            await asyncio.sleep(_POLL_S)
            fresh = await self._office.stats()
            if fresh != stats:
                stats, give_up_at = fresh, loop.time() + APPLY_DEADLINE_S
        due = {bill.bill_no: bill.reason for bill in completions_after(self._day.bills, phase)}
        await side_by_side(due, lambda bill_no: self._office.complete_bill(bill_no, due[bill_no]))

    def _done(self, stats: Stats) -> int:
        return stats.scans - self._before.scans + stats.failed - self._before.failed


async def close_day(office: Office, day: date) -> dict[str, Any]:
    """Make the summaries of a day and give the newest of every area and of all."""
    await office.run_eod(day)
    return await side_by_side(SCOPES, lambda area: office.summary(day, area))


async def free_ranges(office: Office, ranges: CodeRanges) -> CodeRanges:
    """Leave out codes that the system knows though the book does not: a database may outlive its state folder."""
    while await office.knows_bag(f"SB{ranges.wheat:05d}") or await office.knows_bag(f"M444-{ranges.moong:05d}"):
        ranges = ranges.skip(sacks=_CODE_BLOCK, children=_CODE_BLOCK * 40)
    return ranges


async def side_by_side(keys: Iterable[Key], ask: Callable[[Key], Awaitable[Item]]) -> dict[Key, Item]:
    """Ask something for every key, a few at a time."""
    turn = asyncio.Semaphore(MOST_CONNECTIONS)

    async def one(key: Key) -> tuple[Key, Item]:
        async with turn:
            return key, await ask(key)

    return dict(await asyncio.gather(*(one(key) for key in keys)))
