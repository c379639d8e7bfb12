"""Replaying scans: applied as all scans are, in the transaction that says so (docs/failed-work.md)."""

from collections import Counter
from collections.abc import Iterable, Sequence

from redis import Redis
from sqlalchemy import Connection

from tracetrack_common import failed_work
from tracetrack_common.contracts import Origin, ScanSubmission, decode_submissions
from tracetrack_common.db.session import Database, is_transient
from tracetrack_common.delivery import mirror_devices
from tracetrack_common.domain.scans import Scan
from tracetrack_common.errors import ConflictError
from tracetrack_common.ledger import LedgerKeys
from tracetrack_scan_worker.apply import ID_REUSED, Applier
from tracetrack_scan_worker.scans import ID_REUSED_DETAIL, keep_failed

_FAILED = "failed_work"


class ScanRoad:
    """The road of scans.

    Parameters
    ----------
    database
        Where they go.
    redis
        Holds what devices and the ledger's readers are told.
    """

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis
        self._applier = Applier(database)

    def redo(self, connection: Connection, body: bytes) -> str:
        """Apply the scans of a message; one that was applied meanwhile changes nothing.

        Of a message that nobody could read before, what cannot be applied becomes a piece of its own.

        Raises
        ------
        ConflictError
            Its only scan's identity stands for another one.
        UnreadableEntryError
            Nobody can read it still.
        """
        scans, origins = _lay_out(decode_submissions(body))
        if len(scans) > 1:
            outcomes = self._apply(connection, scans, origins)
        else:
            results = self._applier.apply_in(connection, scans, _first_origins(scans, origins)).results
            if ID_REUSED in results:
                raise ConflictError(
                    "This scan_id stands for another scan, which is the first and stays. Discard this one; if it was"
                    " really scanned, it has to be scanned again."
                )
            outcomes = [result.outcome.value for result in results]
        counts = sorted(Counter(outcomes).items())
        return ", ".join(f"{count:,} {outcome}" for outcome, count in counts) or "nothing was in it"

    def follow_up(self, body: bytes) -> None:
        """Tell the devices what has arrived, and take the scans out of the ledger's index where they are left."""
        scans, _ = _lay_out(decode_submissions(body))
        device_ids = {scan.device_id for scan in scans if scan.device_id is not None}
        with self._database.snapshot() as connection:
            mirror_devices(self._redis, connection, device_ids)
        if scans:
            self._redis.hdel(LedgerKeys("scans").index, *[scan.scan_id for scan in scans])

    def _apply(self, connection: Connection, scans: Sequence[Scan], origins: Sequence[Origin]) -> list[str]:
        """Apply scans together; when that fails for good, in halves, until the one at fault stands alone."""
        try:
            with self._database.savepoint(connection):
                results = self._applier.apply_in(connection, scans, _first_origins(scans, origins)).results
        except Exception as error:
            if is_transient(error):
                raise
            if len(scans) == 1:
                keep_failed(connection, scans[0], origins[0], "not_applicable", failed_work.describe(error), 1)
                return [_FAILED]
            middle = len(scans) // 2
            first_half = self._apply(connection, scans[:middle], origins[:middle])
            return first_half + self._apply(connection, scans[middle:], origins[middle:])
        for scan, origin, result in zip(scans, origins, results, strict=True):
            if result is ID_REUSED:
                keep_failed(connection, scan, origin, "id_reused", ID_REUSED_DETAIL, 1)
        return [_FAILED if result is ID_REUSED else result.outcome.value for result in results]


def _lay_out(submissions: Iterable[ScanSubmission]) -> tuple[list[Scan], list[Origin]]:
    """Give the scans of submissions in their order, each with its request."""
    pairs = [(scan, submission.origin) for submission in submissions for scan in submission.scans]
    return [scan for scan, _ in pairs], [origin for _, origin in pairs]


def _first_origins(scans: Sequence[Scan], origins: Sequence[Origin]) -> dict[str, Origin]:
    return {scan.scan_id: origin for scan, origin in zip(reversed(scans), reversed(origins), strict=True)}
