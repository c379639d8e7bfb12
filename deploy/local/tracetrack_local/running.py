"""What `status` and `stop` do with a system that runs, or ran, on this machine."""

import os
import re
import signal
from datetime import datetime

import httpx
from rich.table import Table

from tracetrack_common.settings import Settings
from tracetrack_local.errors import LauncherError
from tracetrack_local.lock import Holder, find_holder
from tracetrack_local.process import TERM_GRACE_S, start_time
from tracetrack_local.record import SupervisorRecord, end_leftovers
from tracetrack_local.screen import SteadyConsole
from tracetrack_local.services import PROCESSES
from tracetrack_local.waiting import wait_until

STOP_TIMEOUT_S = len(PROCESSES) * TERM_GRACE_S  # stages stop one after the other, each with its own grace
METRICS_TIMEOUT_S = 2.0
LEDGER_ENTRIES = re.compile(r'^tracetrack_ledger_entries\{queue="(\w+)"\} (\S+)$', re.MULTILINE)
LEDGER_AGE = re.compile(r'^tracetrack_ledger_oldest_seconds\{queue="(\w+)"\} (\S+)$', re.MULTILINE)


def stop_system(settings: Settings, console: SteadyConsole) -> int:
    """
    Stop the system that runs on this state folder, or what a killed supervisor left of it.

    Raises
    ------
    LauncherError
        When it does not stop, or belongs to somebody else.
    """
    holder = find_holder(settings.state_dir)
    if holder is None:
        leftovers = end_leftovers(settings.state_dir)
        console.say(f"Ended what was left running: {', '.join(leftovers)}." if leftovers else "It is not running.")
        return 0
    console.say(f"Stopping pid {holder.pid}, {holder.gateway_url}")
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:  # it ended just now by itself
        pass
    except PermissionError:
        raise LauncherError(f"Pid {holder.pid} belongs to another user, who must stop it.") from None
    if not wait_until(lambda: find_holder(settings.state_dir) is None, timeout_s=STOP_TIMEOUT_S):
        raise LauncherError(f"Pid {holder.pid} has not stopped after {STOP_TIMEOUT_S:.0f} s; see `tracetrack logs`.")
    console.say("Stopped.")
    return 0


def show_status(settings: Settings, console: SteadyConsole) -> int:
    """
    Show every process, and how much work waits.

    Returns
    -------
    int
        1 when the system is not running, 0 when it is.
    """
    holder = find_holder(settings.state_dir)
    record = SupervisorRecord.load(settings.state_dir)
    if holder is None or holder.purpose != "up":
        console.say(f"TraceTrack is not running on {settings.state_dir}.")
        return 1
    console.say(f"TraceTrack runs on {settings.state_dir}: pid {holder.pid}, {holder.gateway_url}")
    if record is None or record.pid != holder.pid:
        console.say("It has just begun to start.")
        return 0
    console.print(_process_table(record))
    console.say(_waiting_work(holder))
    return 0


def _process_table(record: SupervisorRecord) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("process", "state", "pid", "up since", "restarts"):
        table.add_column(heading, justify="right" if heading in {"pid", "restarts"} else "left", no_wrap=True)
    for entry in record.processes:
        alive = entry.pid is not None and start_time(entry.pid) is not None
        since = datetime.fromtimestamp(entry.started_at).astimezone()
        cells = (str(entry.pid), f"{since:%Y-%m-%d %H:%M:%S}") if alive else ("-", "-")
        state = entry.state if alive or entry.state != "ready" else "just died"
        table.add_row(entry.name, state, *cells, str(entry.restarts))
    return table


def _waiting_work(holder: Holder) -> str:
    """Say how much accepted work waits, from the gateway's metrics, which need no login that could have changed."""
    try:
        answer = httpx.get(f"{holder.gateway_url}/metrics", timeout=METRICS_TIMEOUT_S, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        return f"Waiting in the ledgers: not known, the gateway does not tell ({type(error).__name__})."
    return "Waiting in the ledgers: " + describe_ledgers(answer.text)


def describe_ledgers(metrics: str) -> str:
    """
    Say how much waits in each ledger, and how long the oldest has.

    Parameters
    ----------
    metrics
        The gateway's metrics in the text format of Prometheus.
    """
    entries = {queue: float(value) for queue, value in LEDGER_ENTRIES.findall(metrics)}
    ages_s = {queue: float(value) for queue, value in LEDGER_AGE.findall(metrics)}
    parts = [
        f"{queue} {count:.0f}" + (f" (oldest {ages_s.get(queue, 0.0):.1f} s)" if count else "")
        for queue, count in entries.items()
    ]
    return ", ".join(parts) or "not known"
