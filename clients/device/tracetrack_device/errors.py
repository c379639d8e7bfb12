"""What can go wrong on the device's side. Whatever is raised, what was recorded stays in the journal."""


class DeviceError(Exception):
    """Any of them."""


class JournalError(DeviceError):
    """The journal could not be read or written; a scan that was to be recorded is not."""


class JournalInUseError(JournalError):
    """Another process has the journal; two would count the same counters twice."""


class AwayError(DeviceError):
    """The server does not answer, or asks to come again; it is worth trying again later.

    Parameters
    ----------
    detail
        What happened.
    retry_after_s
        Seconds the server asked to wait; 0 when it asked for nothing.
    """

    def __init__(self, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TokenRefusedError(DeviceError):
    """The token is not valid (any more), or is not a device's; the scans wait for a right one."""


class ProtocolError(DeviceError):
    """The server does not understand this client; trying again will not help, a person must look."""


class BatchTooLargeError(DeviceError):
    """A batch is larger than the server takes."""
