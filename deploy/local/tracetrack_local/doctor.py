"""What `doctor` and `audit verify` do: the checks of the servers, and those of the processes that run here."""

import json
from collections.abc import Collection
from datetime import UTC, datetime

import httpx
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from tracetrack_common.audit_export import write_lines
from tracetrack_common.doctor.examination import CHECKS, Check, examine
from tracetrack_common.doctor.finding import Examined, Finding, Severity
from tracetrack_common.doctor.report import Report
from tracetrack_common.doctor.system import System
from tracetrack_common.log import configure_logging
from tracetrack_common.settings import Settings
from tracetrack_local.errors import LauncherError
from tracetrack_local.lock import find_holder
from tracetrack_local.process import start_time
from tracetrack_local.record import SupervisorRecord
from tracetrack_local.screen import SteadyConsole
from tracetrack_local.settings import embeds_postgres, embeds_valkey, with_servers
from tracetrack_local.state import FlowerAccess, ServerAccess, StateFolder
from tracetrack_local.system import embedded_postgres, embedded_valkey

HTTP_TIMEOUT_S = 5.0
LEDGER_METRIC = "tracetrack_ledger_entries"
_STYLES = {Severity.CRITICAL: "bold red", Severity.ERROR: "red", Severity.WARNING: "yellow"}


def run_doctor(
    settings: Settings, console: SteadyConsole, *, only: Collection[str], timeout_s: int, as_json: bool
) -> int:
    """
    Examine the system and show what was found.

    Parameters
    ----------
    settings
        As read from the environment.
    console
        Where to print.
    only
        Names of the checks to make; all when empty.
    timeout_s
        Seconds after which a statement is given up.
    as_json
        Whether to print JSON instead of tables.

    Returns
    -------
    int
        1 when anything was found, 0 otherwise.

    Raises
    ------
    LauncherError
        When the embedded servers do not run, so that there is nothing to examine, or a check is not known.
    """
    configure_logging("error", process="doctor")
    reached, further = reach_servers(settings), process_checks(settings)
    names = [check.name for check in (*CHECKS, *further)]
    if unknown := sorted(set(only) - set(names)):
        raise LauncherError(f"There is no check {unknown[0]!r} here; there are: {', '.join(names)}.")
    report = examine(reached, only=only, further=further, statement_timeout_s=timeout_s)
    if as_json:
        console.say(json.dumps(report.document(), indent=2))
    else:
        show_report(report, console)
    return report.exit_code


def export_audit(settings: Settings, *, since: datetime | None, until: datetime | None) -> int:
    """
    Write the audit log of the running system to the standard output.

    Parameters
    ----------
    settings
        As read from the environment.
    since, until
        The window in UTC, its end not included; None for no bound.

    Raises
    ------
    LauncherError
        When there is no database to read.
    """
    since, until = (time and time.replace(tzinfo=UTC) for time in (since, until))
    try:
        write_lines(reach_servers(settings), since=since, until=until)
    except SQLAlchemyError as error:
        raise LauncherError(f"The audit log could not be read: {str(error).strip().partition(chr(10))[0]}.") from None
    return 0


def reach_servers(settings: Settings) -> Settings:
    """
    Give settings with the addresses of the servers that run: the given ones, or the embedded ones.

    Raises
    ------
    LauncherError
        When an embedded one is meant and the system does not run.
    """
    if not (embeds_postgres() or embeds_valkey()):
        return settings
    holder = find_holder(settings.state_dir)
    if holder is None or holder.purpose != "up":
        raise LauncherError(
            f"TraceTrack is not running on {settings.state_dir}, so there is nothing to examine: "
            "start it with `make run`."
        )
    state = StateFolder(settings.state_dir)
    access = ServerAccess.load(state)
    return with_servers(
        settings,
        database_url=embedded_postgres(state, access).url() if embeds_postgres() else None,
        redis_url=embedded_valkey(state, access).url() if embeds_valkey() else None,
    )


def process_checks(settings: Settings) -> list[Check]:
    """Give the checks of the processes that run here; none where no supervisor runs on this state folder."""
    holder = find_holder(settings.state_dir)
    record = SupervisorRecord.load(settings.state_dir)
    if holder is None or record is None or record.pid != holder.pid:
        return []
    login = ServerAccess.load(StateFolder(settings.state_dir)).flower

    def check_processes(_: System) -> Examined:
        return judge_processes(record)

    def check_gateway(_: System) -> Examined:
        return ask_gateway(record.gateway_url)

    def check_flower(_: System) -> Examined:
        return ask_flower(record.flower_url, login)

    return [
        Check("processes", check_processes),
        Check("gateway", check_gateway),
        Check("flower", check_flower),
    ]


def judge_processes(record: SupervisorRecord) -> Examined:
    """Find the processes that are not as they should be: waiting to be started again, or dead this moment."""
    findings = []
    for entry in record.processes:
        alive = entry.pid is not None and start_time(entry.pid) is not None
        if entry.state != "ready" or not alive:
            state = f"is {entry.state}" if entry.state != "ready" else "just died"
            findings.append(Finding("process_down", entry.name, f"it {state}; {entry.restarts} restarts so far"))
    return Examined(f"{len(record.processes)} processes", tuple(findings))


def ask_gateway(base_url: str) -> Examined:
    """Ask the gateway what devices, load balancers and Prometheus ask it."""
    findings = []
    with httpx.Client(base_url=base_url, timeout=HTTP_TIMEOUT_S, trust_env=False) as client:
        health = _get(client, "/health")
        if not isinstance(health, httpx.Response) or health.status_code != httpx.codes.OK:
            return Examined(base_url, (Finding("gateway_silent", f"{base_url}/health", _say(health)),))
        ready = _get(client, "/ready")
        if not isinstance(ready, httpx.Response) or ready.status_code != httpx.codes.OK:
            findings.append(Finding("gateway_not_ready", f"{base_url}/ready", _say(ready)))
        metrics = _get(client, "/metrics")
        if not isinstance(metrics, httpx.Response) or LEDGER_METRIC not in metrics.text:
            findings.append(Finding("metrics_missing", f"{base_url}/metrics", _say(metrics)))
    return Examined(f"{base_url} /health, /ready, /metrics", tuple(findings))


def ask_flower(base_url: str, login: FlowerAccess) -> Examined:
    """See that Flower answers, to those who log in and to nobody else."""
    findings = []
    with httpx.Client(base_url=base_url, timeout=HTTP_TIMEOUT_S, trust_env=False) as client:
        stranger = _get(client, "/workers")
        if not isinstance(stranger, httpx.Response):
            return Examined(base_url, (Finding("flower_silent", base_url, _say(stranger)),))
        if stranger.status_code != httpx.codes.UNAUTHORIZED:
            findings.append(Finding("flower_open", base_url, f"without a login: {_say(stranger)}"))
        else:
            known = _get(client, "/workers", auth=(login.username, login.password))
            if not isinstance(known, httpx.Response) or known.status_code != httpx.codes.OK:
                findings.append(Finding("flower_login_wrong", base_url, f"with its login: {_say(known)}"))
    return Examined(f"{base_url} with and without its login", tuple(findings))


def show_report(report: Report, console: SteadyConsole) -> None:
    """Print a table of the checks, and each finding with what it means and what to do."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("check", "result", "ms", "looked at"):
        table.add_column(heading, justify="right" if heading == "ms" else "left", overflow="fold")
    for check in report.checks:
        count = len(check.findings)
        result = Text(f"{count} found", style="red") if count else Text("ok", style="green")
        table.add_row(check.name, result, f"{check.took_ms:,}", Text(check.looked_at))
    console.print(table)
    for finding in report.findings:
        console.say("")
        console.say(f"{finding.severity.upper()} {finding.code}: {finding.subject}", style=_STYLES[finding.severity])
        console.say(f"  seen:  {finding.detail}")
        console.say(f"  means: {finding.meaning}")
        console.say(f"  do:    {finding.remedy}")
    console.say("")
    console.say(report.verdict, style="bold red" if report.findings else "bold green")


def _get(client: httpx.Client, path: str, auth: tuple[str, str] | None = None) -> httpx.Response | str:
    """Ask; the text says why no answer came."""
    try:
        return client.get(path, auth=auth)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__


def _say(answer: httpx.Response | str) -> str:
    if isinstance(answer, str):
        return answer
    first = answer.text.strip().partition("\n")[0][:200]
    return f"it answers {answer.status_code} {first}".rstrip()
