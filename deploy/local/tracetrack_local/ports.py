"""Ports on this machine: whether one is free, and which one to take."""

import errno
import random
import socket

from tracetrack_local.errors import LauncherError

# Below the range from which the kernel takes ports for outgoing connections (32768 up): a client that calls again and
# again while a server restarts could otherwise be given the server's own port, connect to itself, and keep it.
PRIVATE_PORTS = range(15_000, 30_000)
ATTEMPTS = 200


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """
    Tell whether a server could listen there now.

    Raises
    ------
    OSError
        When the reason is another one than a listener: no right to the port, no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a server that just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def choose_free(taken: frozenset[int] = frozenset()) -> int:
    """
    Choose a free port for a server that only this machine's processes talk to.

    Parameters
    ----------
    taken
        Ports chosen before and not listened on yet.

    Raises
    ------
    LauncherError
        When none was found.
    """
    for _ in range(ATTEMPTS):
        port = random.SystemRandom().choice(PRIVATE_PORTS)
        if port not in taken and is_free(port):
            return port
    raise LauncherError(f"No free port was found between {PRIVATE_PORTS.start} and {PRIVATE_PORTS.stop} on 127.0.0.1.")


def require_free(port: int, host: str, *, port_setting: str, host_setting: str | None = None) -> None:
    """
    Check that a server can listen there, before anything is started.

    Parameters
    ----------
    port, host
        Where it shall listen.
    port_setting, host_setting
        Names of the settings to change when it cannot.

    Raises
    ------
    LauncherError
        When it cannot; the sentence names the setting.
    """
    try:
        if is_free(port, host):
            return
    except OSError as error:
        if error.errno == errno.EACCES:
            raise LauncherError(f"Port {port} needs root: set {port_setting} to one above 1023.") from None
        setting = host_setting or port_setting
        raise LauncherError(f"Nothing can listen on {host} ({error.strerror}): change {setting}.") from None
    raise LauncherError(f"Port {port} on {host} is taken by another program: set {port_setting} to a free one.")
