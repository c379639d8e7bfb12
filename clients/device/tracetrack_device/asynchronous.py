"""The same client for programs on asyncio: each call on a thread, since a journal waits for the disk."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tracetrack_device.client import DeviceClient, Kind
from tracetrack_device.record import Record


@dataclass(frozen=True)
class AsyncDeviceClient:
    """A device's way to the server, for asyncio.

    Parameters
    ----------
    client
        The client that does it; this one closes it.
    """

    client: DeviceClient

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.client.close)

    async def record(self, kind: Kind, code: str, **details: Any) -> str:
        """Record a scan (`DeviceClient.record`)."""
        return await asyncio.to_thread(self.client.record, kind, code, **details)

    async def scan(self, kind: Kind, code: str, *, within_s: float = 5.0, **target: str) -> Record:
        """Record a scan and try to get its outcome (`DeviceClient.scan`)."""
        return await asyncio.to_thread(self.client.scan, kind, code, within_s=within_s, **target)

    async def deliver(self, within_s: float | None = None) -> bool:
        """Send until everything is settled (`DeviceClient.deliver`)."""
        return await asyncio.to_thread(self.client.deliver, within_s)

    async def troubles(self) -> list[Record]:
        """Give what was refused or failed (`DeviceClient.troubles`)."""
        return await asyncio.to_thread(self.client.troubles)
