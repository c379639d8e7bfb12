"""A scan in the journal, and how it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How a scan stands."""

    WAITING = "waiting"
    """Not known to be applied: it is sent, and sent again."""
    ARRIVED = "arrived"
    """Applied, but the outcome was not heard: it is asked for."""
    DONE = "done"
    """Applied; kept for a while to be looked up."""
    REFUSED = "refused"
    """The server said no: a wrong field, or an outcome that says stop. Kept until somebody dismisses it."""
    FAILED = "failed"
    """The server has it and could not apply it; its operators look at it. Kept until it is applied, or dismissed."""


@dataclass(frozen=True, slots=True)
class Record:
    """A scan in the journal.

    Parameters
    ----------
    position
        Its place: scans are sent in this order.
    scan_id
        Its identity for ever.
    body
        What was scanned, as it is sent.
    epoch, seq
        Its number; None until it is about to be sent.
    state
        How it stands.
    answer
        The server's outcome, or what it found wrong; None while neither is known.
    """

    position: int
    scan_id: str
    body: Mapping[str, Any]
    epoch: int | None
    seq: int | None
    state: State
    answer: Mapping[str, Any] | None

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be done about it by the client."""
        return self.state not in {State.WAITING, State.ARRIVED}

    @property
    def feedback(self) -> str | None:
        """What the person should hear: `ok`, `already` or `stop`; None while it is not known."""
        if self.state is State.REFUSED:
            return "stop"
        return None if self.answer is None else self.answer.get("feedback")
