"""The audit log: one row per change, in the change's own transaction (domain.md, Deletion and audit).

It is append-only and hash-chained.

There are several chains, so that concurrent transactions do not wait for one another: each takes any chain that is
free, extends it by one row and holds it until it commits. Within a chain every row's hash covers the one before it,
so that a row that was changed or removed shows.
"""

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from tracetrack_common.domain.scans import Result, Scan

_CLAIM_CHAIN = text("SELECT chain, seq, hash FROM audit_chain ORDER BY chain LIMIT 1 FOR UPDATE SKIP LOCKED")
_CLAIM_BUSY_CHAIN = text("SELECT chain, seq, hash FROM audit_chain WHERE chain = :chain FOR UPDATE")
_COUNT_CHAINS = text("SELECT count(*) FROM audit_chain")
# One statement, since every batch pays for the way to the database and back.
_EXTEND_CHAIN = text(
    "WITH advanced AS (UPDATE audit_chain SET seq = :seq, hash = :hash WHERE chain = :chain)"
    " INSERT INTO audit_log (chain, seq, at, actor, action, object, before, after, request_id, address, hash)"
    " VALUES (:chain, :seq, :at, :actor, :action, :object, CAST(:before AS jsonb), CAST(:after AS jsonb),"
    " :request_id, :address, :hash)"
)
_ROWS = text(
    "SELECT chain, seq, at, actor, action, object, before, after, request_id, address, hash"
    " FROM audit_log ORDER BY chain, seq"
)
_HEADS = text("SELECT chain, seq, hash FROM audit_chain ORDER BY chain")

FIELDS = ("chain", "seq", "at", "actor", "action", "object", "before", "after", "request_id", "address")
"""What a row's hash covers, after the hash of the row before it."""


def append(  # noqa: PLR0913 - an audit row has these columns
    connection: Connection,
    *,
    actor: str,
    action: str,
    object_: str,
    at: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    request_id: str | None = None,
    address: str | None = None,
) -> int:
    """Write one row; call it last in the transaction, since it holds a chain until the commit.

    Parameters
    ----------
    connection
        Inside the transaction of the change.
    actor
        Who: ``device:7``, ``user:3`` or ``system``.
    action
        What was done, for instance ``bill.complete``.
    object_
        Which thing, for instance ``bill:BILL-2026-000001``.
    at
        When, UTC.
    before, after
        The thing before and after; no secrets.
    request_id, address
        Of the request that led to it.

    Returns
    -------
    int
        The chain, which is this transaction's alone until it ends.
    """
    head = _claim_chain(connection)
    row: dict[str, Any] = {
        "chain": head.chain,
        "seq": head.seq + 1,
        "at": at,
        "actor": actor,
        "action": action,
        "object": object_,
        "before": None if before is None else orjson.dumps(before).decode(),
        "after": None if after is None else orjson.dumps(after).decode(),
        "request_id": request_id,
        "address": address,
    }
    row["hash"] = _hash(bytes(head.hash), row)
    connection.execute(_EXTEND_CHAIN, row)
    return int(head.chain)


def digest_scans(applied: Iterable[tuple[Scan, Result]]) -> str:
    """Give the digest that a batch's audit row carries: SHA-256 over its scans in the order of their identities.

    Parameters
    ----------
    applied
        Scans with their results, as they are written.

    Returns
    -------
    str
        Hexadecimal.
    """
    lines = [
        f"{scan.scan_id}|{scan.device_id}|{scan.user_id}|{scan.kind}|{scan.code}|{scan.target}"
        f"|{result.outcome}|{scan.scanned_at.timestamp()}\n"
        for scan, result in applied
    ]
    return _digest_lines(lines)


def digest_rows(rows: Iterable[Sequence[Any]]) -> str:
    """Give the same digest of scans as they stand in the database.

    Parameters
    ----------
    rows
        scan_id as text, device_id, user_id, kind, code, target, outcome, scanned_at.

    Returns
    -------
    str
        Hexadecimal.
    """
    return _digest_lines(
        [
            f"{scan_id}|{device_id}|{user_id}|{kind}|{code}|{target}|{outcome}|{scanned_at.timestamp()}\n"
            for scan_id, device_id, user_id, kind, code, target, outcome, scanned_at in rows
        ]
    )


def _digest_lines(lines: list[str]) -> str:
    lines.sort()
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def find_broken_rows(connection: Connection) -> Iterator[tuple[int, int]]:
    """Walk every chain and give the (chain, seq) of each row whose hash does not follow from the one before it.

    Parameters
    ----------
    connection
        Inside a snapshot.

    Yields
    ------
    tuple of int, int
        The first row at fault of each gap or change; the chain's head counts as the row after its last one.
    """
    heads = {head.chain: head for head in connection.execute(_HEADS)}
    last: dict[int, tuple[int, bytes]] = dict.fromkeys(heads, (0, b""))
    for row in connection.execute(_ROWS, execution_options={"yield_per": 1_000}):
        seq, previous = last.get(row.chain, (0, b""))
        found = row._asdict() | {
            name: None if getattr(row, name) is None else orjson.dumps(getattr(row, name)).decode()
            for name in ("before", "after")
        }
        if row.seq != seq + 1 or _hash(previous, found) != bytes(row.hash):
            yield row.chain, row.seq
        last[row.chain] = (row.seq, bytes(row.hash))
    for chain, head in heads.items():
        if last[chain] != (head.seq, bytes(head.hash)):
            yield chain, head.seq


def _claim_chain(connection: Connection) -> Row[Any]:
    head = connection.execute(_CLAIM_CHAIN).one_or_none()
    if head is not None:
        return head
    chains = connection.scalar(_COUNT_CHAINS) or 1
    return connection.execute(_CLAIM_BUSY_CHAIN, {"chain": secrets.randbelow(chains) + 1}).one()


def _hash(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """Hash a row with the one before it."""
    return hashlib.sha256(previous + orjson.dumps(hashed_fields(row))).digest()


def hashed_fields(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give what of a row its hash covers, in the order of `FIELDS`.

    JSON columns, which come as text, are compared as Postgres gives them back, key order aside.
    """
    return (
        row["chain"],
        row["seq"],
        row["at"].astimezone(UTC).isoformat(),
        row["actor"],
        row["action"],
        row["object"],
        _canonical(row["before"]),
        _canonical(row["after"]),
        row["request_id"],
        row["address"],
    )


def _canonical(document: str | None) -> str | None:
    return None if document is None else orjson.dumps(orjson.loads(document), option=orjson.OPT_SORT_KEYS).decode()
