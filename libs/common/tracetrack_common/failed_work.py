"""Failed work: what no retry would cure, kept with its payload and the reason (reliability.md)."""

import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, text

_INSERT = text(
    "INSERT INTO failed_work (failed_id, queue, reason, detail, payload, attempts, first_at, last_at)"
    " VALUES (:failed_id, :queue, :reason, :detail, CAST(:payload AS jsonb), :attempts, now(), now())"
    " ON CONFLICT (failed_id) DO UPDATE SET last_at = now()"
)
_NAMESPACE = uuid.UUID("7d1f3a52-0c57-4d0c-9a52-3f8f0f6f4f5e")


def insert(
    connection: Connection, *, queue: str, reason: str, detail: str, payload: Mapping[str, Any], attempts: int
) -> None:
    """Keep a piece of work that failed for good; the same piece failing for the same reason again is the same row.

    Parameters
    ----------
    connection
        Inside a transaction.
    queue
        Where it came from.
    reason, detail
        A word for counting, a sentence for reading.
    payload
        What is needed to replay it; no secrets.
    attempts
        How often it was tried.
    """
    document = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS).decode()
    connection.execute(
        _INSERT,
        {
            "failed_id": uuid.uuid5(_NAMESPACE, f"{queue}|{reason}|{document}"),
            "queue": queue,
            "reason": reason,
            "detail": detail.replace("\x00", "\N{REPLACEMENT CHARACTER}"),
            "payload": document.replace("\\u0000", "\\ufffd"),
            "attempts": attempts,
        },
    )
