"""The audit log as admins search it (docs/audit.md)."""

from datetime import datetime
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from tracetrack_gateway.cursors import invalid_cursor, parts_of, read_number, read_time, write_time
from tracetrack_gateway.models import Moment, Page
from tracetrack_gateway.paging import page_of
from tracetrack_gateway.snapshots import Snapshots

_COLUMNS = "chain, seq, at, actor, action, object, before, after, request_id, address"
_Word = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]+$")]
_FILTERS = ("actor", "action", "object", "request_id")
_BOUNDS = {
    "since": "at >= :since",
    "until": "at < :until",
    "below_at": "(at, chain, seq) < (:below_at, :below_chain, :below_seq)",
}


class AuditOut(BaseModel):
    """A row of the audit log."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "chain": 3,
                "seq": 1207,
                "at": "2026-11-23T12:30:00Z",
                "actor": "user:3",
                "action": "bill.complete",
                "object": "bill:BILL-2026-000001",
                "before": {"status": "processing"},
                "after": {"status": "completed"},
                "request_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
                "address": "10.0.0.12",
            }
        }
    )

    chain: int = Field(description="one of eight chains of hashes")
    seq: int = Field(description="the row's place in its chain")
    at: datetime
    actor: str = Field(description="who: user:3, device:7 or system")
    action: str
    object: str = Field(description="which thing")
    before: Any
    after: Any
    request_id: str | None
    address: str | None


class AuditQuery(BaseModel):
    """What of the audit log is asked for: every field that is given must be just that."""

    model_config = ConfigDict(extra="forbid")

    actor: _Word | None = Field(default=None, description="who: user:3, device:7 or system")
    action: _Word | None = Field(default=None, description="for instance bill.complete")
    object: _Word | None = Field(default=None, description="for instance bill:BILL-2026-000001")
    request_id: _Word | None = None
    since: Moment | None = Field(default=None, description="from then on")
    until: Moment | None = Field(default=None, description="until before then")
    cursor: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=50, ge=1, le=200)


class Cursor(NamedTuple):
    """The last row of a page."""

    below_at: datetime
    below_chain: int
    below_seq: int

    @classmethod
    def read(cls, written: str) -> Self:
        """Read what `write` wrote.

        Raises
        ------
        InvalidInputError
            It is not a cursor.
        """
        try:
            at, chain, seq = parts_of(written, 3)
            return cls(read_time(at), read_number(chain, most=2**15 - 1), read_number(seq, most=2**63 - 1))
        except (ValueError, OverflowError):
            raise invalid_cursor() from None

    @classmethod
    def write(cls, row: Any) -> str:
        """Write the place of a row as it travels."""
        return f"{write_time(row.at)}.{row.chain}.{row.seq}"


class AuditReader:
    """Searches the audit log.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def page(self, query: AuditQuery) -> Page[AuditOut]:
        """Give the rows that are asked for, newest first."""
        values = query.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
        values |= {} if query.cursor is None else Cursor.read(query.cursor)._asdict()
        statement, limit = _statement_for(frozenset(values)), query.limit
        values["limit"] = limit + 1
        rows = await self._snapshots.read(lambda connection: connection.execute(text(statement), values).all())
        return page_of(rows, limit, lambda row: AuditOut.model_validate(row._asdict()), Cursor.write)


def _statement_for(given: frozenset[str]) -> str:
    """Write the statement with what was asked for only, so that each finds the index made for it."""
    conditions = [f"{name} = :{name}" for name in _FILTERS if name in given]
    conditions += [condition for name, condition in _BOUNDS.items() if name in given]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {_COLUMNS} FROM audit_log{where} ORDER BY at DESC, chain DESC, seq DESC LIMIT :limit"  # noqa: S608 - constants of this module
