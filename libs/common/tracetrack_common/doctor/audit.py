"""The audit log: its chains unbroken, and every batch's scans those that were written."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, text

from tracetrack_common.audit import digest_rows, find_broken_rows
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import EXAMPLES, System

# Both are read side by side, in the same order; the text of a batch's identity sorts as the identity does.
_SELECT_SCANS = text(
    "SELECT CAST(batch_id AS text), CAST(scan_id AS text), device_id, user_id, kind, code, target, outcome, scanned_at"
    " FROM scan ORDER BY batch_id"
)
_SELECT_BATCHES = text(
    "SELECT substr(object, 7) AS batch, after FROM audit_log"
    " WHERE action = 'scans.apply' AND object LIKE 'batch:%' ORDER BY object COLLATE \"C\""
)
_COUNT = text("SELECT count(*) AS rows, count(DISTINCT chain) AS chains FROM audit_log")
_STREAMED = {"yield_per": 2_000}
"""As many rows are in memory at once, and one batch, which is at most a transaction's worth."""


class _Proof(NamedTuple):
    """A batch as it is found: how many scans, with which digest."""

    batch: str
    scans: int
    sha256: str


class _Tally:
    """Counts what is at fault and keeps the first of it."""

    def __init__(self) -> None:
        self.total = 0
        self.first: list[str] = []

    def add(self, text_: str) -> None:
        self.total += 1
        if len(self.first) < EXAMPLES:
            self.first.append(text_)

    def finding(self, code: str, subject: str, what: str) -> list[Finding]:
        if not self.total:
            return []
        more = "; …" if self.total > len(self.first) else ""
        return [Finding(code, subject, f"{self.total:,} {what}: {'; '.join(self.first)}{more}")]


def check_audit(system: System) -> Examined:
    """Walk every chain, and recompute every batch's digest from its scans; in constant memory."""
    counted = system.rows.execute(_COUNT).one()
    broken, altered, unknown = _Tally(), _Tally(), _Tally()
    for chain, seq in find_broken_rows(system.rows):
        broken.add(f"chain {chain}, row {seq}")
    batches = scans = 0
    for noted, found in _pair(_noted(system.rows), _recomputed(system.rows)):
        batches += 1
        scans += found.scans if found else 0
        if noted is None and found is not None:
            unknown.add(f"{found.batch} with {found.scans:,} scans")
        elif noted is not None and noted != found:
            there = f"{found.scans:,}" if found else "none"
            altered.add(f"{noted.batch}: {noted.scans:,} were written, {there} are there")
    return Examined(
        f"{counted.rows:,} rows in {counted.chains} chains; {scans:,} scans in {batches:,} batches",
        (
            *broken.finding("audit_chain_broken", "audit_log", "places"),
            *altered.finding("audit_scans_altered", "scan", "batches"),
            *unknown.finding("audit_batch_unknown", "scan", "batches"),
        ),
    )


def _noted(connection: Connection) -> Iterator[_Proof]:
    for row in connection.execute(_SELECT_BATCHES, execution_options=_STREAMED):
        after = row.after if isinstance(row.after, dict) else {}
        scans = after.get("scans")
        yield _Proof(row.batch, scans if isinstance(scans, int) else 0, str(after.get("sha256")))


def _recomputed(connection: Connection) -> Iterator[_Proof]:
    rows = connection.execute(_SELECT_SCANS, execution_options=_STREAMED)
    for batch, of_batch in groupby(rows, key=itemgetter(0)):
        scans = [row[1:] for row in of_batch]
        yield _Proof(batch, len(scans), digest_rows(scans))


def _pair(noted: Iterator[_Proof], found: Iterator[_Proof]) -> Iterator[tuple[_Proof | None, _Proof | None]]:
    """Bring together what was noted and what is found of each batch; both come in the order of the batches."""
    left, right = next(noted, None), next(found, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.batch < right.batch):
            yield left, None
            left = next(noted, None)
        elif left is None or right.batch < left.batch:
            yield None, right
            right = next(found, None)
        else:
            yield left, right
            left, right = next(noted, None), next(found, None)
