"""A process of ours beside those that the supervisor runs: a second worker or a second beat, as on a second host."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from tests.support.system import RunningSystem
from tracetrack_local.process import Child, ChildSpec, stop_all


@contextmanager
def process_beside(
    system: RunningSystem, spec: ChildSpec, *, environment: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """Run one more process on a system's servers for as long as the block runs.

    Parameters
    ----------
    system
        Whose.
    spec
        As the launcher would start it.
    environment
        What differs in its environment.
    """
    env = {**spec.env, **system.environment, **(environment or {})}
    child = Child(replace(spec, name=f"second-{spec.name}", env=env, stop_signal=signal.SIGTERM), system.folder)
    child.start()
    try:
        yield child
    finally:
        stop_all([child])
