"""Device clocks are wrong; how a scan's time is corrected (domain.md, Scans)."""

from datetime import datetime, timedelta

NO_OFFSET = timedelta(0)


def clock_offset(sent_at: datetime | None, received_at: datetime) -> timedelta:
    """Tell how far behind the server's clock a device's clock is, from one request.

    Parameters
    ----------
    sent_at
        The device's clock when it sent the request; without it, no correction is possible.
    received_at
        The server's clock at receipt.

    Returns
    -------
    timedelta
        To be added to every `scanned_at` of the request; zero when `sent_at` is not known.
    """
    return NO_OFFSET if sent_at is None else received_at - sent_at


def correct_time(scanned_at: datetime, offset: timedelta, received_at: datetime) -> datetime:
    """Correct a scan's time; what would lie in the future, or beyond what a date can hold, is the receipt time.

    Examples
    --------
    >>> from datetime import UTC
    >>> receipt = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> correct_time(datetime(2026, 1, 1, 10, tzinfo=UTC), timedelta(hours=1), receipt).hour
    11
    """
    try:
        corrected = scanned_at + offset
    except OverflowError:
        return received_at
    return min(corrected, received_at)
