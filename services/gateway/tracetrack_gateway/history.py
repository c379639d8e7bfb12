"""A bag's history: everything that happened to it, and every scan that named it and changed nothing."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row

from tracetrack_common.credentials import Principal
from tracetrack_common.domain.codes import normalise
from tracetrack_common.errors import NotFoundError
from tracetrack_gateway import searches, storage
from tracetrack_gateway.cursors import invalid_cursor, parts_of, read_number, read_time, write_time
from tracetrack_gateway.models import Page
from tracetrack_gateway.paging import page_of
from tracetrack_gateway.snapshots import Snapshots

_FIRST = {"at": "-infinity", "rank": -1, "by": UUID(int=0), "bag": ""}
_RANKS = 9


class BagEvent(BaseModel):
    """Something that happened to a bag."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "at": "2026-11-23T04:45:00Z",
                "event": "scanned",
                "bag": "SB12345",
                "into": "BILL-2026-000018",
                "by": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
                "kind": "bill",
                "outcome": "on_other_bill",
                "refers_to": "BILL-2026-000017",
                "device": "gun 7",
                "user": None,
            }
        }
    )

    at: datetime = Field(description="corrected")
    event: Literal[
        "registered",
        "revived",
        "put_in",
        "taken_out",
        "put_on_bill",
        "taken_off_bill",
        "returned",
        "deleted",
        "scanned",
    ] = Field(description="`scanned`: a scan that named the bag and changed nothing")
    bag: str = Field(description="the child or sack it happened to")
    into: str | None = Field(description="the sack, bill or return concerned")
    by: str = Field(description="the scan or command")
    kind: str | None = Field(description="of the scan, where it was one; and so on")
    outcome: str | None
    refers_to: str | None
    device: str | None
    user: str | None


class BagHistory:
    """Reads bags' histories.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._read = snapshots.read

    async def page(self, code: str, caller: Principal, *, cursor: str | None, limit: int) -> Page[BagEvent]:
        """Give what happened to a bag, oldest first, from its first scan on.

        Raises
        ------
        NotFoundError
            There is none, or it is in another area.
        InvalidInputError
            The cursor is not one of ours.
        """
        start = _FIRST if cursor is None else _start_of(cursor)

        def read(connection: Connection) -> list[Row[Any]]:
            bag = storage.select_bag(connection, normalise(code), caller.area_id)
            if bag is None:
                raise NotFoundError(f"There is no bag {code}.")
            values = {"bag_id": bag.bag_id, "name": bag.code, **start, "limit": limit + 1}
            return searches.select_events(connection, values)

        return page_of(await self._read(read), limit, _event_of, _end_of)


def _event_of(row: Row[Any]) -> BagEvent:
    fields = row._asdict()
    del fields["rank"]
    return BagEvent(into=fields.pop("into_"), **fields)


def _start_of(cursor: str) -> dict[str, Any]:
    try:
        at, rank, by, bag = parts_of(cursor, 4)
        return {"at": read_time(at), "rank": read_number(rank, most=_RANKS), "by": UUID(by), "bag": bag}
    except (ValueError, OverflowError):
        raise invalid_cursor() from None


def _end_of(row: Row[Any]) -> str:
    return f"{write_time(row.at)}.{row.rank}.{UUID(row.by).hex}.{row.bag}"
