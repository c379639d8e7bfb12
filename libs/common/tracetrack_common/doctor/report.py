"""What an examination gave, and how it is written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracetrack_common.doctor.catalogue import CATALOGUE
from tracetrack_common.doctor.finding import Finding, Severity


@dataclass(frozen=True, slots=True)
class CheckDone:
    """A check that was made, or could not be.

    Parameters
    ----------
    name
        Its name.
    looked_at
        What it looked at.
    findings
        What it found.
    took_ms
        How long it took.
    """

    name: str
    looked_at: str
    findings: tuple[Finding, ...]
    took_ms: int


@dataclass(frozen=True, slots=True)
class Report:
    """An examination.

    Parameters
    ----------
    checks
        In the order they were made.
    """

    checks: Sequence[CheckDone]

    @property
    def findings(self) -> list[Finding]:
        """What is not as it must be, what matters most first."""
        ranks = list(Severity)
        found = [finding for check in self.checks for finding in check.findings]
        return sorted(found, key=lambda finding: ranks.index(finding.severity))

    @property
    def exit_code(self) -> int:
        """0 when nothing was found, 1 otherwise."""
        return 1 if self.findings else 0

    @property
    def verdict(self) -> str:
        """The report in one line."""
        took_s = sum(check.took_ms for check in self.checks) / 1000
        findings = self.findings
        what = f"{len(findings)} finding{'s'[: len(findings) != 1]}" if findings else "nothing found"
        return f"{len(self.checks)} checks in {took_s:.1f} s: {what}."

    def document(self) -> dict[str, Any]:
        """Give it as JSON shows it."""
        return {
            "healthy": not self.findings,
            "checks": [
                {
                    "name": check.name,
                    "looked_at": check.looked_at,
                    "findings": len(check.findings),
                    "took_ms": check.took_ms,
                }
                for check in self.checks
            ],
            "findings": [finding.document() for finding in self.findings],
        }


def render_text(report: Report) -> str:
    """Write a report for a plain terminal or a log."""
    width = max((len(check.name) for check in report.checks), default=0)
    lines = [
        f"{check.name:<{width}}  {'ok' if not check.findings else f'{len(check.findings)} found':<9}"
        f"{check.took_ms:>8,} ms  {check.looked_at}"
        for check in report.checks
    ]
    for finding in report.findings:
        lines += [
            "",
            f"{finding.severity.upper()} {finding.code}: {finding.subject}",
            f"  seen:  {finding.detail}",
            f"  means: {finding.meaning}",
            f"  do:    {finding.remedy}",
        ]
    return "\n".join([*lines, "", report.verdict])


def render_catalogue() -> str:
    """Write the table of every finding as it stands in `docs/doctor.md`."""
    rows = [f"| `{code}` | {entry.severity} | {entry.meaning} | {entry.remedy} |" for code, entry in CATALOGUE.items()]
    return "\n".join(["| finding | severity | means | do |", "|---|---|---|---|", *rows])
