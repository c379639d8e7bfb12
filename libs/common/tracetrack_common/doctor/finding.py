"""A finding: something that is not as it must be."""

from dataclasses import dataclass
from enum import StrEnum

from tracetrack_common.doctor.catalogue import CATALOGUE


class Severity(StrEnum):
    """How much a finding matters."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be.

    Parameters
    ----------
    code
        Its name in the catalogue, which says what it means and what to do.
    subject
        What it was found on.
    detail
        What was seen, in one sentence without the full stop.
    """

    code: str
    subject: str
    detail: str

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return Severity(CATALOGUE[self.code].severity)

    @property
    def meaning(self) -> str:
        """What it means."""
        return CATALOGUE[self.code].meaning

    @property
    def remedy(self) -> str:
        """What to do."""
        return CATALOGUE[self.code].remedy

    def document(self) -> dict[str, str]:
        """Give it as JSON shows it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "subject": self.subject,
            "detail": self.detail,
            "meaning": self.meaning,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Examined:
    """What a check looked at and what it found.

    Parameters
    ----------
    looked_at
        For instance ``1,000,000 scans in 500 batches``; without it, finding nothing would say nothing.
    findings
        What is not as it must be.
    """

    looked_at: str
    findings: tuple[Finding, ...] = ()
