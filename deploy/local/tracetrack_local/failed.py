"""What `tracetrack failed …` does: failed work listed, looked at, replayed, discarded, over the gateway's API."""

import asyncio
import json
from collections.abc import Collection, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from tracetrack_local.credentials import Credentials
from tracetrack_local.errors import RefusedError
from tracetrack_local.replay.office import Office
from tracetrack_local.screen import SteadyConsole

_COLUMNS = ("failed_id", "queue", "reason", "attempts", "first_at", "detail")


def list_failed(
    credentials: Credentials, console: SteadyConsole, *, filters: Mapping[str, str], limit: int, as_json: bool
) -> int:
    """
    Print failed work, newest first.

    Parameters
    ----------
    credentials
        The running system's.
    console
        Where to print.
    filters
        ``state``, ``queue``, ``reason``; those that are left out let everything pass.
    limit
        At most so many.
    as_json
        Whether to print JSON instead of a table.

    Returns
    -------
    int
        0: that there is failed work is for `doctor` to complain about.
    """

    async def ask() -> tuple[list[dict[str, Any]], bool]:
        async with Office(credentials) as office:
            return await office.list_failed(filters, limit=limit)

    pieces, are_more = asyncio.run(ask())
    if as_json:
        console.say(json.dumps(pieces, indent=2))
        return 0
    if not pieces:
        console.say("There is none.")
        return 0
    columns = (*_COLUMNS, *(() if filters.get("state", "open") == "open" else ("resolved_by", "note")))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "failed_id")
    for piece in pieces:
        table.add_row(*[Text(_cell(column, piece[column])) for column in columns])
    console.print(table)
    if are_more:
        console.say(f"These are the newest {limit}; give --limit for more.")
    return 0


def show_failed(credentials: Credentials, console: SteadyConsole, failed_id: str) -> int:
    """Print a piece of failed work with what is in it, as JSON."""

    async def ask() -> dict[str, Any]:
        async with Office(credentials) as office:
            return await office.failed_piece(failed_id)

    console.say(json.dumps(asyncio.run(ask()), indent=2, ensure_ascii=False))
    return 0


def resolve_failed(
    credentials: Credentials,
    console: SteadyConsole,
    *,
    ids: Collection[str],
    filters: Mapping[str, str],
    because: str | None = None,
) -> int:
    """
    Replay or discard pieces of failed work, each by itself: one that is refused holds up no other.

    Parameters
    ----------
    credentials
        The running system's.
    console
        Where to print.
    ids
        Which pieces; when empty, all open ones that pass the filters.
    filters
        ``queue``, ``reason``.
    because
        Why they are discarded; replayed when left out.

    Returns
    -------
    int
        1 when any was refused, 0 otherwise.
    """

    async def resolve() -> int:
        refused = 0
        async with Office(credentials) as office:
            chosen = ids or [piece["failed_id"] for piece in (await office.list_failed(filters))[0]]
            for failed_id in chosen:
                try:
                    done = await office.resolve_failed(failed_id, because)
                except RefusedError as error:
                    refused += 1
                    console.say(f"{failed_id} refused: {error.reason}", style="red")
                else:
                    console.say(f"{failed_id} {done['state']}: {done['note']}")
        verb = "replayed" if because is None else "discarded"
        console.say(f"{len(chosen) - refused:,} {verb}, {refused:,} refused.", style="bold red" if refused else "bold")
        return 1 if refused else 0

    return asyncio.run(resolve())


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    return str(value)[:19].replace("T", " ") if column.endswith("_at") else str(value)
