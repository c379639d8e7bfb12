"""A ledger as the gateway fills it, and time that passes without being waited for."""

from collections.abc import Sequence
from typing import cast

from redis import Redis

from tests.support.scans import ORIGIN
from tracetrack_common.contracts import Command, Origin, ScanSubmission, encode_command, encode_submissions
from tracetrack_common.domain.scans import Scan
from tracetrack_common.ledger import GROUP, Entry, Ledger, LedgerKeys

LEASE_S = 5.0
ANOTHER_GATEWAY = "tt:reply:gateway-of-a-test"


def open_ledger(redis: Redis, *, consumer: str = "one", queue: str = "scans", lease_s: float = LEASE_S) -> Ledger:
    """Give a worker's view of a ledger that is ready for use."""
    ledger = Ledger(redis, queue, consumer=consumer, lease_s=lease_s)
    ledger.ensure_group()
    return ledger


def accept_body(redis: Redis, body: bytes, *, queue: str = "scans", ids: Sequence[str] = ()) -> bytes:
    """Put an entry in a ledger as the gateway does, without a summons; give its place."""
    keys = LedgerKeys(queue)
    for identity in ids:
        redis.hset(keys.index, identity, "device:1")
    entry_id: bytes = redis.xadd(keys.stream, {"e": body, "w": "1"})  # type: ignore[assignment]
    return entry_id


def accept_scans(redis: Redis, scans: Sequence[Scan], *, reply_to: str | None = None, origin: Origin = ORIGIN) -> bytes:
    """Accept scans as one entry."""
    body = encode_submissions([ScanSubmission(origin, scans, reply_to)])
    return accept_body(redis, body, ids=[scan.scan_id for scan in scans])


def accept_command(redis: Redis, command: Command) -> bytes:
    """Accept a command."""
    return accept_body(redis, encode_command(command), queue="commands", ids=[command.command_id])


def let_lease_run_out(
    redis: Redis, entries: Sequence[Entry], *, queue: str = "scans", lease_s: float = LEASE_S
) -> None:
    """Have entries look as if their holders had left them untouched for longer than the lease."""
    keys = LedgerKeys(queue)
    for entry in entries:
        (pending,) = redis.xpending_range(keys.stream, GROUP, min=entry.entry_id, max=entry.entry_id, count=1)
        redis.xclaim(
            keys.stream,
            GROUP,
            cast("bytes", pending["consumer"]).decode(),
            min_idle_time=0,
            message_ids=[entry.entry_id],
            idle=int(lease_s * 1000) + 1,
            retrycount=cast("int", pending["times_delivered"]),
            justid=True,
        )


def is_empty(redis: Redis, queue: str = "scans") -> bool:
    """Tell whether nothing is left in a ledger: no entry, no identity, nothing held."""
    keys = LedgerKeys(queue)
    return (
        not redis.xlen(keys.stream) and not redis.hlen(keys.index) and not redis.xpending(keys.stream, GROUP)["pending"]
    )
