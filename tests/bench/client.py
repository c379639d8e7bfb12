"""The load: devices on keep-alive connections, in a process of its own (``python -m tests.bench.client``).

It shares the machine with what it measures, so it does as little as it can: the requests are bytes before the clock
starts, and of a response it reads the status and the length. One `Job` comes in as JSON on standard input; ``ready``
goes out when all is built and connected; a second line starts it; the `Result` goes out as JSON.
"""

import asyncio
import sys
import time
from collections import Counter
from functools import partial
from typing import NamedTuple, cast

import orjson
import uvloop

from tests.bench.http1 import read_response
from tests.bench.workload import Endpoint, Request, device_scans, now_ms, requests, sacks_needed, uuid7

OK = 200
REFUSED = 300


class Job(NamedTuple):
    """What to send where: `scans` child scans over one connection per token, `batch` scans in a request."""

    host: str
    port: int
    path: str
    tokens: list[str]
    scans: int
    batch: int
    first_sack: int
    deadline_s: float


class Result(NamedTuple):
    """What came of a job; times are of the monotonic clock, which all processes of a machine share."""

    started: float
    ended: float
    accepted: int
    accepted_by_device: list[int]
    statuses: dict[str, int]
    first_refusal: str
    latencies_ms: list[float]
    cpu_s: float
    id_floor: str
    last_ids: list[str]


class Device(asyncio.Protocol):
    """One connection: sends its requests one after another, each when the answer to the one before is there."""

    def __init__(self, pending: list[Request]) -> None:
        self.pending = iter(pending)
        self.finished = asyncio.Event()
        self.deadline = 0.0
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.accepted = 0
        self.refusal = b""
        self.buffer = b""
        self.transport: asyncio.WriteTransport | None = None
        self.current = Request(b"", 0)
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def send(self) -> None:
        """Send the next request, or end when there is none or time is up."""
        request = next(self.pending, None)
        self.sent = time.perf_counter()
        if request is None or self.sent > self.deadline or self.transport is None:
            self.finished.set()
            return
        self.current = request
        self.transport.write(request.data)

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        response = read_response(data)
        if response is None:
            self.buffer = data
            return
        self.buffer = b""
        self.latencies.append(time.perf_counter() - self.sent)
        self.statuses[response.status] += 1
        if OK <= response.status < REFUSED:
            self.accepted += self.current.scans
            self.send()
        else:
            self.refusal = response.body
            self.finished.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.refusal = self.refusal or (b"" if self.finished.is_set() else f"connection lost: {exc}".encode())
        self.finished.set()


def prepared(job: Job, at_ms: int) -> tuple[list[list[Request]], list[str]]:
    """Build every device's requests, and name its last scan.

    Each device has sacks of its own and the same share of the scans.
    """
    share, rest = divmod(job.scans, len(job.tokens))
    built, last_ids = [], []
    first_sack = job.first_sack
    for place, token in enumerate(job.tokens):
        count = share + (place < rest)
        scans = list(device_scans(first_sack, count, at_ms, epoch=at_ms // 1000))
        built.append(list(requests(Endpoint(job.host, job.port, job.path, token), scans, job.batch)))
        last_ids.append(str(scans[-1]["scan_id"]))
        first_sack += sacks_needed(count, 1)
    return built, last_ids


async def run(job: Job) -> Result:
    """Connect, say ``ready``, wait for the word, send all, and sum up."""
    at_ms = now_ms()
    built, last_ids = prepared(job, at_ms)
    loop = asyncio.get_running_loop()
    devices: list[Device] = []
    for pending in built:
        _, device = await loop.create_connection(partial(Device, pending), job.host, job.port)
        devices.append(device)
    print("ready", flush=True)  # noqa: T201 - the harness reads it
    if not await asyncio.to_thread(sys.stdin.readline):
        raise SystemExit("nobody gave the word")
    cpu, started = time.process_time(), time.monotonic()
    for device in devices:
        device.deadline = time.perf_counter() + job.deadline_s
        device.send()
    await asyncio.gather(*(device.finished.wait() for device in devices))
    ended = time.monotonic()
    return Result(
        started=started,
        ended=ended,
        accepted=sum(device.accepted for device in devices),
        accepted_by_device=[device.accepted for device in devices],
        statuses={str(status): n for status, n in sum((d.statuses for d in devices), Counter()).items()},
        first_refusal=next((d.refusal.decode(errors="replace") for d in devices if d.refusal), ""),
        latencies_ms=[round(value * 1000, 3) for device in devices for value in device.latencies],
        cpu_s=time.process_time() - cpu,
        id_floor=uuid7(at_ms, 0),
        last_ids=last_ids,
    )


def main() -> None:
    """Run the one job that standard input names."""
    job = Job(**orjson.loads(sys.stdin.readline()))
    result = uvloop.run(run(job))
    sys.stdout.write(orjson.dumps(result._asdict()).decode() + "\n")


if __name__ == "__main__":
    main()
