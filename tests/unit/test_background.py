"""What runs beside the requests ends when it is told to."""

import asyncio
from contextlib import suppress

from tracetrack_gateway.background import end


def test_a_task_that_misses_a_cancellation_ends_all_the_same() -> None:
    """As a client of Redis may: its answer and the cancellation come at the same moment."""

    async def deaf_once() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    async def begin_and_end() -> asyncio.Task[None]:
        task = asyncio.create_task(deaf_once())
        await asyncio.sleep(0)
        await asyncio.wait_for(end(task), 5)
        return task

    assert asyncio.run(begin_and_end()).cancelled()
