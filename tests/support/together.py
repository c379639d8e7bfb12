"""Doing things at the same moment."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")

_PATIENCE_S = 60.0


def at_once(calls: Sequence[Callable[[], Given]]) -> list[Given]:
    """Make all of these calls, each on a thread of its own, none before all threads are ready.

    Returns
    -------
    list
        What each gave, in the order of the calls; what one raises is raised.
    """
    barrier = threading.Barrier(len(calls), timeout=_PATIENCE_S)

    def call_together(call: Callable[[], Given]) -> Given:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(max_workers=len(calls)) as pool:
        return [future.result(timeout=_PATIENCE_S) for future in [pool.submit(call_together, call) for call in calls]]
