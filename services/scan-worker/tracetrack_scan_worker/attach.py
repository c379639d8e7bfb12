"""Putting a sack on a bill by hand: a bill scan whose maker is a person at a screen."""

from typing import Any

from sqlalchemy import Connection

from tracetrack_common.contracts import Command, outcome_document
from tracetrack_common.domain.scans import Kind, Scan
from tracetrack_scan_worker.apply import Applier


class SackAttacher:
    """Handles the command ``bill.attach``.

    Parameters
    ----------
    applier
        Applies the scan in the command's transaction.
    """

    def __init__(self, applier: Applier) -> None:
        self._applier = applier

    def __call__(self, connection: Connection, command: Command) -> dict[str, Any]:
        """Put the sack on the bill.

        Returns
        -------
        dict
            The outcome, as for any scan; its ``scan_id`` is the command's identity.
        """
        at = command.origin.received_at
        scan = Scan(
            scan_id=command.command_id,
            kind=Kind.BILL,
            code=command.arguments["code"],
            target=command.arguments["bill_no"],
            scanned_at=at,
            device_time=at,
            area_id=command.area_id,
            device_id=None,
            user_id=int(command.actor.removeprefix("user:")),
        )
        (result,) = self._applier.apply_in(connection, [scan], {scan.scan_id: command.origin}).results
        return outcome_document(scan, result)
