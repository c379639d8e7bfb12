"""Nights: how the end-of-day summaries of the last days stand."""

from dataclasses import asdict
from datetime import UTC, date, datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy import Connection

from tracetrack_common.credentials import Principal
from tracetrack_common.nights import list_late, list_nights
from tracetrack_common.settings import Settings
from tracetrack_gateway.snapshots import Snapshots

_EXAMPLE: JsonDict = {
    "date": "2026-11-22",
    "area": "lucknow",
    "due_at": "2026-11-22T18:45:00Z",
    "deadline_at": "2026-11-22T19:30:00Z",
    "made_at": "2026-11-22T18:45:31Z",
    "revision": 1,
    "late": False,
    "mails": None,
    "mails_sent": None,
}


class NightOut(BaseModel):
    """A day that is over, and what became of its summary."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    date: date
    area: str = Field(description="the area's code, or `all`")
    due_at: datetime = Field(description="when the nightly run comes")
    deadline_at: datetime = Field(description="when the summary must be there")
    made_at: datetime | None = Field(description="when the first one of the whole day was made; null: not yet")
    revision: int | None = Field(description="the newest, a preliminary one as well; null: none yet")
    late: bool = Field(description="whether it came after its deadline, or is missing past it")
    mails: int | None = Field(description="to how many the newest is mailed; null: an area's own is not mailed")
    mails_sent: int | None = Field(description="how many of these left")


class NightsOut(BaseModel):
    """The last days that are over, newest first; in a day the areas by their codes, then all together."""

    items: list[NightOut]


class NightReader:
    """Reads how nights stand.

    Parameters
    ----------
    snapshots
        Reads Postgres.
    settings
        Zone over all areas, delay and deadline.
    """

    def __init__(self, snapshots: Snapshots, settings: Settings) -> None:
        self._read = snapshots.read
        self._settings = settings

    async def last(self, days: int, caller: Principal) -> NightsOut:
        """Give the last days: of every area and of all together, or of the caller's area alone."""

        def read(connection: Connection) -> NightsOut:
            now = datetime.now(UTC)
            nights = list_nights(connection, self._settings, now=now, days=days, area_id=caller.area_id)
            return NightsOut(items=[NightOut(**asdict(night)) for night in nights])

        return await self._read(read)

    async def count_late(self) -> int:
        """Count the summaries that are missing past their deadline."""
        return await self._read(lambda connection: len(list_late(connection, self._settings, now=datetime.now(UTC))))
