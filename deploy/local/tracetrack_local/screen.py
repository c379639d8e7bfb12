"""What the person at the keyboard sees."""

import json
import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tracetrack_common.ids import uuid7
from tracetrack_local.credentials import Credentials, Login, credentials_path
from tracetrack_local.errors import LauncherError

LABEL_WIDTH = 9
COMMAND = "tracetrack"


class SteadyConsole(Console):
    """A console whose reader may go away: the supervisor outlives the terminal and the pipe it began in."""

    def on_broken_pipe(self) -> None:
        """Fall silent, where rich would end the program."""
        self.quiet = True

    def say(self, text: str | Text, style: str | None = None) -> None:
        """Print a line as it is: no markup, no colours by guess, and no line breaks of rich's own to spoil a paste."""
        try:
            self.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        except OSError:  # the terminal was closed
            self.quiet = True

    def announce(self, text: str) -> None:
        """Print an event of the supervisor with the time of day."""
        self.say(f"{datetime.now().astimezone():%H:%M:%S} {text}")

    def fail(self, error: LauncherError) -> None:
        """Print the sentence that ends the command."""
        self.say(f"{COMMAND}: {error}", style="red")


def show_ready(
    console: SteadyConsole,
    credentials: Credentials | None,
    flower: Login,
    *,
    state_dir: Path,
    urls: tuple[str, str],
    took_s: float,
) -> None:
    """
    Print the one screen that says how to use the system.

    Parameters
    ----------
    console
        Where to print.
    credentials
        None when they are not known here.
    flower
        Flower's login.
    state_dir
        Where files are kept.
    urls
        The gateway's address and Flower's.
    took_s
        How long the start took, in seconds.
    """
    gateway_url, flower_url = urls
    console.say("")
    console.say(f"TraceTrack is ready after {took_s:.1f} s", style="bold green")
    _line(console, "Gateway", gateway_url, f"(API: {gateway_url}/docs)")
    _line(console, "Flower", flower_url, f"user {flower.username}, password {flower.password}")
    if credentials is None:
        _line(console, "Admin", "as made by the installation that this database belongs to")
    else:
        _line(console, "Admin", credentials.admin.username, f"password {credentials.admin.password}")
        _line(
            console, "Device", credentials.device.name, f"({credentials.device.area}), token {credentials.device.token}"
        )
        _line(console, "Secrets", str(credentials_path(state_dir)), "(only you can read it)")
    _line(console, "Logs", str(state_dir / "logs"), f"({command_name()} logs -f)")
    _line(console, "Stop", f"Ctrl-C here, or {command_name()} stop")
    if credentials is not None:
        console.say("\nA first scan:", style="bold")
        console.say(first_scan(credentials))
    console.say("")


def first_scan(credentials: Credentials) -> str:
    """Give a shell command that submits a scan and shows its outcome; it works as printed."""
    scan = {
        "scan_id": str(uuid7()),
        "kind": "child",
        "code": "CH00001",
        "parent_code": "SB00001",
        "scanned_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    words = (
        "curl -sS",
        shlex.quote(f"{credentials.gateway_url}/api/v1/scans"),
        "-H " + shlex.quote(f"Authorization: Bearer {credentials.device.token}"),
        "-H 'Content-Type: application/json'",
        "-H 'Prefer: wait=5'",
        "-d " + shlex.quote(json.dumps(scan)),
    )
    return " ".join(words)


def command_name() -> str:
    """Give how this command is called from here: its name when the shell finds it, else the path it was called by."""
    here = Path(sys.argv[0])
    found = shutil.which(COMMAND)
    if here.name != COMMAND or (found is not None and Path(found).resolve() == here.resolve()):
        return COMMAND
    try:
        return str(here.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(here.absolute())


def _line(console: SteadyConsole, label: str, value: str, more: str = "") -> None:
    text = Text(f"  {label:<{LABEL_WIDTH}}")
    text.append(value, style="cyan")
    text.append(f" {more}" if more else "")
    console.say(text)
