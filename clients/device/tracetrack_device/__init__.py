"""The reference client for devices that scan (docs/device-client.md)."""

from tracetrack_device.asynchronous import AsyncDeviceClient
from tracetrack_device.backoff import Backoff, read_retry_after
from tracetrack_device.client import DeviceClient
from tracetrack_device.delivery import Delivery
from tracetrack_device.errors import (
    AwayError,
    DeviceError,
    JournalError,
    JournalInUseError,
    ProtocolError,
    TokenRefusedError,
)
from tracetrack_device.journal import Journal
from tracetrack_device.record import Record, State
from tracetrack_device.sender import Habits

__all__ = [
    "AsyncDeviceClient",
    "AwayError",
    "Backoff",
    "Delivery",
    "DeviceClient",
    "DeviceError",
    "Habits",
    "Journal",
    "JournalError",
    "JournalInUseError",
    "ProtocolError",
    "Record",
    "State",
    "TokenRefusedError",
    "read_retry_after",
]
