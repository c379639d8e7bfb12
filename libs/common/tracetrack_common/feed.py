"""The live feed: what scans came to, told by workers after the commit to the gateways where somebody watches.

It is told once and kept nowhere: whoever was away reads the list of scans.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from tracetrack_common.contracts import outcome_document
from tracetrack_common.domain.scans import Result, Scan

CHANNEL = "tt:feed"
WATCHED_KEY = "tt:feed:watched"
"""There while somebody watches; workers see it whenever they take entries, and tell nothing otherwise."""
WATCHED_MS = 5_000
"""How long the sign outlives a gateway that died."""


def encode_events(applied: Iterable[tuple[Scan, Result]]) -> bytes:
    """Write what scans came to, each with the area it happened in."""
    return orjson.dumps([[scan.area_id, _event_document(scan, result)] for scan, result in applied])


def decode_events(message: bytes) -> list[tuple[int | None, dict[str, Any]]]:
    """Read what `encode_events` wrote.

    Raises
    ------
    ValueError
        It is something else.
    """
    return [(area_id, document) for area_id, document in orjson.loads(message)]


def _event_document(scan: Scan, result: Result) -> dict[str, Any]:
    return {
        **outcome_document(scan, result),
        "kind": scan.kind,
        "code": scan.code,
        "target": scan.target,
        "scanned_at": scan.scanned_at,
        "device_id": scan.device_id,
    }
