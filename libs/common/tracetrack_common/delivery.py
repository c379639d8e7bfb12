"""What arrived of each device's counters: kept exactly in Postgres, and mirrored in Redis for the replies to devices.

The counters of a batch are added in the batch's own transaction. The worker mirrors what it added when it settles the
batch, before it replies, so a reply never claims what is not committed. Two workers may settle in another order than
they committed in; the mirror takes the newer state only.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import orjson
from redis import Redis
from redis.client import Pipeline
from sqlalchemy import Connection, Row, text

from tracetrack_common.db.arrays import array_literal, text_array_literal
from tracetrack_common.domain.delivery import Delivery, Range, describe_delivery, gather
from tracetrack_common.domain.scans import Scan
from tracetrack_common.log import get_logger

log = get_logger(__name__)

MIRROR_KEY = "tt:delivery"
"""Hash: a device's key, to ``epoch revision document`` of its newest epoch."""
COMPLETE_FIELD = "complete"
"""Field of the mirror that is there once it holds every device; Redis without it was emptied."""

RANGES_SHOWN = 32
"""In each list of a reply: enough for any day that was not a disaster, and at most a kilobyte or so."""
RANGES_KEPT = 4_096
"""In a row. A device that counts by rule has a handful; one that counts wildly must not make every batch write
megabytes. What is beyond is forgotten and shows as missing, the safe side: it is sent again and found to be there."""

_LAST_COUNTER = 2**63 - 2
"""The last one that a range of eight-byte integers can end with."""
_RANGE = re.compile(r"\[(\d+),(\d+)\)")

_ADD = (
    "INSERT INTO device_delivery AS kept (device_id, epoch, {column})"
    " SELECT device_id, epoch, seqs"
    " FROM unnest(CAST(:devices AS int[]), CAST(:epochs AS int[]), CAST(:seqs AS int8multirange[]))"
    " AS given (device_id, epoch, seqs) ORDER BY device_id, epoch"
    " ON CONFLICT (device_id, epoch) DO UPDATE"
    " SET {column} = kept.{column} + excluded.{column}, revision = kept.revision + 1"
    " WHERE NOT kept.{column} @> excluded.{column}"
    " RETURNING *"
)
_ADD_APPLIED = text(_ADD.format(column="applied_seqs"))
_ADD_FAILED = text(_ADD.format(column="failed_seqs"))
_SELECT_GIVEN = text(
    "SELECT * FROM device_delivery"
    " WHERE (device_id, epoch) IN (SELECT * FROM unnest(CAST(:devices AS int[]), CAST(:epochs AS int[])))"
)
_TRIM = text(
    "UPDATE device_delivery SET revision = revision + 1,"
    " applied_seqs = (SELECT coalesce(range_agg(each), '{}') FROM"
    " (SELECT unnest(applied_seqs) AS each ORDER BY each LIMIT :most) AS lowest),"
    " failed_seqs = (SELECT coalesce(range_agg(each), '{}') FROM"
    " (SELECT unnest(failed_seqs) AS each ORDER BY each LIMIT :most) AS lowest)"
    " WHERE device_id = :device_id AND epoch = :epoch RETURNING *"
)
_SELECT_NEWEST = text("SELECT DISTINCT ON (device_id) * FROM device_delivery ORDER BY device_id, epoch DESC")
_SELECT_NEWEST_GIVEN = text(
    "SELECT DISTINCT ON (device_id) * FROM device_delivery WHERE device_id = ANY(CAST(:devices AS int[]))"
    " ORDER BY device_id, epoch DESC"
)
_SELECT_DEVICE = text(
    "SELECT * FROM device_delivery WHERE device_id = :device_id"
    " AND epoch < coalesce(CAST(:below AS bigint), 2147483648) ORDER BY epoch DESC LIMIT :limit"
)

_MIRROR_NEWER = """#!lua flags=allow-oom
for i = 1, #ARGV, 4 do
  local kept = redis.call('HGET', KEYS[1], ARGV[i])
  local epoch, revision = string.match(kept or '-1 -1', '^(%-?%d+) (%-?%d+)')
  local newer = tonumber(ARGV[i + 1]) - tonumber(epoch)
  if newer > 0 or (newer == 0 and tonumber(ARGV[i + 2]) > tonumber(revision)) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2] .. ' ' .. ARGV[i + 3])
  end
end
"""


class Arrived(NamedTuple):
    """What arrived of one epoch of one device, as it stands in Postgres.

    Parameters
    ----------
    device_id, epoch
        Whose, and of which run.
    revision
        Grows with every change.
    applied, failed
        Ranges of counters: recorded with an outcome; failed work at any time.
    """

    device_id: int
    epoch: int
    revision: int
    applied: Sequence[Range]
    failed: Sequence[Range]

    def describe(self, most: int = RANGES_SHOWN) -> Delivery:
        """Say it as a device is told, with at most so many ranges in each list."""
        return describe_delivery(self.epoch, self.applied, self.failed, most=most)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """The newest state of a device, ready for the mirror and for replies.

    Parameters
    ----------
    device_id, epoch, revision
        Which state.
    document
        JSON as the API shows it.
    """

    device_id: int
    epoch: int
    revision: int
    document: bytes


def add_applied(connection: Connection, scans: Iterable[Scan]) -> list[Mirrored]:
    """Note the counters of scans that are recorded with an outcome, in the transaction that records them.

    Adding counters that are there already changes nothing.

    Parameters
    ----------
    connection
        Inside the transaction; the rows stay locked until its end, so this comes last in it.
    scans
        Those without a counter, or not from a device, are passed over.

    Returns
    -------
    list of Mirrored
        The state of every device concerned, of its newest epoch among these.
    """
    return _add(connection, _ADD_APPLIED, scans)


def add_failed(connection: Connection, scans: Iterable[Scan]) -> list[Mirrored]:
    """Note the counters of scans that became failed work, in the transaction that keeps it; as `add_applied`."""
    return _add(connection, _ADD_FAILED, scans)


def find_epochs(connection: Connection, device_id: int, *, limit: int, below: int | None = None) -> list[Arrived]:
    """Give what arrived of a device's epochs, newest first.

    Parameters
    ----------
    connection
        Of a worker or of a gateway.
    device_id
        Whose.
    limit
        At most so many.
    below
        Only epochs before this one.
    """
    found = connection.execute(_SELECT_DEVICE, {"device_id": device_id, "limit": limit, "below": below})
    return [_arrived_of(row) for row in found]


def mirror(pipeline: Pipeline, states: Collection[Mirrored]) -> None:
    """Put states in the mirror, each unless a newer one of its device is there."""
    values = [part for each in states for part in (each.device_id, each.epoch, each.revision, each.document)]
    pipeline.eval(_MIRROR_NEWER, 1, MIRROR_KEY, *values)


def mirror_every_device(redis: Redis, connection: Connection) -> int:
    """Fill the mirror from Postgres where it was emptied, and take back what it claims beyond Postgres.

    What is mirrored was committed before. So a mirror that is ahead of Postgres, which is read after it, proves that
    Postgres was restored from a backup; devices would otherwise be told that scans have arrived that are gone.

    Returns
    -------
    int
        How many devices there are in it.
    """
    present = cast("dict[bytes, bytes]", redis.hgetall(MIRROR_KEY))
    states = [_mirrored_of(_arrived_of(row)) for row in connection.execute(_SELECT_NEWEST)]
    known = {str(each.device_id).encode(): (each.epoch, each.revision) for each in states}
    ahead = [
        device
        for device, value in present.items()
        if device != COMPLETE_FIELD.encode() and known.get(device, (-1, -1)) < _place_of(value)
    ]
    pipeline: Pipeline = redis.pipeline(transaction=True)
    if ahead:
        log.warning("delivery_mirror_taken_back", devices=len(ahead))
        pipeline.hdel(MIRROR_KEY, *ahead)
    if states:
        mirror(pipeline, states)
    pipeline.hset(MIRROR_KEY, COMPLETE_FIELD, "1")
    pipeline.execute()
    return len(states)


def mirror_devices(redis: Redis, connection: Connection, device_ids: Collection[int]) -> None:
    """Put the newest state of these devices in the mirror, for changes that no drain settles."""
    rows = connection.execute(_SELECT_NEWEST_GIVEN, {"devices": array_literal(device_ids)})
    if states := [_mirrored_of(_arrived_of(row)) for row in rows]:
        pipeline: Pipeline = redis.pipeline(transaction=True)
        mirror(pipeline, states)
        pipeline.execute()


def _place_of(value: bytes) -> tuple[int, int]:
    """Give the epoch and the revision in a field of the mirror."""
    epoch, revision, _ = value.split(b" ", 2)
    return int(epoch), int(revision)


def document_of(value: bytes) -> bytes:
    """Give the JSON document in a field of the mirror."""
    return value.split(b" ", 2)[2]


def delivery_document(delivery: Delivery) -> dict[str, Any]:
    """Give a state as every reply shows it."""
    return {
        "epoch": delivery.epoch,
        "applied_through": delivery.applied_through,
        "missing": delivery.missing,
        "failed": delivery.failed,
        "listed_through": delivery.listed_through,
    }


def _add(connection: Connection, statement: Any, scans: Iterable[Scan]) -> list[Mirrored]:
    counters: dict[tuple[int, int], list[int]] = defaultdict(list)
    for scan in scans:
        if scan.seq is not None and scan.device_id is not None and scan.seq <= _LAST_COUNTER:
            counters[scan.device_id, scan.epoch or 0].append(scan.seq)
    if not counters:
        return []
    keys = {
        "devices": array_literal([device_id for device_id, _ in counters]),
        "epochs": array_literal([epoch for _, epoch in counters]),
    }
    given = {**keys, "seqs": text_array_literal([_multirange(gather(seqs)) for seqs in counters.values()])}
    found = [_arrived_of(row) for row in connection.execute(statement, given)]
    # What was there already is not returned by the statement.
    if len(found) < len(counters):
        changed = {(each.device_id, each.epoch) for each in found}
        rows = connection.execute(_SELECT_GIVEN, keys)
        found += [each for each in map(_arrived_of, rows) if (each.device_id, each.epoch) not in changed]
    newest: dict[int, Arrived] = {}
    for each in found:
        kept = _trim(connection, each) if max(len(each.applied), len(each.failed)) > RANGES_KEPT else each
        if kept.device_id not in newest or newest[kept.device_id].epoch < kept.epoch:
            newest[kept.device_id] = kept
    return [_mirrored_of(each) for each in newest.values()]


def _trim(connection: Connection, arrived: Arrived) -> Arrived:
    """Forget all but the lowest ranges."""
    values = {"device_id": arrived.device_id, "epoch": arrived.epoch, "most": RANGES_KEPT}
    return _arrived_of(connection.execute(_TRIM, values).one())


def _multirange(ranges: Iterable[Range]) -> str:
    return "{" + ",".join([f"[{first},{last + 1})" for first, last in ranges]) + "}"


def _arrived_of(row: Row[Any]) -> Arrived:
    return Arrived(row.device_id, row.epoch, row.revision, _ranges_of(row.applied_seqs), _ranges_of(row.failed_seqs))


def _ranges_of(multirange: str) -> list[Range]:
    """Read a multirange, which the driver gives as text."""
    return [(int(first), int(end) - 1) for first, end in _RANGE.findall(multirange)]


def _mirrored_of(arrived: Arrived) -> Mirrored:
    document = orjson.dumps(delivery_document(arrived.describe()))
    return Mirrored(arrived.device_id, arrived.epoch, arrived.revision, document)
