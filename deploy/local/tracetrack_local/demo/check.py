"""Holding what the system says against what must come out, figure by figure."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from tracetrack_local.demo.day import Day, Judged
from tracetrack_local.demo.figures import ALL, Figures, expect_bill, expect_summary, read_bill, read_summary
from tracetrack_local.demo.shift import AREAS
from tracetrack_local.replay.journal import Journal, Known
from tracetrack_local.replay.office import Stats

SCOPES: Final = (ALL, *AREAS)
SAMPLE: Final = 200
"""Scans that are asked for one by one; of each outcome some, however rare."""

_LEAST_PER_OUTCOME = 5


class Difference(NamedTuple):
    """A figure that is not what it must be."""

    where: str
    figure: str
    expected: str
    found: str


@dataclass
class Comparison:
    """
    Everything that was compared.

    Attributes
    ----------
    checked
        How many figures.
    differences
        Those that differ.
    """

    checked: int = 0
    differences: list[Difference] = field(default_factory=list)

    def same(self, where: str, figure: str, expected: object, found: object) -> None:
        """Compare one figure."""
        self.checked += 1
        if expected != found:
            self.differences.append(Difference(where, figure, str(expected), str(found)))

    def all_same(self, where: str, expected: Figures, found: Figures) -> None:
        """Compare figures under the same names; one that is missing is zero."""
        for figure in sorted(expected.keys() | found.keys()):
            self.same(where, figure, expected[figure], found[figure])


def compare_summaries(
    comparison: Comparison, day: Day, summaries: Mapping[str, Any], before: Mapping[str, Any]
) -> None:
    """
    Compare the summaries of every area and of all.

    Parameters
    ----------
    comparison
        Where to note it.
    day
        The day.
    summaries, before
        By area, after the replay and before it: what others did on that day is not the demo's.
    """
    for area in SCOPES:
        found = read_summary(summaries[area])
        found.subtract(read_summary(before[area]))
        comparison.all_same(f"EOD {area}", expect_summary(day, area), found)


def compare_bills(comparison: Comparison, day: Day, documents: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare every bill as `GET /bills/{bill_no}` gives it."""
    for bill_no, document in documents.items():
        comparison.all_same(bill_no, expect_bill(day, day.warehouse.bills[bill_no]), read_bill(document))


def compare_outcomes(comparison: Comparison, day: Day, journal: Journal, asked: Mapping[UUID, Known | None]) -> None:
    """Compare the outcomes that devices waited for, and those that were asked for afterwards."""
    for source, outcomes in (("told to the device", journal.outcomes), ("GET /scans", asked)):
        for scan_id, known in outcomes.items():
            judged = day.scans[scan_id]
            verdict = judged.verdict
            expected = Known(verdict.outcome, verdict.feedback, verdict.refers_to)
            comparison.same(source, describe_scan(judged), expected, known)
    for scan_id, first, second in journal.contradictions:
        comparison.same("told to the device", f"{describe_scan(day.scans[scan_id])}, told twice", first, second)
    for line, detail in journal.refused:
        comparison.same("accepted", f"{line.kind} {line.code} of {line.device}", "accepted", detail)


def compare_accounts(
    comparison: Comparison, day: Day, journal: Journal, summary: Mapping[str, Any], stats: tuple[Stats, Stats]
) -> None:
    """
    Compare accepted with applied + already + refused + failed + pending.

    Parameters
    ----------
    comparison, day, journal
        Where to note it, the day, what was accepted.
    summary
        The demo's own part of the summary of all areas: scans by what became of them.
    stats
        The system's counts before the replay and after it.
    """
    before, after = stats
    comparison.same("journal", "lines accepted", len(day.lines), journal.lines)
    comparison.same("journal", "scans accepted, each once", len(day.scans), len(journal.accepted))
    comparison.same("/api/stats", "pending", 0, after.waiting)
    comparison.same("/api/stats", "failed", 0, after.failed - before.failed)
    done = sum(summary[name] for name in ("applied", "already", "refused"))
    total = done + after.failed - before.failed + after.waiting
    comparison.same("accounts", "applied + already + refused + failed + pending", len(journal.accepted), total)


def choose_sample(day: Day, rng: random.Random) -> list[Judged]:
    """Choose scans to ask for: some of every kind and outcome, the rest at random."""
    scans = list(day.scans.values())
    rng.shuffle(scans)
    seen: Counter[tuple[str, str]] = Counter()
    rare: list[Judged] = []
    others: list[Judged] = []
    for scan in scans:
        sort = (scan.line.kind, scan.verdict.outcome)
        (rare if seen[sort] < _LEAST_PER_OUTCOME else others).append(scan)
        seen[sort] += 1
    return rare + others[: max(0, SAMPLE - len(rare))]


def write_differences(comparison: Comparison, path: Path) -> None:
    """Write every difference on a line of its own, with tabs between its parts."""
    lines = ("\t".join(each) + "\n" for each in (Difference._fields, *comparison.differences))
    path.write_text("".join(lines), encoding="utf-8")


def describe_scan(judged: Judged) -> str:
    """Name a scan for a person who looks for it."""
    line = judged.line
    return f"{line.kind} {line.code} → {line.target or '-'} by {line.device}, {line.identity}"


def own_part(summaries: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, int]:
    """Give the demo's own part of the summary of all areas: scans by what became of them."""
    return {
        name: summaries[ALL]["scans"][name] - before[ALL]["scans"][name]
        for name in ("total", "applied", "already", "refused")
    }


def count_by_where(differences: Iterable[Difference]) -> Counter[str]:
    """Count differences by where they are."""
    return Counter(difference.where for difference in differences)
