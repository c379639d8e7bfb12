"""Reports that are made again and again, as people order and read them (docs/reports.md)."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from sqlalchemy import Row, text

from tracetrack_common.credentials import Principal
from tracetrack_gateway.models import Page, ShortText
from tracetrack_gateway.report_orders import ReportIn
from tracetrack_gateway.snapshots import Snapshots

Rhythm = Literal["daily", "weekly", "monthly"]
LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="on the clock of the area")]
Recipients = Annotated[
    list[Annotated[str, Field(max_length=20, pattern=r"^\w+$")]],
    Field(max_length=50, description="usernames of billers and admins, who get a mail with the report's address"),
]
_WEEK_DAYS = 7

_EXAMPLE: dict[str, JsonValue] = {
    "name": "Scans of yesterday",
    "report": {"kind": "daily_scans", "format": "xlsx", "area": "jaipur", "period": "yesterday"},
    "rhythm": "daily",
    "at": "06:30",
    "on_day": None,
    "recipients": ["asha"],
    "enabled": True,
}
# Sees what a person made, and admins see all.
_LIST = text(
    "SELECT CAST(schedule_id AS text) AS schedule_id, report_schedule.name, report, rhythm, at_minute, on_day, zone,"
    " ARRAY(SELECT username FROM app_user WHERE user_id = ANY(recipients) ORDER BY username) AS recipients,"
    " owner.username AS owner, enabled, next_at FROM report_schedule JOIN app_user AS owner"
    " ON owner.user_id = report_schedule.owner_id WHERE owner_id = :user_id OR :sees_all ORDER BY schedule_id"
)


class ScheduleIn(BaseModel):
    """A report to make again and again."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": _EXAMPLE})

    name: ShortText
    report: ReportIn
    rhythm: Rhythm
    at: LocalTime
    on_day: Annotated[int, Field(ge=1, le=31)] | None = Field(
        default=None, description="weekly: 1 to 7 from Monday; monthly: the day, or the last one of a shorter month"
    )
    recipients: Recipients = []
    enabled: bool = True

    @model_validator(mode="after")
    def _check_day(self) -> Self:
        check_day(self.rhythm, self.on_day)
        if self.report.date_from is not None:
            raise ValueError("a report that is made again has a period, not dates")
        return self


class ScheduleChange(BaseModel):
    """What to change of a schedule; what is left out stays."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"enabled": False}})

    # Their defaults are never used, and by being of the type they keep null out.
    name: ShortText = ""
    rhythm: Rhythm = "daily"
    at: LocalTime = "00:00"
    on_day: Annotated[int, Field(ge=1, le=31)] | None = None
    recipients: Recipients = []
    enabled: bool = True

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one thing to change")
        if "rhythm" in self.model_fields_set:
            check_day(self.rhythm, self.on_day)
        return self


class ScheduleOut(BaseModel):
    """A report that is made again and again."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **_EXAMPLE,
                "schedule_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
                "owner": "ravi",
                "zone": "Asia/Kolkata",
                "next_at": "2026-11-24T01:00:00Z",
            }
        }
    )

    schedule_id: str
    name: str
    report: dict[str, Any]
    rhythm: Rhythm
    at: str
    on_day: int | None
    zone: str
    recipients: list[str]
    owner: str
    enabled: bool
    next_at: datetime


class ScheduleKept(BaseModel):
    """A schedule that was made, changed or deleted."""

    schedule_id: str


def check_day(rhythm: Rhythm, on_day: int | None) -> None:
    """Hold that a rhythm has the day it needs.

    Raises
    ------
    ValueError
        It has not.
    """
    if (rhythm == "daily") != (on_day is None):
        raise ValueError("a weekly or monthly rhythm has on_day, and only that")
    if rhythm == "weekly" and on_day is not None and on_day > _WEEK_DAYS:
        raise ValueError("on_day of a week is 1 to 7")


def arguments_of(given: ScheduleIn | ScheduleChange, caller: Principal) -> dict[str, Any]:
    """Give the fields that were given, as the worker takes them."""
    fields = given.model_dump(exclude_unset=isinstance(given, ScheduleChange), exclude={"report"})
    if "at" in fields:
        hours, minutes = fields.pop("at").split(":")
        fields["at_minute"] = 60 * int(hours) + int(minutes)
    if isinstance(given, ScheduleIn):
        fields["report"] = given.report.arguments(caller)
    return fields


class ScheduleReader:
    """Reads schedules: a person's own, for admins everybody's.

    Parameters
    ----------
    snapshots
        Reads Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._read = snapshots.read

    async def page(self, caller: Principal) -> Page[ScheduleOut]:
        """Give them all, the oldest first: they are few."""
        values = {"user_id": caller.id, "sees_all": caller.role == "admin"}
        rows = await self._read(lambda connection: connection.execute(_LIST, values).all())
        return Page(items=[_schedule_of(row) for row in rows], next_cursor=None)


def _schedule_of(row: Row[Any]) -> ScheduleOut:
    fields = row._asdict()
    hours, minutes = divmod(fields.pop("at_minute"), 60)
    report = fields.pop("report")
    return ScheduleOut(**fields, at=f"{hours:02}:{minutes:02}", report={"kind": report["kind"], **report["arguments"]})
