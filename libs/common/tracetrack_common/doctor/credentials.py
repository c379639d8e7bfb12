"""Credentials: the mirror in Redis must say what Postgres says."""

import time
from collections.abc import Collection

from tracetrack_common.credentials import COMPLETE_FIELD, MIRROR_KEY, MirrorDifference, compare_mirror
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import EXAMPLES, System


def check_credentials(system: System) -> Examined:
    """Compare the mirror with Postgres; only what differs in two looks is a finding, since people log in meanwhile."""
    seen = _look(system)
    if seen.is_empty:
        return Examined(f"{seen.credentials:,} credentials")
    time.sleep(system.limits.settle_s)
    again = _look(system)
    findings = []
    missing, outdated = seen.missing & again.missing, seen.outdated & again.outdated
    if not (seen.complete or again.complete):
        detail = f"the field `{COMPLETE_FIELD}` is not there, nor are {len(missing):,} credentials"
        findings.append(Finding("mirror_incomplete", MIRROR_KEY, detail))
    elif missing:
        findings.append(Finding("mirror_missing", MIRROR_KEY, _name(missing, "credentials are not in it")))
    if outdated:
        findings.append(Finding("mirror_outdated", MIRROR_KEY, _name(outdated, "entries are not so in PostgreSQL")))
    return Examined(f"{again.credentials:,} credentials", tuple(findings))


def _look(system: System) -> MirrorDifference:
    """Compare with Postgres as it is now: the snapshot may be older than what is in the mirror."""
    with system.database.snapshot() as connection:
        return compare_mirror(system.redis, connection, system.now())


def _name(owners: Collection[str], sentence: str) -> str:
    first = ", ".join(sorted(owners)[:EXAMPLES])
    return f"{len(owners):,} {sentence}: {first}" + (", …" if len(owners) > EXAMPLES else "")
