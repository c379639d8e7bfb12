"""Handling the entries of the scans' ledger: decode, apply, reply; what cannot be applied goes to failed work."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tracetrack_common import failed_work
from tracetrack_common.contracts import (
    Origin,
    ScanSubmission,
    UnreadableEntryError,
    decode_submissions,
    encode_submissions,
    outcome_document,
)
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.domain.scans import Outcome, Result, Scan
from tracetrack_common.drain import Handled
from tracetrack_common.ledger import Entry, Ledger
from tracetrack_common.log import get_logger
from tracetrack_scan_worker.apply import Applier

log = get_logger(__name__)

SUSPECT_DELIVERIES = 3
"""An entry whose holder died so often is cut into single scans, so that a scan that kills its worker stands alone."""
POISON_DELIVERIES = 6
"""A single scan whose holder died so often is failed work; far above what unlucky kills bring about."""


class ScanHandler:
    """Handles entries for one drain.

    Parameters
    ----------
    database
        Where scans go.
    ledger
        Where entries come from.
    most
        Most scans in one transaction.
    """

    def __init__(self, database: Database, ledger: Ledger, *, most: int) -> None:
        self._database = database
        self._ledger = ledger
        self._most = most
        self._applier = Applier(database)

    def handle(self, entries: Sequence[Entry]) -> Handled:
        """Apply the scans in these entries.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, StateChangedError
            Only what a repetition may cure.
        """
        ids: list[str] = []
        submissions: list[ScanSubmission] = []
        for entry in entries:
            submissions += self._read(entry, ids)
        replies: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for submission_scans in _portions(submissions, self._most):
            scans = [scan for _, scan in submission_scans]
            origins = {scan.scan_id: submission.origin for submission, scan in submission_scans}
            results = self._apply(scans, origins)
            for (submission, scan), result in zip(submission_scans, results, strict=True):
                ids.append(scan.scan_id)
                if submission.reply_to is not None and result is not None:
                    replies[submission.reply_to].append(outcome_document(scan, result))
        return Handled(ids, {channel: orjson.dumps(documents) for channel, documents in replies.items()})

    def _read(self, entry: Entry, ids: list[str]) -> list[ScanSubmission]:
        """Decode an entry; one that nobody can read, or that keeps killing its workers, is set aside.

        The identities of what is set aside for good are added to `ids`.
        """
        try:
            submissions = decode_submissions(entry.body)
        except UnreadableEntryError as error:
            self._fail({"body": entry.body.decode(errors="replace")}, "unreadable", str(error), entry.deliveries)
            return []
        if entry.deliveries < SUSPECT_DELIVERIES:
            return submissions
        singles = [ScanSubmission(each.origin, [scan], each.reply_to) for each in submissions for scan in each.scans]
        if len(singles) > 1:
            log.warning("entry_split", entry=entry.entry_id.decode(), scans=len(singles), deliveries=entry.deliveries)
            self._ledger.split(entry, [encode_submissions([single]) for single in singles])
            return []
        if entry.deliveries >= POISON_DELIVERIES:
            (single,) = singles
            ids.append(single.scans[0].scan_id)
            self._fail_scan(
                single.scans[0], single.origin, "worker_died", "every worker that took it died", entry.deliveries
            )
            return []
        return submissions

    def _apply(self, scans: Sequence[Scan], origins: Mapping[str, Origin]) -> list[Result | None]:
        """Apply scans together; when that fails for good, in halves, until the one at fault stands alone."""
        try:
            results: list[Result | None] = list(self._applier.apply(scans, origins))
        except Exception as error:
            if is_transient(error):
                raise
            if len(scans) == 1:
                log.exception("scan_failed", scan_id=scans[0].scan_id)
                (scan,) = scans
                detail = f"{type(error).__name__}: {error}"
                self._fail_scan(scan, origins[scan.scan_id], "not_applicable", detail, attempts=1)
                return [None]
            middle = len(scans) // 2
            return self._apply(scans[:middle], origins) + self._apply(scans[middle:], origins)
        for scan, result in zip(scans, results, strict=True):
            if result is not None and result.outcome is Outcome.ID_REUSED:
                detail = "the scan_id was used before with other content"
                self._fail_scan(scan, origins[scan.scan_id], "id_reused", detail, attempts=1)
        return results

    def _fail_scan(self, scan: Scan, origin: Origin, reason: str, detail: str, attempts: int) -> None:
        message = encode_submissions([ScanSubmission(origin, [scan], None)])
        self._fail({"scan_id": scan.scan_id, "body": message.decode()}, reason, detail, attempts)

    def _fail(self, payload: Mapping[str, Any], reason: str, detail: str, attempts: int) -> None:
        with self._database.transaction() as connection:
            failed_work.insert(
                connection, queue="scans", reason=reason, detail=detail, payload=payload, attempts=attempts
            )


def _portions(submissions: Sequence[ScanSubmission], most: int) -> list[list[tuple[ScanSubmission, Scan]]]:
    """Lay the scans of submissions out in transactions of at most `most`, in the order they were accepted."""
    flat = [(submission, scan) for submission in submissions for scan in submission.scans]
    return [flat[start : start + most] for start in range(0, len(flat), most)]
