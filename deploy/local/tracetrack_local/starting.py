"""What `up` and `migrate` do."""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

from tracetrack_common.settings import Settings
from tracetrack_local.errors import LauncherError
from tracetrack_local.lock import StateLock, find_holder
from tracetrack_local.record import end_leftovers
from tracetrack_local.screen import SteadyConsole, show_ready
from tracetrack_local.settings import embeds_postgres, flower_url, gateway_url, with_servers
from tracetrack_local.state import ServerAccess, StateFolder
from tracetrack_local.supervisor import StopRequestedError
from tracetrack_local.system import LocalSystem, embedded_postgres, require_given_database

SUPERVISOR_LOG = "supervisor.log"


def run_system(settings: Settings, console: SteadyConsole, *, began: float) -> int:
    """
    Start the system, show how to use it, look after it until somebody asks to stop, and stop it.

    Raises
    ------
    LauncherError
        When it cannot be started; nothing is left running then.
    """
    state = StateFolder(settings.state_dir)
    state.ensure()
    lock = StateLock(state.path).acquire(gateway_url=gateway_url(settings), purpose="up")
    announce = Announcer(console, state.logs / SUPERVISOR_LOG)
    leftovers = end_leftovers(state.path)
    if leftovers:
        announce(f"ended what a killed supervisor had left running: {', '.join(leftovers)}")
    system = LocalSystem(settings, state, announce)
    system.check()
    system.supervisor.install_signals()
    try:
        credentials, flower = system.start()
        urls = (gateway_url(settings), flower_url(settings))
        show_ready(console, credentials, flower, state_dir=state.path, urls=urls, took_s=time.monotonic() - began)
        system.supervisor.run()
    except StopRequestedError:
        pass
    finally:
        announce("stopping")
        system.supervisor.stop()
        lock.release()
    announce("stopped; nothing is left running")
    return 0


def migrate_database(settings: Settings, console: SteadyConsole) -> int:
    """
    Bring the database to the newest schema: the given one, the running one, or the embedded one, started for it.

    Raises
    ------
    LauncherError
        When that fails.
    """
    state = StateFolder(settings.state_dir)
    state.ensure()
    require_given_database(settings)
    system = LocalSystem(settings, state, console.announce)
    lock: StateLock | None = None
    access: ServerAccess | None = None
    if embeds_postgres() and find_holder(state.path) is None:
        lock = StateLock(state.path).acquire(gateway_url=gateway_url(settings), purpose="migrate")
        end_leftovers(state.path)
        access = ServerAccess.settle(state)
    elif embeds_postgres():
        running = embedded_postgres(state, ServerAccess.load(state))
        system.settings = with_servers(
            settings, database_url=running.url(), redis_url=None, migration_database_url=running.owner_url()
        )
    system.supervisor.install_signals()
    try:
        if access is not None:
            system.start_servers(access, with_valkey=False)
        system.migrate()
    except StopRequestedError:
        raise LauncherError("Stopped before the migration was done; nothing of it is in the database.") from None
    finally:
        system.supervisor.stop()
        if lock is not None:
            lock.release()
    console.say("The database has the newest schema.")
    return 0


class Announcer:
    """
    Tells of events on the console and in the supervisor's log.

    Parameters
    ----------
    console
        Where the person looks.
    path
        The log.
    """

    def __init__(self, console: SteadyConsole, path: Path) -> None:
        self._console = console
        self._path = path

    def __call__(self, text: str) -> None:
        """Tell of an event; a full disk or a closed terminal does not stop the supervisor."""
        self._console.announce(text)
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n")
