"""The command `tracetrack`: parse, one call, print."""

import contextlib
import errno
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import click

from tracetrack_common.contracts import ImportKind
from tracetrack_common.doctor import STATEMENT_TIMEOUT_S
from tracetrack_common.settings import Settings
from tracetrack_local import logs as process_logs
from tracetrack_local.credentials import Credentials
from tracetrack_local.errors import LauncherError
from tracetrack_local.lock import find_holder
from tracetrack_local.running import show_status, stop_system
from tracetrack_local.screen import SteadyConsole
from tracetrack_local.services import PROCESSES
from tracetrack_local.settings import load_settings

DEMO_SCANS = 20_000  # a warehouse day, in about a minute
EXIT_FAILED = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """TraceTrack on one machine: start it, look at it, try it, stop it.

    Settings are environment variables: TRACETRACK_GATEWAY_PORT, TRACETRACK_FLOWER_PORT, TRACETRACK_STATE_DIR;
    TRACETRACK_DATABASE_URL and TRACETRACK_REDIS_URL replace the embedded servers.
    """


@cli.command()
def up() -> None:
    """Start the whole system and look after it until Ctrl-C."""
    began = time.monotonic()
    from tracetrack_local.starting import run_system  # noqa: PLC0415 - the other commands answer faster without it

    _finish(lambda settings, console: run_system(settings, console, began=began))


@cli.command()
def status() -> None:
    """Show every process, and how much work waits; exit code 1 when the system is not running."""
    _finish(show_status)


@cli.command()
@click.argument("process", required=False, type=click.Choice([*PROCESSES, "migrate", "supervisor"]))
@click.option("-f", "--follow", is_flag=True, help="Go on with the lines that come.")
@click.option(
    "-n", "--lines", default=20, show_default=True, type=click.IntRange(min=0), help="How many lines of each."
)
def logs(process: str | None, *, follow: bool, lines: int) -> None:
    """Show the last lines of one process's log, or of all."""

    def show(settings: Settings, console: SteadyConsole) -> int:
        readers = process_logs.find_logs(settings.state_dir / "logs", process)
        process_logs.show(readers, console.say, count=lines)
        if follow:
            with contextlib.suppress(KeyboardInterrupt):
                process_logs.follow(readers, console.say, is_over=lambda: console.quiet)
        return 0

    _finish(show)


@cli.command()
def stop() -> None:
    """Stop the system that runs on this state folder, and wait until it has."""
    _finish(stop_system)


@cli.command()
def migrate() -> None:
    """Bring the database to the newest schema; an embedded one is started for it when it is not running."""
    from tracetrack_local.starting import migrate_database  # noqa: PLC0415 - the other commands answer faster without it

    _finish(migrate_database)


@cli.command()
@click.option("--scans", default=DEMO_SCANS, show_default=True, type=click.IntRange(min=100), help="Scans in the day.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same day.")
def demo(*, scans: int, seed: int) -> None:
    """Replay a warehouse day through the running system and check every figure."""

    def run(settings: Settings, console: SteadyConsole) -> int:
        from tracetrack_local.demo import run_demo  # noqa: PLC0415 - the other commands answer faster without it

        credentials = _running(settings)
        return run_demo(credentials=credentials, state_dir=settings.state_dir, scans=scans, seed=seed, console=console)

    _finish(run)


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
def replay(file: Path) -> None:
    """Send a file of scans through the running system (its format: docs/scan-log.md)."""

    def run(settings: Settings, console: SteadyConsole) -> int:
        from tracetrack_local.replay import run_replay  # noqa: PLC0415 - the other commands answer faster without it

        return run_replay(file, credentials=_running(settings), console=console)

    _finish(run)


_as_json = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
_timeout = click.option(
    "--timeout",
    default=STATEMENT_TIMEOUT_S,
    show_default=True,
    type=click.IntRange(min=1),
    help="Seconds a query may take.",
)


@cli.command()
@_as_json
@_timeout
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check, by its name in the table; repeatable.")
def doctor(*, as_json: bool, timeout: int, only: tuple[str, ...]) -> None:
    """Check the running system against itself; exit code 1 on any finding (docs/doctor.md)."""
    _examine(only, timeout_s=timeout, as_json=as_json)


@cli.group()
def audit() -> None:
    """Look after the audit log."""


@audit.command()
@_as_json
@_timeout
def verify(*, as_json: bool, timeout: int) -> None:
    """Walk the chains and recompute every batch's digest from its scans; exit code 1 when anything was altered."""
    _examine(("audit",), timeout_s=timeout, as_json=as_json)


_time = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@audit.command()
@click.option("--from", "since", type=_time, help="From then on, UTC.")
@click.option("--until", type=_time, help="Until before then, UTC.")
def export(*, since: datetime | None, until: datetime | None) -> None:
    """Write the audit log as JSON Lines, with the hashes by which anybody can verify it (docs/audit.md)."""

    def run(settings: Settings, _: SteadyConsole) -> int:
        from tracetrack_local.doctor import export_audit  # noqa: PLC0415 - the other commands answer faster without it

        return export_audit(settings, since=since, until=until)

    _finish(run)


@cli.command("import")
@click.argument("table", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--area", help="Whose the new bags and bills are; needed but for parent_to_bill.")
@click.option("--kind", type=click.Choice(list(ImportKind)), help="What the table holds; left out: its heads tell.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--result", type=click.Path(dir_okay=False, path_type=Path), help="Where the result workbook goes.")
def import_table(*, table: Path, area: str | None, kind: str | None, dry_run: bool, result: Path | None) -> None:
    """Import a CSV or XLSX of bags, bills or batches (docs/imports.md); exit code 1 when a row is refused."""

    def run(settings: Settings, console: SteadyConsole) -> int:
        from tracetrack_local import imports as work  # noqa: PLC0415 - the other commands answer faster without it

        query = _given(area=area, kind=kind, dry_run="true" if dry_run else None)
        return work.import_table(_running(settings), console, table, query=query, result=result)

    _finish(run)


_queue = click.option("--queue", help="Only of this queue: scans, commands, reports.")
_reason = click.option("--reason", help="Only with this reason, as in the list: not_applicable, worker_died, …")
_ids = click.argument("failed_ids", metavar="[ID]...", nargs=-1, type=click.UUID)
_all = click.option("--all", "take_all", is_flag=True, help="Every open piece (of --queue, with --reason).")


@cli.group()
def failed() -> None:
    """Decide about work that no retry would cure (docs/failed-work.md)."""


@failed.command("list")
@click.option(
    "--state", default="open", show_default=True, type=click.Choice(["open", "replayed", "discarded"]), help="Which."
)
@_queue
@_reason
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1), help="At most so many.")
@_as_json
def list_failed(*, state: str, queue: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """List failed work, newest first."""

    def run(settings: Settings, console: SteadyConsole) -> int:
        from tracetrack_local import failed as work  # noqa: PLC0415 - the other commands answer faster without it

        filters = {"state": state, **_given(queue=queue, reason=reason)}
        return work.list_failed(_running(settings), console, filters=filters, limit=limit, as_json=as_json)

    _finish(run)


@failed.command("show")
@click.argument("failed_id", metavar="ID", type=click.UUID)
def show_failed(failed_id: UUID) -> None:
    """Show a piece of failed work with what is in it, as JSON."""

    def run(settings: Settings, console: SteadyConsole) -> int:
        from tracetrack_local import failed as work  # noqa: PLC0415 - the other commands answer faster without it

        return work.show_failed(_running(settings), console, str(failed_id))

    _finish(run)


@failed.command("replay")
@_ids
@_all
@_queue
@_reason
def replay_failed(*, failed_ids: tuple[UUID, ...], take_all: bool, queue: str | None, reason: str | None) -> None:
    """Do pieces once more, now that their cause is gone; exit code 1 when any stays open."""
    _resolve(failed_ids, take_all=take_all, filters=_given(queue=queue, reason=reason))


@failed.command("discard")
@_ids
@_all
@_queue
@_reason
@click.option("--because", required=True, metavar="TEXT", help="Why they shall never be done; goes into the audit log.")
def discard_failed(
    *, failed_ids: tuple[UUID, ...], take_all: bool, queue: str | None, reason: str | None, because: str
) -> None:
    """Decide that pieces shall never be done; exit code 1 when any is refused."""
    _resolve(failed_ids, take_all=take_all, filters=_given(queue=queue, reason=reason), because=because)


@cli.group()
def eod() -> None:
    """Look after the end-of-day summaries (docs/eod.md)."""


@eod.command("status")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 31), help="How many days back.")
@_as_json
def eod_status(*, days: int, as_json: bool) -> None:
    """Show per area and day what was due, made and late; exit code 1 when one is missing past its deadline."""

    def run(settings: Settings, console: SteadyConsole) -> int:
        from tracetrack_local.nights import show_nights  # noqa: PLC0415 - the other commands answer faster without it

        return show_nights(_running(settings), console, days=days, as_json=as_json)

    _finish(run)


@cli.group()
def users() -> None:
    """Look after who can log in, where nobody can."""


@users.command("add-admin")
@click.argument("name")
@click.option("--email", help="Where a forgotten password's link goes.")
@click.option("--generate", is_flag=True, help="Make a password up and print it, instead of asking for one.")
def add_admin(name: str, *, email: str | None, generate: bool) -> None:
    """Make an admin; the password is asked for, or read from standard input's first line."""

    def run(settings: Settings, console: SteadyConsole) -> int:
        from tracetrack_local.users import make_admin  # noqa: PLC0415 - the other commands answer faster without it

        return make_admin(settings, console, name, email=email, generate=generate)

    _finish(run)


def main() -> None:
    """Run the command; what `pyproject.toml` installs as `tracetrack`."""
    cli(prog_name="tracetrack")


def _examine(only: tuple[str, ...], *, timeout_s: int, as_json: bool) -> None:
    from tracetrack_local.doctor import run_doctor  # noqa: PLC0415 - the other commands answer faster without it

    _finish(lambda settings, console: run_doctor(settings, console, only=only, timeout_s=timeout_s, as_json=as_json))


def _resolve(
    failed_ids: Sequence[UUID], *, take_all: bool, filters: Mapping[str, str], because: str | None = None
) -> None:
    if bool(failed_ids) == take_all or (failed_ids and filters):
        raise click.UsageError("Name the pieces, or give --all, which --queue and --reason narrow down.")

    def run(settings: Settings, console: SteadyConsole) -> int:
        from tracetrack_local import failed as work  # noqa: PLC0415 - the other commands answer faster without it

        ids = [str(failed_id) for failed_id in failed_ids]
        return work.resolve_failed(_running(settings), console, ids=ids, filters=filters, because=because)

    _finish(run)


def _given(**filters: str | None) -> dict[str, str]:
    return {name: value for name, value in filters.items() if value is not None}


def _running(settings: Settings) -> Credentials:
    """Give the credentials of the system that runs here."""
    if find_holder(settings.state_dir) is None:
        raise LauncherError(
            "The system is not running: start it with `make run` (or `tracetrack up`) in another terminal."
        )
    return Credentials.load(settings.state_dir)


def _finish(command: Callable[[Settings, SteadyConsole], int]) -> None:
    """Run a command and exit with its code; what goes wrong becomes one sentence."""
    console, complaints = SteadyConsole(), SteadyConsole(stderr=True)
    try:
        code = command(load_settings(), console)
    except LauncherError as error:
        complaints.fail(error)
        code = EXIT_FAILED
    except OSError as error:
        complaints.fail(explain(error))
        code = EXIT_FAILED
    sys.exit(code)


def explain(error: OSError) -> LauncherError:
    """Turn an error of the operating system into a sentence."""
    where = error.filename or "the state folder"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return LauncherError(f"The disk is full: {where} could not be written. Make room and start again.")
    return LauncherError(f"{where}: {error.strerror or error}.")
