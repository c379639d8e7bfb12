"""The journal of a replay: what was accepted, what was not, and which outcomes are known."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self
from uuid import UUID

from tracetrack_local.replay.scanlog import ScanLine


class Known(NamedTuple):
    """The outcome of a scan, as the gateway told it."""

    outcome: str
    feedback: str
    refers_to: str | None

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self | None:
        """Read a scan's document; None while it is queued."""
        if document.get("status") != "done":
            return None
        return cls(document["outcome"], document["feedback"], document["refers_to"])


class Refused(NamedTuple):
    """A scan that the gateway did not accept, and why."""

    line: ScanLine
    detail: str


@dataclass
class Journal:
    """
    What a replay has seen.

    Attributes
    ----------
    lines
        Lines that were accepted, resends among them.
    accepted
        The scans in them, each once.
    outcomes
        Outcomes that were waited for.
    contradictions
        Scans that were answered with two different outcomes.
    refused
        Lines that were not accepted.
    requests
        Requests that were answered.
    """

    lines: int = 0
    accepted: set[UUID] = field(default_factory=set)
    outcomes: dict[UUID, Known] = field(default_factory=dict)
    contradictions: list[tuple[UUID, Known, Known]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    requests: int = 0

    def accept(self, line: ScanLine) -> None:
        """Note a line that the gateway answered with 2xx."""
        self.lines += 1
        self.accepted.add(line.identity)

    def learn(self, scan_id: UUID, known: Known) -> None:
        """Note an outcome; a scan has one for ever."""
        before = self.outcomes.setdefault(scan_id, known)
        if before != known:
            self.contradictions.append((scan_id, before, known))

    def count_outcomes(self) -> Counter[str]:
        """Count the known outcomes."""
        return Counter(known.outcome for known in self.outcomes.values())
