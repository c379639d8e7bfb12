"""What runs beside the requests until the process is told to stop."""

import asyncio

_AGAIN_S = 0.1


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task that runs for ever; returns when it has ended.

    Once is not enough: up to Python 3.11 `asyncio.wait_for` swallows a cancellation that comes with the result,
    and the Redis client waits for each of its writes with it.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_S)
