"""Bag types as the API shows and takes them (domain.md, Codes)."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from sqlalchemy import Connection, text

from tracetrack_common.errors import NotFoundError
from tracetrack_gateway.models import Page
from tracetrack_gateway.snapshots import Snapshots

_SELECT = text("SELECT bag_type_id, name, parent_pattern, capacity, child_weight_g FROM bag_type ORDER BY bag_type_id")
_EXAMPLE: dict[str, JsonValue] = {
    "name": "wheat",
    "parent_pattern": r"SB\d{5}",
    "capacity": 30,
    "child_weight_g": 1000,
}

Name = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$")]
Pattern = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[ -~]+$",
        description=r"the whole code of its sacks: A to Z, 0 to 9, - and _ as they are, \d, [A-Z], [A-Z0-9], {n}",
    ),
]
Capacity = Annotated[int, Field(ge=1, le=1_000, description="children a sack holds")]
ChildWeight = Annotated[int, Field(ge=1, le=1_000_000, description="grams a child weighs")]


class BagTypeIn(BaseModel):
    """A bag type to create."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra={"example": _EXAMPLE})

    name: Name
    parent_pattern: Pattern
    capacity: Capacity
    child_weight_g: ChildWeight


class BagTypeChanges(BaseModel):
    """What to change of a bag type; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"example": {"capacity": 40}, "minProperties": 1}
    )

    name: Name | None = None
    parent_pattern: Pattern | None = None
    capacity: Capacity | None = None
    child_weight_g: ChildWeight | None = None

    @model_validator(mode="after")
    def _check_something_changes(self) -> Self:
        if not self.given:
            raise ValueError("give at least one field to change")
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The fields that are to change."""
        return self.model_dump(exclude_none=True)


class BagTypeOut(BaseModel):
    """A bag type."""

    model_config = ConfigDict(json_schema_extra={"example": {"bag_type_id": 1, **_EXAMPLE}})

    bag_type_id: int
    name: str
    parent_pattern: str
    capacity: int = Field(description="children a new sack holds")
    child_weight_g: int


class BagTypeReader:
    """Reads bag types.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def all(self) -> Page[BagTypeOut]:
        """Give all of them, in the order they were made; there are few, so it is always one page."""
        return Page(items=await self._snapshots.read(_read), next_cursor=None)

    async def find(self, bag_type_id: int) -> BagTypeOut:
        """Give one.

        Raises
        ------
        NotFoundError
            There is none of that key.
        """
        found = [each for each in await self._snapshots.read(_read) if each.bag_type_id == bag_type_id]
        if not found:
            raise NotFoundError(f"There is no bag type {bag_type_id}.")
        return found[0]


def _read(connection: Connection) -> list[BagTypeOut]:
    return [BagTypeOut(**row._asdict()) for row in connection.execute(_SELECT)]
