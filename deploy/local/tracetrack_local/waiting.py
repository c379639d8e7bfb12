"""Waiting for something to become so, with an end to it."""

import time
from collections.abc import Callable

PAUSE_S = 0.05


def wait_until(condition: Callable[[], bool], *, timeout_s: float, pause_s: float = PAUSE_S) -> bool:
    """Wait until something is so; False when it is still not when the time is up."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
