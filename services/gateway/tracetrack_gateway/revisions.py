"""The revisions of a day's summary, and in short what each of them changed (domain.md, End of day)."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

_EXAMPLE: JsonDict = {
    "revision": 2,
    "generated_at": "2026-11-23T05:40:00Z",
    "preliminary": False,
    "since_revision": 1,
    "figures_changed": 7,
    "bills_changed": 1,
    "late_scans": 12,
    "late_commands": 0,
}


class RevisionOut(BaseModel):
    """A revision; what it changed is null in the first."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    revision: int
    generated_at: datetime
    preliminary: bool = Field(description="whether it was made before the day was over")
    since_revision: int | None = Field(description="the one it is compared with")
    figures_changed: int | None = Field(description="how many figures differ")
    bills_changed: int | None = Field(description="how many bills were added, removed or changed")
    late_scans: int | None = Field(description="how many more scans are in the day")
    late_commands: int | None = Field(description="how many things people did in the day that were done only later")
