"""Accepting: what is to be done is in the ledger before anybody is told that it was accepted.

Group commit: while one write to Redis is under way the next one fills, so a write carries whatever waited. There is no
timer and nothing is added when the gateway is idle; a single scan is a group of one.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from redis import asyncio as aioredis
from redis import exceptions as redis_errors

from tracetrack_common import delivery
from tracetrack_common.contracts import ScanSubmission, encode_submissions
from tracetrack_common.errors import UnavailableError
from tracetrack_common.ledger import LedgerKeys
from tracetrack_common.log import get_logger

log = get_logger(__name__)

SCANS_PER_ENTRY = 200
"""An entry is what a worker takes at once; larger groups become several entries of the same write."""


_MAYBE = (
    "The ledger did not answer in time. A scan can simply be sent again, its scan_id keeps it from counting twice;"
    " repeat anything else with the same Idempotency-Key, or look first whether it was done."
)
_WAITED = {True: ("w", "1"), False: ()}


class LedgerWriter:
    """Writes entries to one queue's ledger.

    Parameters
    ----------
    redis
        The gateway's client.
    queue
        Which ledger.
    summon
        Asks for a worker; called only when none is draining.
    """

    def __init__(self, redis: aioredis.Redis, queue: str, *, summon: Callable[[], None]) -> None:
        self._redis = redis
        self._keys = LedgerKeys(queue)
        self._summon = summon

    async def write(
        self, bodies: Sequence[tuple[bytes, bool]], ids: Sequence[tuple[str, str]], devices: Sequence[int] = ()
    ) -> Mapping[int, bytes]:
        """Write entries and the identities that are in them, all or nothing.

        Parameters
        ----------
        bodies
            The entries, each with whether somebody waits for its outcome.
        ids
            Pairs of an identity and the actor who sent it.
        devices
            The devices to look up in the same round trip.

        Returns
        -------
        Mapping
            What has arrived of each of these devices, as JSON; a device that the mirror does not know is left out.

        Raises
        ------
        UnavailableError
            Redis did not take them, or did not answer in time; a repetition is safe.
        """
        pipeline = self._redis.pipeline(transaction=True)
        for body, waited in bodies:
            pipeline.execute_command("XADD", self._keys.stream, "*", "e", body, *_WAITED[waited])
        pipeline.execute_command("HSET", self._keys.index, *[part for pair in ids for part in pair])
        if devices:
            pipeline.execute_command("HMGET", delivery.MIRROR_KEY, *devices)
        pipeline.exists(self._keys.draining)
        try:
            answers = await pipeline.execute()
        except (redis_errors.RedisError, OSError) as error:
            log.warning("ledger_write_failed", queue=self._keys.queue, reason=str(error))
            if isinstance(error, redis_errors.TimeoutError):
                raise UnavailableError(_MAYBE) from error
            raise UnavailableError("The ledger does not take it; nothing was accepted, send it again.") from error
        if not answers[-1]:
            self._summon()
        if not devices:
            return {}
        return {
            device: delivery.document_of(value) for device, value in zip(devices, answers[-2], strict=True) if value
        }


@dataclass(slots=True)
class _Group:
    """What leaves with the next write."""

    submissions: list[ScanSubmission] = field(default_factory=list)
    accepted: asyncio.Future[Mapping[int, bytes]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class ScanAcceptor:
    """Accepts scans in group commits.

    Parameters
    ----------
    writer
        Writes to the scans' ledger.
    """

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer
        self._next: _Group | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def accept(self, submission: ScanSubmission) -> bytes | None:
        """Accept the scans of one request; when this returns, they are in the ledger.

        Returns
        -------
        bytes or None
            What had arrived of their device when they were accepted, as JSON; None where nothing is known.

        Raises
        ------
        UnavailableError
            They were not accepted.
        """
        if self._next is None:
            self._next = _Group()
        group = self._next
        group.submissions.append(submission)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        # A caller that gives up must not take the group's other requests with it.
        known = await asyncio.shield(group.accepted)
        return known.get(submission.scans[0].device_id or 0)

    async def _flush(self) -> None:
        try:
            while (group := self._next) is not None:
                self._next = None
                try:
                    known = await self._write(group.submissions)
                except Exception as error:  # noqa: BLE001 - each waiting request raises it for itself
                    group.accepted.set_exception(error)
                    group.accepted.exception()
                else:
                    group.accepted.set_result(known)
        finally:
            self._flushing = None

    async def _write(self, submissions: Sequence[ScanSubmission]) -> Mapping[int, bytes]:
        bodies: list[tuple[bytes, bool]] = []
        ids: list[tuple[str, str]] = []
        entry: list[ScanSubmission] = []
        scans = 0
        for submission in submissions:
            if entry and scans + len(submission.scans) > SCANS_PER_ENTRY:
                bodies.append(_encode(entry))
                entry, scans = [], 0
            entry.append(submission)
            scans += len(submission.scans)
            ids += [(scan.scan_id, f"device:{scan.device_id}") for scan in submission.scans]
        bodies.append(_encode(entry))
        devices = {each.scans[0].device_id or 0 for each in submissions}
        return await self._writer.write(bodies, ids, list(devices))


def _encode(entry: Sequence[ScanSubmission]) -> tuple[bytes, bool]:
    return encode_submissions(entry), any(submission.reply_to is not None for submission in entry)
