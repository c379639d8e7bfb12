"""The scans of a run, built before the clock starts: devices that fill sacks of 30 and scan one child of each twice."""

import datetime as dt
import random
import time
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from tests.bench.http1 import request_bytes

CHILDREN = 30
SCANS_PER_SACK = CHILDREN + 1
RESCANNED_AFTER = 15
WHEAT_CODES = 100_000


class Request(NamedTuple):
    """One HTTP request as bytes, and how many scans are in it."""

    data: bytes
    scans: int


class Endpoint(NamedTuple):
    """Where a device sends to."""

    host: str
    port: int
    path: str
    token: str


def sack_code(sack: int) -> str:
    """Give the parent code of a sack by its number: the wheat codes, then the moong codes."""
    return f"SB{sack:05d}" if sack < WHEAT_CODES else f"M444-{sack - WHEAT_CODES:05d}"


def child_code(sack: int, child: int) -> str:
    """Give the code of a child by its sack and its place in it."""
    return f"C{sack:06d}{child:02d}"


def uuid7(at_ms: int, bits: int) -> str:
    """Give a UUIDv7 of a millisecond and 74 random bits."""
    value = at_ms << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def sacks_needed(scans: int, devices: int) -> int:
    """Give the number of sacks that a run may touch: each device begins sacks of its own."""
    return scans // SCANS_PER_SACK + 2 * devices


def expected_duplicates(scans: int) -> int:
    """Give how many of one device's first `scans` scans repeat a child of the same sack."""
    return scans // SCANS_PER_SACK + (scans % SCANS_PER_SACK > RESCANNED_AFTER)


def device_scans(first_sack: int, count: int, at_ms: int, epoch: int) -> Iterator[dict[str, object]]:
    """Give one device's scans in order: sack after sack, in each the child that was scanned seventh once more."""
    rng = random.Random(f"{first_sack}/{epoch}")  # noqa: S311 - ids of a load, no secret
    for number in range(count):
        sack, place = first_sack + number // SCANS_PER_SACK, number % SCANS_PER_SACK
        child = 6 if place == RESCANNED_AFTER else place - (place > RESCANNED_AFTER)
        now_ms = at_ms + number // 20
        yield {
            "scan_id": uuid7(now_ms, rng.getrandbits(74)),
            "kind": "child",
            "code": child_code(sack, child),
            "parent_code": sack_code(sack),
            "scanned_at": dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC).isoformat(timespec="milliseconds"),
            "epoch": epoch,
            "seq": number + 1,
        }


def requests(endpoint: Endpoint, scans: list[dict[str, object]], batch: int) -> Iterator[Request]:
    """Give a device's requests: one scan each when `batch` is 1, else up to `batch` scans."""
    sent_at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    for start in range(0, len(scans), batch):
        part = scans[start : start + batch]
        body = orjson.dumps({**part[0], "sent_at": sent_at} if batch == 1 else {"sent_at": sent_at, "scans": part})
        host = f"{endpoint.host}:{endpoint.port}"
        yield Request(request_bytes("POST", endpoint.path, host=host, token=endpoint.token, body=body), len(part))


def now_ms() -> int:
    """Give the wall clock in milliseconds, as it stands in a UUIDv7."""
    return time.time_ns() // 1_000_000
