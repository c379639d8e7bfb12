"""How long to wait before a child that died is started again."""

FIRST_S = 0.2
MOST_S = 5.0
HEALTHY_AFTER_S = 30.0  # one that ran so long failed for a reason of the moment


class Backoff:
    """
    Delays that double with each death, up to a limit, and begin anew after a healthy run.

    Parameters
    ----------
    first_s, most_s
        The first and the longest delay.
    healthy_after_s
        A run as long as this makes the next delay the first one.
    """

    def __init__(
        self, *, first_s: float = FIRST_S, most_s: float = MOST_S, healthy_after_s: float = HEALTHY_AFTER_S
    ) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._healthy_after_s = healthy_after_s
        self._next_s = first_s

    def after_run_of(self, ran_s: float) -> float:
        """Give the delay in seconds that follows a run of so many seconds."""
        if ran_s >= self._healthy_after_s:
            self._next_s = self._first_s
        delay = self._next_s
        self._next_s = min(self._most_s, delay * 2)
        return delay
