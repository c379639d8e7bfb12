"""`tracetrack replay FILE`: a scan log from elsewhere, through the running gateway."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from tracetrack_local.credentials import Credentials
from tracetrack_local.durable import write_private
from tracetrack_local.errors import LauncherError
from tracetrack_local.replay.journal import Journal
from tracetrack_local.replay.office import Office
from tracetrack_local.replay.player import Player
from tracetrack_local.replay.scanlog import Problem, ScanLine, read_log
from tracetrack_local.settings import load_settings

DEVICES_FILE: Final = "replay-devices.json"
_TOKENS: Final = TypeAdapter(dict[str, str])

MOST_SHOWN: Final = 20
"""Lines of each list of complaints; a file that is wrong throughout need not fill the screen."""


def run_replay(path: Path, *, credentials: Credentials, console: Console, token_file: Path | None = None) -> int:
    """
    Replay a scan log and print how many scans came to which outcome.

    Devices that are not enrolled yet are; bills and returns must exist.

    Parameters
    ----------
    path
        The scan log (docs/scan-log.md).
    credentials
        The running system's.
    console
        Where to print.
    token_file
        Where the tokens of devices enrolled here are kept for the next replay, readable by their owner only;
        `replay-devices.json` in the state folder when left out.

    Returns
    -------
    int
        0 when every line was good, was accepted, and came to the outcome it expects, if it names one; else 1.

    Raises
    ------
    LauncherError
        When the file holds no scan, the system does not run, or a device's token is not known.
    """
    lines, problems = read_log(path)
    show_problems(path, problems, console)
    if not lines:
        raise LauncherError(f"{path} holds no scan that could be replayed (its format: docs/scan-log.md).")
    token_file = token_file or load_settings().state_dir / DEVICES_FILE
    journal = asyncio.run(_replay(lines, credentials, console, token_file))
    wrong = find_unexpected(lines, journal)
    show_result(lines, journal, wrong, console)
    return 1 if problems or journal.refused or journal.contradictions or wrong else 0


async def _replay(lines: Sequence[ScanLine], credentials: Credentials, console: Console, token_file: Path) -> Journal:
    areas = {line.device: line.area for line in lines}
    async with Office(credentials) as office:
        enrolled = await office.list_devices()
        kept = _load_tokens(token_file)
        known = kept | {credentials.device.name: credentials.device.token}
        tokens = {name: known[name] for name in areas if name in enrolled and name in known}
        locked_out = sorted(name for name in areas if name in enrolled and name not in known)
        if locked_out:
            raise LauncherError(
                f"Enrolled already, with tokens that are not known here: {', '.join(locked_out)}."
                " Give these devices other names in the file."
            )
        try:
            for name in areas.keys() - tokens.keys():
                tokens[name] = await office.enrol(name, areas[name])
        finally:
            write_private(token_file, json.dumps(kept | tokens, indent=2, sort_keys=True) + "\n")
    return await Player(credentials.gateway_url, tokens, console, listen_to_all=True).play(lines)


def _load_tokens(path: Path) -> dict[str, str]:
    """Read the tokens of earlier replays; none when there is no such file."""
    try:
        return _TOKENS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError:
        # The validation error would quote the tokens.
        raise LauncherError(f"{path} is damaged: move it away, and give the devices in the log other names.") from None


def find_unexpected(lines: Iterable[ScanLine], journal: Journal) -> list[tuple[ScanLine, str]]:
    """Find the lines whose outcome is known and is not the one they expect, each with what came instead."""
    found: Mapping[str, str] = {str(scan_id): known.outcome for scan_id, known in journal.outcomes.items()}
    return [
        (line, outcome)
        for line in lines
        if line.expect is not None and (outcome := found.get(str(line.identity), line.expect)) != line.expect
    ]


def show_problems(path: Path, problems: Sequence[Problem], console: Console) -> None:
    """Print the lines that cannot be replayed, with their numbers."""
    for problem in problems[:MOST_SHOWN]:
        console.print(f"{path}:{problem.line}: {problem.detail}", markup=False, highlight=False, soft_wrap=True)
    if len(problems) > MOST_SHOWN:
        console.print(f"… and {len(problems) - MOST_SHOWN} more lines", highlight=False)
    if problems:
        console.print(f"{len(problems)} lines are skipped.", highlight=False)


def show_result(
    lines: Sequence[ScanLine], journal: Journal, wrong: Sequence[tuple[ScanLine, str]], console: Console
) -> None:
    """Print how many scans came to which outcome, and every complaint."""
    table = Table("outcome", "feedback", title="Outcomes")
    table.add_column("scans", justify="right")
    feedbacks = {known.outcome: known.feedback for known in journal.outcomes.values()}
    for outcome, scans in journal.count_outcomes().most_common():
        table.add_row(outcome, feedbacks[outcome], f"{scans:,}")
    console.print(table)
    console.print(
        f"{len(lines):,} lines sent, {journal.lines:,} accepted: {len(journal.accepted):,} scans, each counted once.",
        highlight=False,
    )
    complaints = [f"not accepted: {_name(line)}: {detail}" for line, detail in journal.refused]
    complaints += [f"{_name(line)}: {outcome}, expected {line.expect}" for line, outcome in wrong]
    complaints += [
        f"scan {scan_id}: answered {first.outcome}, then {second.outcome}"
        for scan_id, first, second in journal.contradictions
    ]
    for complaint in complaints[:MOST_SHOWN]:
        console.print(complaint, style="red", markup=False, highlight=False, soft_wrap=True)
    if len(complaints) > MOST_SHOWN:
        console.print(f"… and {len(complaints) - MOST_SHOWN} more", highlight=False)


def _name(line: ScanLine) -> str:
    return f"{line.kind} {line.code} of {line.device} (scan {line.identity})"
