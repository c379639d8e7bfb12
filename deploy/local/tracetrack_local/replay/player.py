"""Playing a scan log: phase by phase, all devices at once."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from tracetrack_local.replay.devices import DeviceLink
from tracetrack_local.replay.journal import Journal
from tracetrack_local.replay.scanlog import Request, ScanLine, requests_of

AfterPhase = Callable[[int, Journal], Awaitable[None]]
"""Called when everything of a phase is sent; returns when it is applied."""


class Player:
    """
    Plays lines through the gateway.

    Parameters
    ----------
    base_url
        The gateway's address.
    tokens
        A token for every device of the log.
    console
        Where the progress bar goes.
    listen_to_all
        Wait for the outcome of every scan, not only where the log says so.
    """

    def __init__(
        self, base_url: str, tokens: Mapping[str, str], console: Console, *, listen_to_all: bool = False
    ) -> None:
        self._base_url = base_url
        self._tokens = tokens
        self._console = console
        self._listen_to_all = listen_to_all
        self.retries = 0

    async def play(self, lines: Iterable[ScanLine], after_phase: AfterPhase | None = None) -> Journal:
        """
        Send every line.

        Parameters
        ----------
        lines
            In the order of the file; every device in them must have a token.
        after_phase
            What to do between the phases.

        Raises
        ------
        LauncherError
            When the gateway stays away.
        """
        journal = Journal()
        phases = requests_of(lines)
        context = ssl.create_default_context()
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(show_speed=True),
            TimeElapsedColumn(),
            console=self._console,
        )
        async with AsyncExitStack() as stack:
            links = {
                device: await stack.enter_async_context(DeviceLink(self._base_url, token, journal, context))
                for device, token in self._tokens.items()
            }
            total = sum(len(r.lines) for devices in phases.values() for requests in devices.values() for r in requests)
            with progress:
                bar = progress.add_task("", total=total)
                for number, (phase, devices) in enumerate(phases.items(), start=1):
                    progress.update(bar, description=f"Scanning, part {number} of {len(phases)}")

                    def advance(count: int) -> None:
                        progress.advance(bar, count)

                    await asyncio.gather(
                        *(self._work(links[name], requests, advance) for name, requests in devices.items())
                    )
                    if after_phase is not None:
                        progress.update(bar, description=f"Applying, part {number} of {len(phases)}")
                        await after_phase(phase, journal)
            self.retries = sum(link.retries for link in links.values())
        return journal

    async def _work(self, link: DeviceLink, requests: list[Request], advance: Callable[[int], None]) -> None:
        for request in requests:
            await link.send(request, listen=request.wait or self._listen_to_all)
            advance(len(request.lines))
