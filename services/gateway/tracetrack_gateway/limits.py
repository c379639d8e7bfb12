"""How often an address or a credential may ask: token buckets of this process (docs/security.md, Limits)."""

import math
import time
from collections import OrderedDict

from tracetrack_common.errors import TooManyRequestsError

BYTES_PER_REQUEST = 32 * 1024
"""A large body counts as several requests: a batch of 1,000 scans is some eight of them."""
_BUCKETS_MOST = 20_000
"""The bucket that was used longest ago is forgotten first: by then it is full again, unless so many ask at once."""


class Limits:
    """The buckets of one kind of caller.

    Parameters
    ----------
    who
        What is said to one who asks too often.
    per_s
        Requests a second that each may make for ever.
    burst
        Requests that each may make at once.
    """

    def __init__(self, who: str, *, per_s: float, burst: int) -> None:
        self._who = who
        self._per_s = per_s
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, cost: float = 1.0) -> None:
        """Take what a request costs out of a caller's bucket.

        Raises
        ------
        TooManyRequestsError
            There is not so much in it; nothing was taken.
        """
        now = time.monotonic()
        tokens, at = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_s)
        cost = min(cost, self._burst)
        if tokens < cost:
            raise TooManyRequestsError(
                f"More than {self._per_s:g} requests a second came from this {self._who}; send it again later.",
                retry_after_s=math.ceil((cost - tokens) / self._per_s),
            )
        self._buckets[key] = (tokens - cost, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > _BUCKETS_MOST:
            self._buckets.popitem(last=False)


def cost_of(content_length: str | None) -> float:
    """Give how many requests a body counts as."""
    return 1.0 if content_length is None else 1.0 + int(content_length) // BYTES_PER_REQUEST
