"""The ledgers against the database: what waits, who holds it, and whether everything accepted is somewhere.

Redis and Postgres are two systems that change while they are looked at. What is found in one look is looked at again a
moment later, and only what is still so is a finding.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError
from sqlalchemy import Connection, text

from tracetrack_common.celery_app import DRAIN_TASKS
from tracetrack_common.contracts import UnreadableEntryError, decode_command, decode_submissions
from tracetrack_common.db.arrays import array_literal
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import EXAMPLES, System
from tracetrack_common.ledger import GROUP, Ledger, LedgerKeys, LedgerState

LEASES_OF_GRACE = 3
"""An entry left untouched for so many leases has nobody who comes for it: the sweeper looks once a second."""
_PAGE = 100
_LOOK_UP_AT_ONCE = 1_000

_FIND_DONE = text(
    "SELECT CAST(scan_id AS text) FROM scan WHERE scan_id = ANY(CAST(:ids AS uuid[]))"
    " UNION SELECT CAST(command_id AS text) FROM command WHERE command_id = ANY(CAST(:ids AS uuid[]))"
)
_FIND_FAILED = text("SELECT payload->>'scan_id' FROM failed_work WHERE payload->>'scan_id' = ANY(CAST(:ids AS text[]))")

Entries = Sequence[tuple[bytes, dict[bytes, bytes]]]


def check_ledgers(system: System) -> Examined:
    """Look at every queue's ledger."""
    findings: list[Finding] = []
    waiting = []
    for queue in DRAIN_TASKS:
        state, found = _check_ledger(system, queue)
        findings += found
        waiting.append(f"{queue} {state.entries:,}")
    return Examined(f"entries that wait: {', '.join(waiting)}", tuple(findings))


def _check_ledger(system: System, queue: str) -> tuple[LedgerState, list[Finding]]:
    keys = LedgerKeys(queue)
    state = Ledger(system.redis, queue, consumer="doctor", lease_s=system.settings.lease_s).state()
    findings = []
    if state.oldest_age_s > system.limits.ledger_age_s:
        detail = f"{state.entries:,} entries wait, the oldest for {state.oldest_age_s:,.0f} s"
        findings.append(Finding("ledger_old", queue, detail))
    grace_ms = int(LEASES_OF_GRACE * system.settings.lease_s * 1000)
    if holders := _find_dead_holders(system.redis, keys, grace_ms):
        held = ", ".join(f"{name} {entries:,}" for name, entries in holders.most_common(EXAMPLES))
        findings.append(Finding("ledger_abandoned", queue, f"{sum(holders.values()):,} entries are held by {held}"))
    identities = system.redis.hlen(keys.index)
    if state.entries > system.limits.ledger_entries or identities > system.limits.ledger_identities:
        detail = f"{state.entries:,} entries with {identities:,} identities wait"
        findings.append(Finding("ledger_backlog", queue, detail))
    else:
        findings += _find_applied_entries(system, queue, grace_ms)
        findings += _find_ids_without_entry(system, queue)
    return state, findings


def _find_dead_holders(redis: Redis, keys: LedgerKeys, grace_ms: int) -> Counter[str]:
    """Count the entries that were left untouched for longer than anybody alive leaves them, by their holder."""
    try:
        pending = cast(
            "list[dict[str, Any]]",
            redis.xpending_range(keys.stream, GROUP, min="-", max="+", count=_LOOK_UP_AT_ONCE, idle=grace_ms),
        )
    except ResponseError:  # there is no group yet: nobody has ever held anything
        return Counter()
    return Counter(each["consumer"].decode() for each in pending)


def _find_applied_entries(system: System, queue: str, grace_ms: int) -> list[Finding]:
    """Find the entries, old enough to be no worker's work of this moment, whose every scan is in the database."""
    keys = LedgerKeys(queue)
    seconds, _ = system.redis.time()
    oldest = cast(
        "Entries", system.redis.xrange(keys.stream, max=str(seconds * 1000 - grace_ms), count=_LOOK_UP_AT_ONCE)
    )
    ids_of = {entry_id: ids for entry_id, fields in oldest if (ids := _ids_in(queue, fields))}
    if not ids_of:
        return []
    with system.database.snapshot() as connection:
        done = _find_done(connection, {identity for ids in ids_of.values() for identity in ids})
    applied = [entry_id for entry_id, ids in ids_of.items() if done.issuperset(ids)]
    if applied:
        time.sleep(system.limits.settle_s)
    still = [each for each in applied if system.redis.xrange(keys.stream, min=each, max=each)]
    if not still:
        return []
    return [Finding("ledger_applied", queue, f"{len(still):,} entries, the first is {still[0].decode()}")]


def _find_ids_without_entry(system: System, queue: str) -> list[Finding]:
    """Find the identities in the index that are in no entry, and tell what was done from what was lost."""
    keys = LedgerKeys(queue)
    left = {
        identity.decode(): actor.decode()
        for identity, actor in system.redis.hscan_iter(keys.index, count=_LOOK_UP_AT_ONCE)
    }
    # Twice: an identity may be sent again while the entries are read, behind the place that was read last.
    for look in range(2):
        if look and left:
            time.sleep(system.limits.settle_s)
        left = _without_entries(system.redis, queue, left)
    if not left:
        return []
    with system.database.snapshot() as connection:
        done = _find_done(connection, left) | _find_failed(connection, left)
    findings = []
    if stale := sorted(left.keys() & done):
        findings.append(Finding("ledger_id_left", queue, f"{len(stale):,} identities: {_first(stale)}"))
    if lost := sorted(f"{identity} of {actor}" for identity, actor in left.items() if identity not in done):
        findings.append(Finding("ledger_id_lost", queue, f"{len(lost):,} identities: {_first(lost)}"))
    return findings


def _without_entries(redis: Redis, queue: str, index: dict[str, str]) -> dict[str, str]:
    """Take from these identities those that an entry holds, and those that have left the index meanwhile."""
    if not index:
        return {}
    left = dict(index)
    for _, fields in _walk(redis, LedgerKeys(queue).stream):
        for identity in _ids_in(queue, fields):
            left.pop(identity, None)
    for some in _portions(list(left)):
        still = cast("list[bytes | None]", redis.hmget(LedgerKeys(queue).index, some))
        for identity, actor in zip(some, still, strict=True):
            if actor is None:
                del left[identity]
    return left


def _walk(redis: Redis, stream: str) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    """Give the entries from the oldest to the newest, those that come meanwhile too."""
    after = "-"
    while page := cast("Entries", redis.xrange(stream, min=after, count=_PAGE)):
        yield from page
        after = f"({page[-1][0].decode()}"


def _ids_in(queue: str, fields: dict[bytes, bytes]) -> list[str]:
    """Give the identities in an entry; one that cannot be read has none, and goes to the failed work."""
    try:
        if queue == "scans":
            return [scan.scan_id for each in decode_submissions(fields[b"e"]) for scan in each.scans]
        return [decode_command(fields[b"e"]).command_id]
    except (UnreadableEntryError, KeyError):
        return []


def _find_done(connection: Connection, ids: Collection[str]) -> set[str]:
    found: set[str] = set()
    for some in _portions(ids):
        found.update(connection.scalars(_FIND_DONE, {"ids": array_literal(some)}))
    return found


def _find_failed(connection: Connection, ids: Iterable[str]) -> set[str]:
    return set(connection.scalars(_FIND_FAILED, {"ids": array_literal(ids)}))


def _portions(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while some := list(islice(rest, _LOOK_UP_AT_ONCE)):
        yield some


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", …" if len(names) > EXAMPLES else "")
