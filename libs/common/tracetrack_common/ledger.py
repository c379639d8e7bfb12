"""The accept ledger: what was accepted and not yet committed, a Redis stream per queue (design.md, The way of a scan).

An entry is in the stream from before the 2xx until after the commit. A worker that takes an entry holds a lease on it:
the stream's pending list says who has it and for how long it was left untouched. The worker renews the lease while it
works; an entry whose holder died is taken over by the next one that asks. The Celery message is only a summons.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ResponseError

from tracetrack_common import delivery, feed
from tracetrack_common.delivery import Mirrored

GROUP = "workers"
GROUP_DELIVERIES = 2
"""How often an entry may be handed out among others; whoever handles it again handles nothing else meanwhile."""
DRAINING_TTL_MS = 2_000
"""How long the sign «somebody is draining» outlives a drainer that died; a summons that was not sent because of it is
made up for by the sweeper."""

_RENEW_HELD = """
local group, consumer = ARGV[1], ARGV[2]
local held = 0
for i = 4, #ARGV do
  if #redis.call('XPENDING', KEYS[1], group, ARGV[i], ARGV[i], 1, consumer) > 0 then
    if ARGV[3] == 'as if never tried' then
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, ARGV[i], 'RETRYCOUNT', 0, 'JUSTID')
    else
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, ARGV[i], 'JUSTID')
    end
    held = held + 1
  end
end
return held
"""
"""Renews the lease on those entries that the consumer still holds: a worker that was stopped for longer than its lease
must not take back what another has taken over."""

_SPLIT_HELD = """
local group, consumer, entry = ARGV[1], ARGV[2], ARGV[3]
if #redis.call('XPENDING', KEYS[1], group, entry, entry, 1, consumer) == 0 then
  return 0
end
for i = 4, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'e', ARGV[i])
end
redis.call('XACK', KEYS[1], group, entry)
redis.call('XDEL', KEYS[1], entry)
return 1
"""


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The Redis keys of one queue's ledger.

    Parameters
    ----------
    queue
        The queue: ``scans``, ``commands`` or ``reports``.
    """

    queue: str

    @property
    def stream(self) -> str:
        """The entries; field ``e`` holds the message, field ``w`` is there when somebody waits for the outcome."""
        return f"tt:ledger:{self.queue}"

    @property
    def index(self) -> str:
        """Hash of the identities that are in the ledger, to the actor that sent each."""
        return f"tt:ledger:{self.queue}:ids"

    @property
    def draining(self) -> str:
        """There while a worker drains, so that no summons is needed."""
        return f"tt:ledger:{self.queue}:draining"


def reply_channel(gateway_id: str) -> str:
    """Name the channel on which a gateway process hears the outcomes it waits for."""
    return f"tt:reply:{gateway_id}"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that this worker holds.

    Parameters
    ----------
    entry_id
        Its place in the stream.
    body
        The message.
    waited
        Whether somebody waits for its outcome.
    deliveries
        How often it was handed to a worker, this time included.
    """

    entry_id: bytes
    body: bytes
    waited: bool = True
    deliveries: int = 1


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How much waits.

    Parameters
    ----------
    entries
        Entries not committed yet.
    identities
        Scans or commands in them; one that was sent twice counts once.
    oldest_age_s
        Seconds since the oldest of them was accepted; 0 when there is none.
    undelivered
        Entries that no worker has taken yet.
    abandoned
        Entries whose holder left them untouched for longer than the lease.
    """

    entries: int
    identities: int
    oldest_age_s: float
    undelivered: int
    abandoned: int


class Ledger:
    """One queue's ledger as a worker uses it.

    Parameters
    ----------
    redis
        A client that gives bytes.
    queue
        Which queue.
    consumer
        This worker's name; no two processes share one.
    lease_s
        Seconds after which an untouched entry counts as abandoned.
    """

    def __init__(self, redis: Redis, queue: str, *, consumer: str, lease_s: float) -> None:
        self.keys = LedgerKeys(queue)
        self.is_watched = False
        """Whether somebody watched the live feed when entries were last taken."""
        self._redis = redis
        self._consumer = consumer
        self._lease_ms = int(lease_s * 1000)

    def ensure_group(self) -> None:
        """Make the stream and its consumer group where they are missing (first start, or an emptied Redis)."""
        try:
            self._redis.xgroup_create(self.keys.stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def take(self, count: int, *, block_ms: int | None = None, last_look: bool = False) -> list[Entry]:
        """Take entries that nobody has taken yet, in the order they were accepted.

        A publisher that adds an entry and sees the sign «somebody is draining» sends no summons. So the sign goes up
        before the look, and comes down before the last look: the entry is then seen by one side or the other.

        Parameters
        ----------
        count
            At most so many.
        block_ms
            Milliseconds to wait for the first one when there is none.
        last_look
            Take the sign down instead of putting it up.
        """
        pipeline = self._redis.pipeline(transaction=False)
        if last_look:
            pipeline.delete(self.keys.draining)
        else:
            pipeline.set(self.keys.draining, self._consumer, px=DRAINING_TTL_MS)
        pipeline.xreadgroup(GROUP, self._consumer, {self.keys.stream: ">"}, count=count, block=block_ms)
        pipeline.exists(feed.WATCHED_KEY)  # here it costs no way of its own
        # A full Redis refuses the sign and still hands out entries; those must not be dropped with its error.
        _, taken, watched = pipeline.execute(raise_on_error=False)
        if isinstance(taken, Exception):
            raise taken
        self.is_watched = watched == 1
        return [_entry_of(entry_id, fields) for entry_id, fields in _entries_of(taken) if fields]

    def take_over(self, count: int) -> list[Entry]:
        """Take entries whose holder left them untouched for longer than the lease.

        One that was handed out `GROUP_DELIVERIES` times is taken alone: if it kills whoever handles it, its neighbours
        must not be counted as killers with it.

        Parameters
        ----------
        count
            At most so many.
        """
        abandoned = cast(
            "list[dict[str, Any]]",
            self._redis.xpending_range(self.keys.stream, GROUP, min="-", max="+", count=count, idle=self._lease_ms),
        )
        deliveries = {each["message_id"]: int(each["times_delivered"]) for each in abandoned}
        suspects = [entry_id for entry_id, times in deliveries.items() if times >= GROUP_DELIVERIES]
        wanted: list[Any] = suspects[:1] or list(deliveries)
        if not wanted:
            return []
        claimed = cast(
            "list[tuple[bytes, dict[bytes, bytes]]]",
            self._redis.xclaim(
                self.keys.stream, GROUP, self._consumer, min_idle_time=self._lease_ms, message_ids=wanted
            ),
        )
        return [_entry_of(entry_id, fields, deliveries[entry_id] + 1) for entry_id, fields in claimed]

    def renew(self, entries: Iterable[Entry]) -> int:
        """Renew the lease on the entries that this worker still holds.

        Returns
        -------
        int
            How many those are.
        """
        return self._renew_held(entries)

    def give_back(self, entries: Iterable[Entry]) -> int:
        """Leave entries to whoever comes next, as if they had not been tried: the fault was not theirs.

        Returns
        -------
        int
            How many of them this worker still held.
        """
        return self._renew_held(entries, "as if never tried")

    def _renew_held(self, entries: Iterable[Entry], attempts: str = "") -> int:
        ids: list[Any] = [entry.entry_id for entry in entries]
        if not ids:
            return 0
        return cast("int", self._redis.eval(_RENEW_HELD, 1, self.keys.stream, GROUP, self._consumer, attempts, *ids))

    def settle(
        self,
        entries: Sequence[Entry],
        ids: Iterable[str],
        replies: Mapping[str, bytes],
        deliveries: Collection[Mirrored] = (),
    ) -> None:
        """Remove entries whose transaction has committed, and tell those who wait; all at once.

        Parameters
        ----------
        entries
            Entries this worker holds.
        ids
            The identities that were in them.
        replies
            Messages by reply channel.
        deliveries
            What has arrived of devices; it is in the mirror before anybody is told.
        """
        entry_ids = [entry.entry_id for entry in entries]
        pipeline: Pipeline = self._redis.pipeline(transaction=True)
        pipeline.xack(self.keys.stream, GROUP, *entry_ids)
        pipeline.xdel(self.keys.stream, *entry_ids)
        if id_list := list(ids):
            pipeline.hdel(self.keys.index, *id_list)
        if deliveries:
            delivery.mirror(pipeline, deliveries)
        for channel, message in replies.items():
            pipeline.publish(channel, message)
        pipeline.execute()

    def split(self, entry: Entry, bodies: Sequence[bytes]) -> bool:
        """Replace an entry by several smaller ones at the end of the stream, all at once.

        Parameters
        ----------
        entry
            An entry this worker holds.
        bodies
            The messages that take its place.

        Returns
        -------
        bool
            Whether that was done; not where another worker has taken the entry over.
        """
        arguments: list[Any] = [GROUP, self._consumer, entry.entry_id, *bodies]
        return bool(self._redis.eval(_SPLIT_HELD, 1, self.keys.stream, *arguments))

    def is_draining(self) -> bool:
        """Tell whether a worker is draining this ledger right now."""
        return bool(self._redis.exists(self.keys.draining))

    def state(self) -> LedgerState:
        """Tell how much waits.

        Raises
        ------
        redis.exceptions.RedisError
            Redis does not answer.
        """
        pipeline = self._redis.pipeline(transaction=False)
        queue_state_commands(pipeline, self.keys, self._lease_ms)
        return read_queue_state(pipeline.execute(raise_on_error=False))

    def forget_idle_consumers(self, idle_s: float) -> None:
        """Remove consumers of processes that ended long ago and hold nothing."""
        for consumer in self._redis.xinfo_consumers(self.keys.stream, GROUP):
            if consumer["pending"] == 0 and consumer["idle"] > idle_s * 1000:
                self._redis.xgroup_delconsumer(self.keys.stream, GROUP, consumer["name"])


def queue_state_commands(pipeline: Any, keys: LedgerKeys, lease_ms: int) -> None:
    """Put the commands whose answers `read_queue_state` reads on a pipeline, synchronous or asynchronous."""
    pipeline.xlen(keys.stream)
    pipeline.hlen(keys.index)
    pipeline.xrange(keys.stream, count=1)
    pipeline.time()
    pipeline.xinfo_groups(keys.stream)
    pipeline.xpending_range(keys.stream, GROUP, min="-", max="+", count=1, idle=lease_ms)


def read_queue_state(answers: Sequence[Any]) -> LedgerState:
    """Read what the commands of `queue_state_commands` answered; an emptied Redis has an empty ledger."""
    length, identities, first, now, groups, abandoned = answers
    for answer in (length, identities, first, now):
        if isinstance(answer, Exception):
            raise answer
    age_s = 0.0
    if first:
        accepted_ms = int(first[0][0].split(b"-")[0])
        age_s = max(0.0, now[0] + now[1] / 1e6 - accepted_ms / 1000)
    pending = 0 if isinstance(groups, Exception) else sum(group["pending"] for group in groups)
    return LedgerState(
        entries=length,
        identities=identities,
        oldest_age_s=round(age_s, 3),
        undelivered=max(0, length - pending),
        abandoned=0 if isinstance(abandoned, Exception) else len(abandoned),
    )


def _entry_of(entry_id: bytes, fields: Mapping[bytes, bytes], deliveries: int = 1) -> Entry:
    return Entry(entry_id, fields[b"e"], waited=b"w" in fields, deliveries=deliveries)


def _entries_of(answer: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Give the entries in an XREADGROUP answer, which is a list of streams under RESP2 and a map under RESP3."""
    if not answer:
        return []
    if isinstance(answer, dict):
        (entries,) = answer.values()
        return cast("list[tuple[bytes, dict[bytes, bytes]]]", entries[0] if entries else [])
    return cast("list[tuple[bytes, dict[bytes, bytes]]]", answer[0][1])
