"""How long to wait before trying again: never less than was asked for, growing, and scattered."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DOUBLINGS_MOST = 16


@dataclass
class Backoff:
    """Chooses pauses: full jitter, so that fifty devices do not come back at the same instant.

    Parameters
    ----------
    first_s, most_s
        The longest first pause, and the longest of all, in seconds.
    rng
        The source of jitter.
    """

    first_s: float = 0.5
    most_s: float = 60.0
    rng: random.Random = field(default_factory=random.Random)

    def choose(self, tries: int, retry_after_s: float = 0.0) -> float:
        """Choose a pause in seconds.

        Parameters
        ----------
        tries
            How often it was tried in vain before this.
        retry_after_s
            What the server asked for.
        """
        longest = min(self.most_s, self.first_s * 2.0 ** min(tries, _DOUBLINGS_MOST))
        return retry_after_s + self.rng.uniform(0, longest)


def read_retry_after(value: str | None, now: datetime) -> float:
    """Read a `Retry-After` header: seconds, or a date.

    Returns
    -------
    float
        Seconds to wait, never negative; 0 when there is no such header or it makes no sense.
    """
    if value is None:
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
