"""Garbage collection in processes that live long and make many short-lived objects."""

import gc

_YOUNG_OBJECTS = 50_000
_GENERATIONS = 20, 50


def settle_garbage_collection() -> None:
    """Leave what was made until now out of every collection, and collect less often.

    Call it when a process has loaded what it needs. A batch makes thousands of objects that die with it by reference
    counting alone; collecting at Python's default of 700 costs a tenth of the processor time of applying it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *_GENERATIONS)
