"""The audit log as JSON Lines, for whoever wants to verify it without this program: `docs/audit.md` has how.

`python -m tracetrack_common.audit_export [--from TIME] [--until TIME]` writes it to the standard output.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

from tracetrack_common import audit
from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings

# Without a gap, so that each row proves the next: what lies between the first and the last row of the window is in it,
# whatever its time. A command's row has the time of its receipt, so times are not quite in the order of a chain.
_ROWS = text(
    "WITH part AS (SELECT chain, min(seq) AS first, max(seq) AS last FROM audit_log"
    " WHERE at >= :since AND at < :until GROUP BY chain)"
    " SELECT chain, seq, at, actor, action, object, before, after, request_id, address, hash FROM audit_log"
    " JOIN part USING (chain) WHERE seq BETWEEN first - 1 AND last ORDER BY chain, seq"
)
_FIRST = text("SELECT chain, min(seq) AS first FROM audit_log WHERE at >= :since AND at < :until GROUP BY chain")
_STREAMED = {"yield_per": 1_000}
_EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def export_lines(connection: Connection, *, since: datetime | None, until: datetime | None) -> Iterator[bytes]:
    """Give the rows of a time, chain by chain, each as a line of JSON; in constant memory.

    Parameters
    ----------
    connection
        Inside a snapshot.
    since, until
        The window, its end not included; None for no bound.

    Yields
    ------
    bytes
        A row, with the hash of the one before it and its own; `before` and `after` are the texts that were hashed.
    """
    window = {"since": since or _EVER[0], "until": until or _EVER[1]}
    first = {row.chain: row.first for row in connection.execute(_FIRST, window)}
    previous = dict.fromkeys(first, b"")
    for row in connection.execute(_ROWS, window, execution_options=_STREAMED):
        if row.seq >= first[row.chain]:
            yield _line_of(row._asdict(), previous[row.chain])
        previous[row.chain] = bytes(row.hash)


def write_lines(settings: Settings, *, since: datetime | None, until: datetime | None) -> int:
    """Write the export of the database that the settings name to the standard output; give the number of rows."""
    patient = settings.model_copy(update={"db_statement_timeout_ms": 3_600_000})
    database = Database(patient, application_name="tracetrack-audit-export", read_only=True)
    rows = 0
    try:
        with database.snapshot() as connection:
            for line in export_lines(connection, since=since, until=until):
                sys.stdout.buffer.write(line)
                rows += 1
        sys.stdout.buffer.flush()
    finally:
        database.close()
    return rows


def read_time(given: str) -> datetime:
    """Read a time as ISO 8601 says it; without a zone it is UTC.

    Raises
    ------
    ValueError
        It is none.
    """
    time = datetime.fromisoformat(given)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def main() -> int:
    """Write the export; 0 when done."""
    parser = argparse.ArgumentParser(prog="python -m tracetrack_common.audit_export", description=__doc__)
    parser.add_argument("--from", dest="since", type=read_time, metavar="TIME", help="from then on (ISO 8601, UTC)")
    parser.add_argument("--until", type=read_time, metavar="TIME", help="until before then")
    arguments = parser.parse_args()
    write_lines(Settings(), since=arguments.since, until=arguments.until)
    return 0


def _line_of(row: dict[str, Any], previous: bytes) -> bytes:
    fields = audit.hashed_fields(
        row | {name: None if row[name] is None else orjson.dumps(row[name]).decode() for name in ("before", "after")}
    )
    hashes = {"previous": previous.hex(), "hash": bytes(row["hash"]).hex()}
    return orjson.dumps(dict(zip(audit.FIELDS, fields, strict=True)) | hashes, option=orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    sys.exit(main())
