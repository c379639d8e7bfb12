"""Bags as people look for them: by code, mistyped or half read too, and by what they are (docs/search.md)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import Row

from tracetrack_common.credentials import Principal
from tracetrack_common.db.arrays import text_array_literal
from tracetrack_common.domain.codes import normalise
from tracetrack_common.domain.look_alikes import look_alikes
from tracetrack_common.errors import InvalidInputError
from tracetrack_gateway import searches
from tracetrack_gateway.cursors import invalid_cursor, parts_of, read_number, read_time, write_time
from tracetrack_gateway.models import AREA_PATTERN, Moment, Page
from tracetrack_gateway.searches import Match
from tracetrack_gateway.snapshots import Snapshots

PART_LEAST_CHARS = 3
"""The index knows codes by three characters that follow one another."""
SEARCHED_MOST_CHARS = 40
_INT_MAX = 2**31 - 1
_BIGINT_MAX = 2**63 - 1

_EXAMPLE: dict[str, JsonValue] = {
    "code": "SB12345",
    "kind": "parent",
    "area": "jaipur",
    "created_at": "2026-11-23T04:45:00Z",
    "parent": None,
    "bill_no": "BILL-2026-000017",
    "children": 30,
    "capacity": 30,
    "weight_g": 30_000,
}


class BagRow(BaseModel):
    """A bag in a list."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    code: str
    kind: Literal["parent", "child"]
    area: str | None
    created_at: datetime
    parent: str | None = Field(description="of a child: the sack it is in")
    bill_no: str | None = Field(description="of a sack: the bill it is on")
    children: int | None = Field(description="of a sack, as are capacity and weight")
    capacity: int | None
    weight_g: int | None


class BagQuery(BaseModel):
    """What bags are looked for; every filter that is given applies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[str, Field(min_length=1, max_length=SEARCHED_MOST_CHARS, pattern=r"^[^\x00]*$")] | None = Field(
        default=None, description="in any case; what `match` says is done with it"
    )
    match: Match = Field(
        default="prefix",
        description=f"`part`: {PART_LEAST_CHARS} or more characters that stand together; `alike`: also mistyped or half"
        " read, the nearest first",
    )
    kind: Literal["parent", "child"] | None = None
    type: Annotated[str, Field(max_length=50, pattern=r"^[^\x00]*$")] | None = Field(
        default=None, description="sacks of this bag type"
    )
    area: Annotated[str, Field(max_length=50, pattern=AREA_PATTERN)] | None = None
    created_from: Moment | None = Field(default=None, description="with its zone; included")
    created_until: Moment | None = Field(default=None, description="with its zone; not included")
    linked: bool | None = Field(default=None, description="children that are in a sack, or are in none")
    billed: bool | None = Field(default=None, description="sacks that are on a bill, or are on none")
    state: Literal["empty", "partly", "full"] | None = Field(default=None, description="sacks")
    cursor: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] | None = None
    limit: int = Field(default=50, ge=1, le=200)


class BagSearch:
    """Searches bags.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._read = snapshots.read

    async def page(self, query: BagQuery, caller: Principal) -> Page[BagRow]:
        """Give bags, those of the caller's area where the caller is bound to one.

        Raises
        ------
        InvalidInputError
            The part of a code is too short, or the cursor is not one of this search.
        """
        match = None if query.code is None else query.match
        values = {
            "area_id": caller.area_id,
            "area": query.area,
            "type": query.type,
            "since": query.created_from or "-infinity",
            "until": query.created_until or "infinity",
            "limit": query.limit + 1,
            "code": query.code and _searched(query.code, query.match),
            **_start_of(match, query),
        }
        conditions = [(name, value) for name in searches.BAG_CONDITIONS if (value := getattr(query, name)) is not None]
        rows = await self._read(lambda connection: searches.select_bags(connection, match, conditions, values))
        shown = rows[: query.limit]
        more = len(rows) > query.limit
        return Page(
            items=[BagRow.model_validate(row, from_attributes=True) for row in shown],
            next_cursor=_end_of(match, shown[-1], query.code or "") if more else None,
        )


def _searched(written: str, match: Match) -> str:
    """Give what the statement compares codes with."""
    code = normalise(written)
    if match == "alike":
        return text_array_literal(look_alikes("".join(code.split())))
    if match != "part":
        return code
    if len(code) < PART_LEAST_CHARS:
        detail = [{"field": "code", "detail": f"give {PART_LEAST_CHARS} or more characters that stand together"}]
        raise InvalidInputError("This part of a code is too short to search for.", errors=detail)
    escaped = code.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _start_of(match: Match | None, query: BagQuery) -> dict[str, Any]:
    """Give what the page before ended with; without a code, the first page begins below the end of the time range."""
    cursor, until = query.cursor, query.created_until
    try:
        if match is None:
            if cursor is None:
                return {"below_at": until or "infinity", "below_id": 0}
            at, bag_id = parts_of(cursor, 2)
            below = (read_time(at), read_number(bag_id, most=_BIGINT_MAX))
            below = below if until is None else min(below, (until, 0))
            return {"below_at": below[0], "below_id": below[1]}
        if match == "alike":
            return {"after": read_number(cursor or "0", most=_INT_MAX)}
    except (ValueError, OverflowError):
        raise invalid_cursor() from None
    return {"after": cursor or ""}


def _end_of(match: Match | None, row: Row[Any], written: str) -> str:
    """Give the cursor of the page after this row."""
    if match is None:
        return f"{write_time(row.created_at)}.{row.bag_id}"
    if match == "alike":
        return str(look_alikes("".join(normalise(written).split())).index(row.code) + 1)
    return str(row.code)
