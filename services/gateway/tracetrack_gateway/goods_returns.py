"""Returns as people read and close them (domain.md, Returns)."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from tracetrack_common.credentials import Principal
from tracetrack_common.domain.codes import normalise
from tracetrack_gateway import storage
from tracetrack_gateway.models import Page, ReturnOut
from tracetrack_gateway.narrowing import Narrowing
from tracetrack_gateway.paging import page_of
from tracetrack_gateway.reading import found
from tracetrack_gateway.snapshots import Snapshots

ReturnState = Literal["open", "committed", "cancelled"]


class ReturnNarrowing(Narrowing):
    """Which returns, and which page of them."""

    state: ReturnState | None = None


class ReturnListed(BaseModel):
    """A return in a list."""

    return_no: str
    area: str
    state: ReturnState
    notes: str | None
    created_by: str
    created_at: datetime
    sacks: int = Field(description="how many sacks came back on it")


class Restored(BaseModel):
    """A sack that is on the bill again that it left."""

    code: str
    bill_no: str


class NotRestored(BaseModel):
    """A sack that could not go back."""

    code: str
    bill_no: str | None = Field(description="the bill it left")
    detail: str = Field(description="what stood in the way")


class ReturnCancelled(BaseModel):
    """What became of a cancelled return's sacks."""

    return_no: str
    restored: list[Restored]
    not_restored: list[NotRestored]


class ReturnReader:
    """Reads returns.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._read = snapshots.read

    async def find(self, return_no: str, caller: Principal) -> ReturnOut:
        """Give a return with the sacks that came back on it.

        Raises
        ------
        NotFoundError
            There is none, or it is in another area.
        """

        def read(connection: Connection) -> dict[str, Any]:
            row = storage.select_return(connection, normalise(return_no), caller.area_id)
            fields = found(row, f"return {return_no}")._asdict()
            sacks = storage.select_return_sacks(connection, fields.pop("return_id"))
            return fields | {"sacks": [sack._asdict() for sack in sacks]}

        return ReturnOut(**await self._read(read))

    async def page(self, caller: Principal, narrowing: ReturnNarrowing) -> Page[ReturnListed]:
        """Give returns, newest first."""
        filters = narrowing.filters_for(caller)
        rows = await self._read(lambda connection: storage.select_returns(connection, filters))
        return page_of(rows, narrowing.limit, lambda row: ReturnListed(**row._asdict()), lambda row: str(row.return_id))
