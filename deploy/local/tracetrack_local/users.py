"""What `tracetrack users …` does."""

from sqlalchemy.exc import SQLAlchemyError

from tracetrack_common.add_admin import add_admin, choose_password
from tracetrack_common.errors import TraceTrackError
from tracetrack_common.settings import Settings
from tracetrack_local.doctor import reach_servers
from tracetrack_local.errors import LauncherError
from tracetrack_local.screen import SteadyConsole


def make_admin(settings: Settings, console: SteadyConsole, username: str, *, email: str | None, generate: bool) -> int:
    """
    Make an admin in the running system's database.

    Raises
    ------
    LauncherError
        When that is not possible; the sentence quotes no password.
    """
    reached = reach_servers(settings)
    try:
        password, is_made_up = choose_password(generate=generate)
        add_admin(reached, username, password, email=email)
    except TraceTrackError as error:
        raise LauncherError(error.detail) from None
    except SQLAlchemyError as error:
        raise LauncherError(f"The database would not: {str(error).splitlines()[0]}.") from None
    console.say(f"{username} can log in now." + (f" Password, shown this once: {password}" if is_made_up else ""))
    return 0
