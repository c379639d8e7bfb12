"""What `tracetrack import` does: a table uploaded, its import watched, its result fetched, over the gateway's API."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracetrack_local.credentials import Credentials
from tracetrack_local.replay.office import Office
from tracetrack_local.screen import SteadyConsole

_LOOK_S = 1.0
_UNDER_WAY = {"queued", "running"}


def import_table(
    credentials: Credentials,
    console: SteadyConsole,
    table: Path,
    *,
    query: Mapping[str, str],
    result: Path | None,
) -> int:
    """
    Import a table and wait until that is done.

    Parameters
    ----------
    credentials
        The running system's.
    console
        Where to print.
    table
        The file.
    query
        ``kind``, ``area``, ``dry_run``, as the gateway takes them.
    result
        Where the result workbook goes; None to leave it where it is.

    Returns
    -------
    int
        1 when a row was refused or the import failed, 0 otherwise.
    """

    async def run() -> dict[str, Any]:
        async with Office(credentials) as office:
            place = await office.upload("/api/v1/imports", table, {**query, "name": table.name})
            job = await office.look(place)
            while job["state"] in _UNDER_WAY:
                await asyncio.sleep(_LOOK_S)
                job = await office.look(place)
                console.say(_describe(job))
            if result is not None and job["file"] is not None:
                await office.fetch(f"{place}/file", result)
                console.say(f"What became of each row is in {result}.")
        return job

    job = asyncio.run(run())
    if job["state"] != "done":
        console.say(f"The import is {job['state']}: {job['detail'] or 'somebody stopped it'}", style="bold red")
        return 1
    done = job["result"]
    verb = "would be " if done["dry_run"] else ""
    console.say(
        f"{done['rows']:,} rows of {done['kind']}: {done['ok']:,} {verb}done, {done['already']:,} known already,"
        f" {done['stop']:,} {verb}refused.",
        style="bold red" if done["stop"] else "bold",
    )
    return 1 if done["stop"] else 0


def _describe(job: Mapping[str, Any]) -> str:
    total = "" if job["total"] is None else f" of {job['total']:,}"
    left = "" if job["left_s"] is None else f", {job['left_s']:.0f} s left"
    return f"{job['state']}: {job['done']:,}{total} rows, {job['errors']:,} refused{left}"
