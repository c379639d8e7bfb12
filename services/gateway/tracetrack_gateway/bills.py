"""Bills as people read and change them (domain.md, Bills)."""

import re
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection, Row

from tracetrack_common.credentials import Principal
from tracetrack_common.domain.codes import normalise
from tracetrack_gateway import storage
from tracetrack_gateway.models import BillOut, LongText, Page, ShortText
from tracetrack_gateway.narrowing import Narrowing
from tracetrack_gateway.paging import page_of
from tracetrack_gateway.reading import found
from tracetrack_gateway.snapshots import Snapshots

BillStatus = Literal["new", "processing", "completed"]

_TAG = re.compile(r'"(\d{1,9})"', re.ASCII)


class BillNarrowing(Narrowing):
    """Which bills, and which page of them."""

    status: BillStatus | None = None


class BillEditIn(BaseModel):
    """What to change of a bill; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"example": {"vehicle": "UP32 AB 1234"}}
    )

    # Their defaults are never used, and by being of the type they keep null out.
    destination: ShortText = Field(default_factory=str)
    capacity: int = Field(default_factory=int, ge=1, le=500, description="not less than the sacks on it")
    vehicle: ShortText | None = None
    description: LongText | None = None

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("says nothing to change")
        return self

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return self.model_dump(exclude_unset=True)


class BillDeleted(BaseModel):
    """A bill that was deleted."""

    bill_no: str
    sacks_freed: int


class BillSack(BaseModel):
    """A sack on a bill; weights in grams."""

    code: str
    children: int
    capacity: int
    weight_g: int
    expected_weight_g: int
    put_on_at: datetime


def tag_of(bill: BillOut) -> str:
    """Give a bill's entity tag: strong, so that `If-Match` can name it."""
    return f'"{bill.version}"'


def versions_of(if_match: str | None) -> list[int] | None:
    """Read the versions that an `If-Match` names; None when every version will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [_TAG.fullmatch(tag.strip()) for tag in if_match.split(",")]
    return [int(tag[1]) for tag in tags if tag is not None]


class BillReader:
    """Reads bills.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._read = snapshots.read

    async def find(self, bill_no: str, caller: Principal) -> BillOut:
        """Give a bill with its totals.

        Raises
        ------
        NotFoundError
            There is none, or it is in another area.
        """
        return _bill_of(await self._read(lambda connection: _find(connection, bill_no, caller)))

    async def page(self, caller: Principal, narrowing: BillNarrowing) -> Page[BillOut]:
        """Give bills, newest first."""
        filters = narrowing.filters_for(caller)
        rows = await self._read(lambda connection: storage.select_bills(connection, filters))
        return page_of(rows, narrowing.limit, _bill_of, lambda row: str(row.bill_id))

    async def sacks(self, bill_no: str, caller: Principal, *, cursor: str | None, limit: int) -> Page[BillSack]:
        """Give the sacks on a bill, by code.

        Raises
        ------
        NotFoundError
            There is no such bill, or it is in another area.
        """

        def read(connection: Connection) -> list[Row[Any]]:
            bill = _find(connection, bill_no, caller)
            return storage.select_bill_sacks(connection, bill.bill_id, cursor, limit + 1)

        rows = await self._read(read)
        return page_of(rows, limit, lambda row: BillSack(**row._asdict()), lambda row: str(row.code))


def _find(connection: Connection, bill_no: str, caller: Principal) -> Row[Any]:
    return found(storage.select_bill(connection, normalise(bill_no), caller.area_id), f"bill {bill_no}")


def _bill_of(row: Row[Any]) -> BillOut:
    fields = row._asdict()
    del fields["bill_id"]
    return BillOut(**fields)
