"""The books: what devices were told was accepted, against what the database and the ledgers hold."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from tests.fault.waves import CAPACITY, Wanted
from tracetrack_common.db.session import Database
from tracetrack_common.doctor.examination import examine
from tracetrack_common.settings import Settings

_REUSED = "id_reused"
_CHECKS = ("ledgers", "counts", "tallies", "orphans", "effects", "audit")

_SCANS = text(
    "SELECT CAST(scan_id AS text) AS scan_id, kind, code, target, outcome"
    " FROM scan JOIN device USING (device_id) WHERE device.name = ANY(:devices)"
)
_LINKS = text(
    "SELECT child.code AS child, parent.code AS parent FROM bag_link"
    " JOIN bag AS child ON child.bag_id = bag_link.child_id JOIN bag AS parent ON parent.bag_id = bag_link.parent_id"
    " WHERE parent.code = ANY(:sacks)"
)
_SACKS = text("SELECT code, children FROM bag WHERE code = ANY(:sacks)")
_FAILED = text(
    "SELECT payload ->> 'scan_id' AS scan_id, reason FROM failed_work WHERE payload ->> 'scan_id' = ANY(:ids)"
)
_TALLIES = text(
    "SELECT coalesce(sum(CASE WHEN name LIKE 'scan.%' THEN value END), 0)"
    " - (SELECT count(*) FROM scan) AS too_many FROM tally"
)


@dataclass(frozen=True)
class Balance:
    """What the comparison gave.

    Parameters
    ----------
    accepted
        Scans that some device has a 2xx for.
    applied, refused, failed
        What became of the accepted ones.
    reused
        Identities that came again with other content, and stand as they came first.
    lost
        Accepted ones that are nowhere.
    doubled
        Effects and counts beyond one a scan.
    unexplained
        Sentences about what should not be so.
    """

    accepted: int
    applied: int
    refused: int
    failed: Counter[str]
    reused: Collection[str]
    lost: int
    doubled: int
    unexplained: Sequence[str]


def balance(
    settings: Settings, *, devices: Sequence[str], accepted: Collection[str], wanted: Mapping[str, Wanted]
) -> Balance:
    """Compare, when nothing waits any more.

    Parameters
    ----------
    settings
        The servers.
    devices
        Names of the devices concerned.
    accepted
        Identities they have a 2xx for.
    wanted
        All they recorded, by identity.
    """
    sacks = sorted({each.sack or each.code for each in wanted.values()})
    with closing(Database(settings, application_name="tests-books")) as database, database.snapshot() as connection:
        rows = {row.scan_id: row for row in connection.execute(_SCANS, {"devices": list(devices)})}
        reasons = [(row.scan_id, row.reason) for row in connection.execute(_FAILED, {"ids": list(wanted)})]
        links = [tuple(row) for row in connection.execute(_LINKS, {"sacks": sacks})]
        counts = {row.code: row.children for row in connection.execute(_SACKS, {"sacks": sacks})}
        too_many = int(connection.scalar(_TALLIES) or 0)
    held = Counter(parent for _, parent in links)
    in_too_many = sum(count - 1 for count in Counter(child for child, _ in links).values())
    miscounted = sum(max(0, counts[sack] - held[sack]) for sack in counts)
    failed = {scan_id: reason for scan_id, reason in reasons if reason != _REUSED}
    by_outcome = Counter(row.outcome for scan_id, row in rows.items() if scan_id in accepted)
    return Balance(
        accepted=len(accepted),
        applied=by_outcome["applied"],
        refused=by_outcome.total() - by_outcome["applied"],
        failed=Counter(failed.values()),
        reused={scan_id for scan_id, reason in reasons if reason == _REUSED},
        lost=len(set(accepted) - rows.keys() - failed.keys()),
        doubled=in_too_many + miscounted + max(0, too_many),
        unexplained=[*_oddities(rows, wanted, failed, held), *_findings(settings)],
    )


def _oddities(
    rows: Mapping[str, Any], wanted: Mapping[str, Wanted], failed: Mapping[str, str], held: Mapping[str, int]
) -> list[str]:
    """Say what of the scans themselves should not be so."""
    odd = [f"scan {scan_id} was never made" for scan_id in rows.keys() - wanted.keys()]
    odd += [
        f"scan {scan_id} ({wanted[scan_id]}) came to {row.outcome}"
        for scan_id, row in rows.items()
        if scan_id in wanted and row.outcome not in wanted[scan_id].outcomes
    ]
    odd += [
        f"scan {scan_id} is failed work ({reason}) and applied" for scan_id, reason in failed.items() if scan_id in rows
    ]
    meant = Counter(wanted[scan_id].sack for scan_id in rows if scan_id in wanted and wanted[scan_id].sack)
    odd += [
        f"sack {sack} holds {held[sack]} of {count}"
        for sack, count in meant.items()
        if sack and held[sack] != min(count, CAPACITY)
    ]
    return odd


def _findings(settings: Settings) -> list[str]:
    """Say what the doctor finds."""
    report = examine(settings, only=_CHECKS)
    return [f"{finding.code}: {finding.subject}, {finding.detail}" for finding in report.findings]
