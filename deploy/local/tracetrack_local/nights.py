"""What `tracetrack eod status` does: how the end-of-day summaries stand, over the gateway's API."""

import asyncio
import json
from typing import Any

from rich.table import Table
from rich.text import Text

from tracetrack_local.credentials import Credentials
from tracetrack_local.replay.office import Office
from tracetrack_local.screen import SteadyConsole

_COLUMNS = ("date", "area", "due", "made", "revision", "mailed", "late")


def show_nights(credentials: Credentials, console: SteadyConsole, *, days: int, as_json: bool) -> int:
    """
    Print the last nights, newest first.

    Parameters
    ----------
    credentials
        The running system's.
    console
        Where to print.
    days
        How many days back.
    as_json
        Whether to print JSON instead of a table.

    Returns
    -------
    int
        1 when a summary is missing past its deadline, 0 otherwise.
    """

    async def ask() -> list[dict[str, Any]]:
        async with Office(credentials) as office:
            return await office.list_nights(days)

    nights = asyncio.run(ask())
    if as_json:
        console.say(json.dumps(nights, indent=2))
    elif not nights:
        console.say("No day is over yet.")
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in _COLUMNS:
            table.add_column(column)
        for night in nights:
            table.add_row(*[Text(cell) for cell in _cells(night)], style="red" if _is_missing(night) else None)
        console.print(table)
    return 1 if any(map(_is_missing, nights)) else 0


def _is_missing(night: dict[str, Any]) -> bool:
    return night["late"] and night["made_at"] is None


def _cells(night: dict[str, Any]) -> list[str]:
    due, made = (str(night[name] or "")[:19].replace("T", " ") for name in ("due_at", "made_at"))
    mailed = "" if night["mails"] is None else f"{night['mails_sent']} of {night['mails']}"
    late = "late" if night["late"] else ""
    return [night["date"], night["area"], due, made, str(night["revision"] or ""), mailed, late]
