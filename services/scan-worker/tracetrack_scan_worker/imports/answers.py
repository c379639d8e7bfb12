"""What is answered to the rows of an import: the outcome of each scan, and what became of each bill."""

from collections.abc import Iterable, Mapping
from typing import Any

from tracetrack_common.domain.scans import Feedback, Result, Scan, describe
from tracetrack_scan_worker.imports.steps import BillStep, Said, ScanStep, Step


def answer_scan(step: ScanStep, scan: Scan, result: Result) -> Said:
    """Give the answer to a row that was a scan."""
    sentence = describe(scan.kind, scan.code, scan.target, result)
    return Said(step.number, result.outcome, result.outcome.feedback, sentence)


def answer_bill(step: BillStep, status: str, outcome: Mapping[str, Any]) -> Said:
    """Give the answer to a row that was a bill; one that is there already is no mistake.

    Parameters
    ----------
    step
        The row.
    status, outcome
        As ``bill.create`` gave them.
    """
    bill_no = step.arguments["bill_no"]
    if status == "done":
        return Said(step.number, "applied", Feedback.OK, f"Bill {bill_no} created{step.remark}")
    if outcome["code"] == "conflict":
        return Said(step.number, "known", Feedback.ALREADY, f"There is, or was, a bill {bill_no} already")
    return Said(step.number, outcome["code"], Feedback.STOP, outcome["detail"])


def in_order(steps: Iterable[Step], answers: Mapping[int, Said]) -> list[Said]:
    """Give the answers in the order of their rows; what was said when the row was read stands."""
    return [step if isinstance(step, Said) else answers[step.number] for step in steps]
