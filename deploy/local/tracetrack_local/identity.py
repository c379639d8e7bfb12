"""Whom a server runs as that refuses to run as root."""

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tracetrack_local.errors import LauncherError

UNPRIVILEGED_USER = "nobody"  # there on every system

# linux/capability.h: look through folders and read files; and the wider right that also writes, which containers often
# have while they lack the narrower one.
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


@dataclass(frozen=True, kw_only=True)
class Identity:
    """
    Whom a child runs as, when not as the user who started the supervisor.

    Attributes
    ----------
    uid, gid
        The user and its group.
    capability
        Number of the one Linux capability it keeps, or None.
    """

    uid: int
    gid: int
    capability: int | None = None


def find_identity(*paths: Path) -> Identity | None:
    """
    Find whom a server must run as: the user who asks, or for root another one, who may need help on the way in.

    Parameters
    ----------
    paths
        What the server must get at.

    Returns
    -------
    Identity or None
        None when this process is not root.

    Raises
    ------
    LauncherError
        When root has no other user to give the server to, or that one could not get at the paths.
    """
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise LauncherError(
            f"PostgreSQL does not run as root and there is no user {UNPRIVILEGED_USER!r} here: start as an ordinary "
            "user, or set TRACETRACK_DATABASE_URL to a server of your own."
        ) from None
    way = {parent for path in paths for parent in (*path.absolute().parents, *path.resolve().parents)}
    closed = first_closed(sorted(way), user.pw_uid, user.pw_gid)
    if closed is None:
        return Identity(uid=user.pw_uid, gid=user.pw_gid)
    capability = choose_capability(_permitted_capabilities())
    if capability is None:
        raise LauncherError(
            f"PostgreSQL does not run as root, and the user {UNPRIVILEGED_USER!r} may not pass {closed}: move to a "
            "folder that everybody may pass, start as an ordinary user, or set TRACETRACK_DATABASE_URL."
        )
    return Identity(uid=user.pw_uid, gid=user.pw_gid, capability=capability)


def first_closed(folders: Iterable[Path], uid: int, gid: int) -> Path | None:
    """Give the first of these folders that a user may not look through, or None; one not there yet does not count."""
    for folder in folders:
        try:
            status = folder.stat()
        except FileNotFoundError:
            continue
        if status.st_uid == uid:
            needed = stat.S_IXUSR
        elif status.st_gid == gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return folder
    return None


def choose_capability(permitted: int) -> int | None:
    """Choose the narrowest capability out of a bit set that looks through closed folders, or None."""
    return next((number for number in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if permitted >> number & 1), None)


def _permitted_capabilities() -> int:
    """Read this process's capabilities as a bit set; none where there are no such things."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapPrm:")), 0)
