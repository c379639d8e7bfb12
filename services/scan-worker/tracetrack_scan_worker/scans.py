"""Handling the entries of the scans' ledger: decode, apply, reply; what cannot be applied goes to failed work."""

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from tracetrack_common import failed_work, feed
from tracetrack_common.contracts import (
    Origin,
    Replies,
    ReplyAddress,
    ScanSubmission,
    UnreadableEntryError,
    decode_submissions,
    encode_submissions,
    outcome_document,
)
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.delivery import Mirrored, add_failed
from tracetrack_common.domain.scans import Result, Scan
from tracetrack_common.drain import ENTRIES_PER_LOOK, Handled
from tracetrack_common.ledger import GROUP_DELIVERIES, Entry, Ledger
from tracetrack_common.log import get_logger
from tracetrack_scan_worker.apply import ID_REUSED, Applier

log = get_logger(__name__)

SUSPECT_DELIVERIES = GROUP_DELIVERIES + 1
"""An entry that comes alone, since it was there when workers died, is cut into single scans."""
POISON_DELIVERIES = SUSPECT_DELIVERIES + 2
"""A single scan that is handed out so often is failed work: two workers died when they had it and nothing else."""
ID_REUSED_DETAIL = "the scan_id was used before with other content"


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
        self._split_entries: deque[bytes] = deque(maxlen=ENTRIES_PER_LOOK * 32)

    def handle(self, entries: Sequence[Entry]) -> Handled:
        """Apply the scans in these entries.

        Raises
        ------
        sqlalchemy.exc.DBAPIError, StateChangedError
            Only what a repetition may cure.
        """
        ids: list[str] = []
        deliveries: dict[int, Mirrored] = {}
        submissions: list[ScanSubmission] = []
        for entry in entries:
            submissions += self._read(entry, ids, deliveries)
        replies = Replies()
        told: list[tuple[Scan, Result]] = []
        for portion in _portions(submissions, self._most):
            scans = [scan for _, _, scan in portion]
            results = self._apply(scans, [submission.origin for submission, _, _ in portion], deliveries)
            told += [(scan, result) for scan, result in zip(scans, results, strict=True) if result is not None]
            last_told: dict[str, tuple[Scan, dict[str, Any]]] = {}
            for (submission, offset, scan), result in zip(portion, results, strict=True):
                ids.append(scan.scan_id)
                if submission.reply_to is not None and result is not None:
                    document = outcome_document(scan, result)
                    replies.add(submission.reply_to, document, offset=offset)
                    last_told[submission.reply_to] = (scan, document)
            for scan, document in last_told.values():
                if (delivery := deliveries.get(scan.device_id or 0)) is not None:
                    document["delivery"] = orjson.Fragment(delivery.document)
        return Handled(ids, replies.messages(), deliveries.values(), feed=partial(feed.encode_events, told))

    def _read(self, entry: Entry, ids: list[str], deliveries: dict[int, Mirrored]) -> list[ScanSubmission]:
        """Decode an entry; one that nobody can read, or that keeps killing its workers, is set aside.

        The identities of what is set aside for good are added to `ids`, what that makes of its device to `deliveries`.
        """
        try:
            submissions = decode_submissions(entry.body)
        except UnreadableEntryError as error:
            self._fail_unreadable(entry, error)
            return []
        if entry.deliveries < SUSPECT_DELIVERIES:
            return submissions
        singles = [
            ScanSubmission(each.origin, [scan], _address_of(each.reply_to, offset))
            for each in submissions
            for offset, scan in enumerate(each.scans)
        ]
        if len(singles) > 1:
            return [] if self._split(entry, singles) else submissions
        (single,) = singles
        if entry.deliveries >= POISON_DELIVERIES and not self._applier.was_applied(single.scans[0].scan_id):
            ids.append(single.scans[0].scan_id)
            detail = "every worker that took it died"
            failed = self._fail_scan(single.scans[0], single.origin, "worker_died", detail, entry.deliveries)
            _note(deliveries, failed)
            return []
        return submissions

    def _split(self, entry: Entry, singles: Sequence[ScanSubmission]) -> bool:
        """Cut an entry up, once: handling its neighbours may be tried again and again while the database is away.

        One that another worker has taken over is not cut up; its scans must then be applied before it is settled.
        """
        if entry.entry_id in self._split_entries:
            return True
        if not self._ledger.split(entry, [encode_submissions([single]) for single in singles]):
            return False
        log.warning("entry_split", entry=entry.entry_id.decode(), scans=len(singles), deliveries=entry.deliveries)
        self._split_entries.append(entry.entry_id)
        return True

    def _apply(
        self,
        scans: Sequence[Scan],
        origins: Sequence[Origin],
        deliveries: dict[int, Mirrored],
        *,
        last_try: bool = False,
    ) -> list[Result | None]:
        """Apply scans together; when that fails for good, in halves, until the one at fault stands alone."""
        first_origins: dict[str, Origin] = {}
        for scan, origin in zip(scans, origins, strict=True):
            first_origins.setdefault(scan.scan_id, origin)
        try:
            applied = self._applier.apply(scans, first_origins)
        except Exception as error:
            if is_transient(error):
                raise
            failure = error
        else:
            _note(deliveries, applied.deliveries)
            for scan, origin, result in zip(scans, origins, applied.results, strict=True):
                if result is ID_REUSED:
                    _note(deliveries, self._fail_scan(scan, origin, "id_reused", ID_REUSED_DETAIL, attempts=1))
            return list(applied.results)
        # Not while the error is handled: each would carry along those of all the batches that its scan was part of.
        if len(scans) > 1:
            middle = len(scans) // 2
            first_half = self._apply(scans[:middle], origins[:middle], deliveries)
            return first_half + self._apply(scans[middle:], origins[middle:], deliveries)
        if isinstance(failure, IntegrityError) and not last_try:
            # A constraint decided: against this scan, or for another transaction that was faster.
            return self._apply(scans, origins, deliveries, last_try=True)
        log.error("scan_failed", scan_id=scans[0].scan_id, exc_info=failure)
        detail = failed_work.describe(failure)
        _note(deliveries, self._fail_scan(scans[0], origins[0], "not_applicable", detail, attempts=1))
        return [None]

    def _fail_scan(self, scan: Scan, origin: Origin, reason: str, detail: str, attempts: int) -> list[Mirrored]:
        with self._database.transaction() as connection:
            return keep_failed(connection, scan, origin, reason, detail, attempts)

    def _fail_unreadable(self, entry: Entry, error: UnreadableEntryError) -> None:
        with self._database.transaction() as connection:
            failed_work.insert(
                connection,
                queue="scans",
                reason="unreadable",
                detail=str(error),
                payload={"body": entry.body.decode(errors="replace")},
                attempts=entry.deliveries,
            )


def keep_failed(
    connection: Connection, scan: Scan, origin: Origin, reason: str, detail: str, attempts: int
) -> list[Mirrored]:
    """Keep a scan as failed work with the request it came in; its device need not send it again."""
    message = encode_submissions([ScanSubmission(origin, [scan], None)])
    payload = {"scan_id": scan.scan_id, "body": message.decode()}
    failed_work.insert(connection, queue="scans", reason=reason, detail=detail, payload=payload, attempts=attempts)
    return add_failed(connection, [scan])


def _note(deliveries: dict[int, Mirrored], newer: Iterable[Mirrored]) -> None:
    """Keep the newest state of each device."""
    for each in newer:
        kept = deliveries.get(each.device_id)
        if kept is None or (kept.epoch, kept.revision) <= (each.epoch, each.revision):
            deliveries[each.device_id] = each


def _address_of(reply_to: str | None, offset: int) -> str | None:
    """Give the address of a submission's scan from that of its first."""
    if reply_to is None:
        return None
    try:
        address = ReplyAddress.read(reply_to)
    except ValueError:
        return None
    return address._replace(place=address.place + offset).write()


def _portions(submissions: Sequence[ScanSubmission], most: int) -> list[list[tuple[ScanSubmission, int, Scan]]]:
    """Lay the scans of submissions out in transactions of at most `most`, in the order they were accepted."""
    flat = [(submission, offset, scan) for submission in submissions for offset, scan in enumerate(submission.scans)]
    return [flat[start : start + most] for start in range(0, len(flat), most)]
