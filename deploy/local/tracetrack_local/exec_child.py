"""
The last step before a child's own program: tie it to the supervisor, give up root, exec.

Run as a script (``python -I -S exec_child.py PARENT SIGNAL USER CAPABILITY PROGRAM …``), since ``preexec_fn`` is unsafe
in a process with threads. It keeps its pid, so the supervisor sees one child and no wrapper. Only the standard library
is at hand here.

A child is tied by PR_SET_PDEATHSIG: even a SIGKILL of the supervisor leaves nothing running. The kernel forgets that
setting when credentials change, so it comes last.

PostgreSQL refuses uid 0, so root starts it as another user. That user cannot look into a clone under ``/root`` (0700).
One capability, to look through folders, is kept for it then. Postgres asks access(2), which ignores capabilities of an
unprivileged uid unless the securebit NO_SETUID_FIXUP is set.
"""

import contextlib
import ctypes
import os
import signal
import sys

EXIT_NOT_STARTED = 126  # what a shell gives for a program that is there and cannot be run

# linux/prctl.h, linux/securebits.h, linux/capability.h
PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def main(arguments: list[str]) -> None:
    """
    Become the program named by the arguments; never returns when that works.

    Parameters
    ----------
    arguments
        The supervisor's pid; the signal to get when it dies; ``uid:gid`` or ``-``; the number of the capability to keep
        or ``-``; the program and its arguments.

    Raises
    ------
    OSError
        When the user cannot be changed or the program cannot be run.
    """
    parent, death_signal, user, capability, *program = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    if user != "-":
        become(libc, user, capability)
    if sys.platform == "linux":
        _check(libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0))
    if os.getppid() != int(parent):  # the supervisor died before it could be watched
        sys.exit(EXIT_NOT_STARTED)
    # Python ignores SIGPIPE, and an ignored signal stays ignored across exec; other programs expect the default.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(program[0], program)  # noqa: S606 - to become that program, without a shell, is what this script is for


def become(libc: ctypes.CDLL, user: str, capability: str) -> None:
    """
    Give up root for good: uid, gid and every group; all capabilities go but the one named.

    Raises
    ------
    OSError
        When this process may not do so.
    """
    uid, gid = map(int, user.split(":"))
    if capability != "-":
        _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability != "-":
        keep_capability(libc, int(capability))


def keep_capability(libc: ctypes.CDLL, number: int) -> None:
    """
    Reduce this process to one capability, and let it pass to the program that follows.

    Raises
    ------
    OSError
        When this process does not have it.
    """
    sets = (_CapabilitySets * 2)()
    part = sets[number // 32]
    part.effective = part.permitted = part.inheritable = 1 << (number % 32)
    _check(libc.capset(ctypes.byref(_CapabilityHeader(CAPABILITY_VERSION_3, 0)), sets))
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        with contextlib.suppress(OSError):  # a full disk cannot take the line; the exit code still tells
            sys.stderr.write(f"cannot start {sys.argv[5]}: {error.strerror}\n")
        sys.exit(EXIT_NOT_STARTED)
