"""Scans as people look for them; what was no bag's code shows under its outcome (docs/search.md)."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import Connection, Row

from tracetrack_common.credentials import Principal
from tracetrack_common.db.arrays import array_literal
from tracetrack_common.domain.codes import CODE_MAX_CHARS, normalise
from tracetrack_common.domain.scans import Feedback, Kind, Outcome, Result, describe
from tracetrack_common.ids import first_uuid7
from tracetrack_gateway import searches
from tracetrack_gateway.models import AREA_PATTERN, Moment, Page
from tracetrack_gateway.snapshots import Snapshots

_LAST = UUID(int=2**128 - 1)
_RIGHT_CLOCK = timedelta(hours=24)
"""How far a clock is off that `scan_odd_clock_idx` does not know."""
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST = datetime(2200, 1, 2, tzinfo=UTC)

_Name = Annotated[str, Field(max_length=60, pattern=r"^[^\x00]*$")]
_Code = Annotated[str, Field(min_length=1, max_length=CODE_MAX_CHARS, pattern=r"^[^\x00]*$")]

_EXAMPLE: dict[str, JsonValue] = {
    "scan_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
    "kind": "child",
    "code": "CH6789O",
    "target": "SB1234",
    "outcome": "invalid_code",
    "feedback": "stop",
    "message": "CH6789O in SB1234: not a bag code",
    "refers_to": None,
    "area": "jaipur",
    "device": "gun 7",
    "user": None,
    "scanned_at": "2026-11-23T04:45:00Z",
    "device_time": "2026-11-23T04:44:52Z",
    "received_at": "2026-11-23T04:45:01Z",
    "applied_at": "2026-11-23T04:45:01Z",
    "epoch": 1,
    "seq": 17,
}


class ScanRow(BaseModel):
    """A scan in a list."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    scan_id: str
    kind: str
    code: str
    target: str | None = Field(description="the sack, bill or return it names")
    outcome: str
    feedback: Feedback
    message: str
    refers_to: str | None = Field(description="the sack, bill or return that stood in the way")
    area: str | None
    device: str | None
    user: str | None
    scanned_at: datetime = Field(description="corrected")
    device_time: datetime
    received_at: datetime
    applied_at: datetime
    epoch: int | None
    seq: int | None


class ScanQuery(BaseModel):
    """What scans are looked for; every filter that is given applies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Outcome | None = Field(default=None, description="`invalid_code` gives what was no bag's code")
    feedback: Feedback | None = None
    kind: Kind | None = None
    code: _Code | None = Field(default=None, description="the bag's, in any case")
    target: _Code | None = Field(default=None, description="the sack, bill or return, in any case")
    device: _Name | None = Field(default=None, description="a device's name")
    user: _Name | None = Field(default=None, description="a username, in any case")
    area: Annotated[str, Field(max_length=50, pattern=AREA_PATTERN)] | None = None
    scanned_from: Moment | None = Field(default=None, description="corrected time, with its zone; included")
    scanned_until: Moment | None = Field(default=None, description="corrected time, with its zone; not included")
    cursor: UUID | None = None
    limit: int = Field(default=50, ge=1, le=200)


class ScanSearch:
    """Searches scans.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._read = snapshots.read

    async def page(self, query: ScanQuery, caller: Principal) -> Page[ScanRow]:
        """Give scans, newest identity first: a device's own, or those of the area a person is bound to.

        A page that ends before it is full has a cursor where there is more to look through.
        """
        outcomes = _outcomes_of(query)
        is_timed = query.scanned_from is not None or query.scanned_until is not None
        code, target = query.code and normalise(query.code), query.target and normalise(query.target)
        values = {
            "area_id": caller.area_id,
            "device_id": caller.id if caller.kind == "device" else None,
            "area": query.area,
            "device": query.device,
            "user": query.user,
            "kind": query.kind,
            "outcomes": None if outcomes is None else array_literal(outcomes),
            "code": code,
            "target": target,
            "name": target or code,
            "since": query.scanned_from or "-infinity",
            "until": query.scanned_until or "infinity",
            "low": first_uuid7(_millis_of((query.scanned_from or _EARLIEST), -_RIGHT_CLOCK)),
            "high": first_uuid7(_millis_of((query.scanned_until or _LATEST), _RIGHT_CLOCK)),
            "below": query.cursor or _LAST,
            "limit": query.limit + 1,
        }
        walk = {
            "are_stopped": outcomes is not None and all(each.feedback is Feedback.STOP for each in outcomes),
            "is_timed": is_timed,
        }

        def read(connection: Connection) -> tuple[list[Row[Any]], UUID | None]:
            rows = searches.select_scans(connection, values, **walk)
            if len(rows) > query.limit:
                return rows[: query.limit], UUID(rows[query.limit - 1].scan_id)
            is_named = values["name"] is not None
            return rows, None if is_named else searches.select_scan_after_next(connection, values, **walk)

        rows, cursor = await self._read(read)
        return Page(items=[_row_of(row) for row in rows], next_cursor=None if cursor is None else str(cursor))


def _outcomes_of(query: ScanQuery) -> Collection[Outcome] | None:
    """Give the outcomes that are wanted; None for every one."""
    if query.outcome is None and query.feedback is None:
        return None
    return [
        outcome
        for outcome in Outcome
        if query.outcome in {None, outcome} and query.feedback in {None, outcome.feedback}
    ]


def _millis_of(time: datetime, slack: timedelta) -> int:
    """Give a time's milliseconds since the Unix epoch, kept within those that scans can have."""
    return int((min(max(time, _EARLIEST), _LATEST) + slack).timestamp() * 1000)


def _row_of(row: Row[Any]) -> ScanRow:
    result = Result(Outcome(row.outcome), row.refers_to, row.children, row.capacity, row.weight_g)
    fields = row._asdict()
    for name in ("children", "capacity", "weight_g"):
        del fields[name]
    message = describe(Kind(row.kind), row.code, row.target, result)
    return ScanRow(**fields, feedback=result.outcome.feedback, message=message)
