"""Doing what rows ask for, by the rules and on the road of scans and commands: one transaction a batch."""

from collections.abc import Sequence

from sqlalchemy import Connection

from tracetrack_common.commands import CommandExecutor
from tracetrack_scan_worker.apply import Applier
from tracetrack_scan_worker.imports.answers import answer_bill, answer_scan, in_order
from tracetrack_scan_worker.imports.steps import BillStep, Said, ScanStep, Step
from tracetrack_scan_worker.imports.wanted import Wanted


class StepApplier:
    """Does what rows ask for.

    Parameters
    ----------
    applier
        Applies scans.
    bills
        Executes ``bill.create``.
    """

    def __init__(self, applier: Applier, bills: CommandExecutor) -> None:
        self._applier = applier
        self._bills = bills

    def take(self, connection: Connection, wanted: Wanted, steps: Sequence[Step]) -> list[Said]:
        """Do what these rows ask for, in a transaction that the caller commits.

        A row that was done before, by a worker that was killed, gives its first answer and changes nothing.
        """
        answers = {}
        scan_steps = [step for step in steps if isinstance(step, ScanStep)]
        if scan_steps:
            scans = [wanted.scan_of(step) for step in scan_steps]
            origins = {scan.scan_id: wanted.origin for scan in scans}
            results = self._applier.apply_in(connection, scans, origins).results
            for scan_step, scan, result in zip(scan_steps, scans, results, strict=True):
                answers[scan_step.number] = answer_scan(scan_step, scan, result)
        for step in steps:
            if isinstance(step, BillStep):
                status, outcome = self._bills.execute_in(connection, wanted.command_of(step))
                answers[step.number] = answer_bill(step, status, outcome)
        return in_order(steps, answers)
