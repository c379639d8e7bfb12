"""The one wait of the tests: for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE_S = 20.0
"""Far above what anything takes on a busy machine; a test that runs into it has failed."""
_PAUSE_S = 0.01


def eventually(look: Callable[[], Found | None], *, within_s: float = PATIENCE_S) -> Found:
    """Look until there is something to be seen, and give it.

    Parameters
    ----------
    look
        Gives what is waited for; anything false means «not yet».
    within_s
        How long.

    Raises
    ------
    AssertionError
        It did not come in time; the text has what was seen last.
    """
    deadline = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {found!r} after {within_s} s")
        time.sleep(_PAUSE_S)
    return found
