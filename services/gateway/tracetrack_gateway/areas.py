"""Areas as the API shows and takes them (domain.md, People, devices, areas)."""

from datetime import datetime
from functools import cache
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator
from sqlalchemy import Connection, text

from tracetrack_common.errors import NotFoundError
from tracetrack_gateway.models import AreaCode, Page, ShortText
from tracetrack_gateway.reading import ALL_AREAS
from tracetrack_gateway.snapshots import Snapshots

_SELECT = text("SELECT code, name, zone, created_at FROM area ORDER BY code")
_EXAMPLE: dict[str, JsonValue] = {"code": "lucknow", "name": "Lucknow", "zone": "Asia/Kolkata"}
_NO_PLACES = frozenset({"Factory", "localtime"})
"""Names in the zone database that say nothing of where a clock is."""


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_PLACES


def _check_zone(zone: str) -> str:
    if zone not in _zones():
        raise ValueError("must be an IANA zone as in Asia/Kolkata")
    return zone


def _check_code(code: str) -> str:
    if code == ALL_AREAS:
        raise ValueError(f"{ALL_AREAS} stands for all areas together")
    return code


Zone = Annotated[
    str, Field(min_length=1, max_length=60, description="an IANA zone: whose days it has"), AfterValidator(_check_zone)
]


class AreaIn(BaseModel):
    """An area to create."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra={"example": _EXAMPLE})

    code: Annotated[AreaCode, AfterValidator(_check_code)]
    name: ShortText
    zone: Zone = "Asia/Kolkata"


class AreaChanges(BaseModel):
    """What to change of an area; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"example": {"name": "Lucknow"}, "minProperties": 1}
    )

    name: ShortText | None = None
    zone: Zone | None = None

    @model_validator(mode="after")
    def _check_something_changes(self) -> Self:
        if not self.given:
            raise ValueError("give at least one field to change")
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The fields that are to change."""
        return self.model_dump(exclude_none=True)


class AreaOut(BaseModel):
    """An area."""

    model_config = ConfigDict(json_schema_extra={"example": {**_EXAMPLE, "created_at": "2026-11-23T04:45:01Z"}})

    code: str
    name: str
    zone: str
    created_at: datetime


class AreaReader:
    """Reads areas.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def all(self) -> Page[AreaOut]:
        """Give all of them by code; there are few, so it is always one page."""
        return Page(items=await self._snapshots.read(_read), next_cursor=None)

    async def find(self, code: str) -> AreaOut:
        """Give one.

        Raises
        ------
        NotFoundError
            There is none of that code.
        """
        found = [each for each in await self._snapshots.read(_read) if each.code == code]
        if not found:
            raise NotFoundError(f"There is no area {code}.")
        return found[0]


def _read(connection: Connection) -> list[AreaOut]:
    return [AreaOut(**row._asdict()) for row in connection.execute(_SELECT)]
