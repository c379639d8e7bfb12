"""Failed work as people look at it: operators see what failed and why, admins what was in it too (docs/rules.md)."""

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import Row

from tracetrack_common.contracts import UnreadableEntryError, decode_command, decode_submissions
from tracetrack_common.credentials import Principal
from tracetrack_common.domain.scans import Scan
from tracetrack_common.errors import NotFoundError
from tracetrack_common.failed_work import MAIL, REPLAYED_BY
from tracetrack_gateway import storage
from tracetrack_gateway.cursors import invalid_cursor
from tracetrack_gateway.models import Page
from tracetrack_gateway.snapshots import Snapshots

SCANS_SHOWN = 100
"""Of a message that nobody could read when it came and that can be read now; all others hold one scan."""
TEXT_SHOWN = 10_000

State = Literal["open", "replayed", "discarded"]

_EXAMPLE: dict[str, JsonValue] = {
    "failed_id": "3f0c3f2b-6f0e-5d0f-9a6e-4c1f5b8f9d21",
    "queue": "scans",
    "reason": "not_applicable",
    "detail": 'ForeignKeyViolation: insert or update on table "bag" violates foreign key constraint "bag_area_id_fkey"',
    "work_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
    "command": None,
    "attempts": 1,
    "first_at": "2026-11-23T04:45:01Z",
    "last_at": "2026-11-23T04:45:01Z",
    "state": "open",
    "resolved_at": None,
    "resolved_by": None,
    "note": None,
}
_SCAN_EXAMPLE: dict[str, JsonValue] = {
    "scan_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
    "kind": "child",
    "device_id": 7,
    "user_id": None,
    "received_at": "2026-11-23T04:45:01Z",
    "code": "CH67890",
    "target": "SB12345",
    "scanned_at": "2026-11-23T04:45:00Z",
}


class FailedWorkOut(BaseModel):
    """A piece of failed work."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    failed_id: str
    queue: str = Field(description="where it came from")
    reason: str = Field(description="a word for what went wrong: docs/failed-work.md lists them")
    detail: str = Field(description="a sentence for it")
    work_id: str | None = Field(description="the scan or command; null where nobody could read it")
    command: str | None = Field(description="what the command asked for; null for scans")
    attempts: int
    first_at: datetime
    last_at: datetime
    state: State
    resolved_at: datetime | None
    resolved_by: str | None
    note: str | None = Field(description="what became of it when it was replayed, or why it was discarded")


class FailedScan(BaseModel):
    """A scan that could not be applied; `code`, `target` and `scanned_at` are for admins."""

    model_config = ConfigDict(json_schema_extra={"example": _SCAN_EXAMPLE})

    scan_id: str
    kind: str
    device_id: int | None
    user_id: int | None
    received_at: datetime
    code: str | None = None
    target: str | None = Field(default=None, description="the sack, bill or return it names")
    scanned_at: datetime | None = Field(default=None, description="corrected")


class FailedCommand(BaseModel):
    """A command that could not be executed; `arguments` are for admins."""

    command_id: str
    name: str
    actor: str
    received_at: datetime
    arguments: dict[str, Any] | None = None


class FailedWorkDetail(FailedWorkOut):
    """A piece of failed work with what is in it."""

    model_config = ConfigDict(
        json_schema_extra={"example": {**_EXAMPLE, "scan_count": 1, "scans": [_SCAN_EXAMPLE], "readable": True}}
    )

    readable: bool = Field(description="whether this release can read it: what it cannot read, it cannot replay")
    scan_count: int = Field(default=0, description="how many scans are in it")
    scans: list[FailedScan] = Field(default_factory=list, description=f"the first {SCANS_SHOWN} of them")
    sent: FailedCommand | None = None
    text: str | None = Field(
        default=None, description=f"for admins, what nobody can read: the first {TEXT_SHOWN} characters"
    )


class Cursor(NamedTuple):
    """The last piece of a page."""

    first_at: datetime
    failed_id: UUID

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `write` wrote.

        Raises
        ------
        InvalidInputError
            It is not a cursor.
        """
        try:
            micros, _, failed_id = text.partition("-")
            seconds, rest = divmod(int(micros), 1_000_000)
            return cls(datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest), UUID(failed_id))
        except (ValueError, OverflowError, OSError):
            raise invalid_cursor() from None

    def write(self) -> str:
        """Write it as it travels."""
        micros = int(self.first_at.timestamp()) * 1_000_000 + self.first_at.microsecond
        return f"{micros}-{self.failed_id.hex}"


class FailedWorkReader:
    """Reads failed work.

    Parameters
    ----------
    snapshots
        Reads of Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def page(
        self, *, state: State, queue: str | None, reason: str | None, cursor: str | None, limit: int
    ) -> Page[FailedWorkOut]:
        """Give pieces in this state, those that failed last first.

        Parameters
        ----------
        state, queue, reason
            Which; None for every queue or reason.
        cursor
            The page before gave it.
        limit
            At most so many.
        """
        below = None if cursor is None else Cursor.read(cursor)
        filters = {
            "state": state,
            "queue": queue,
            "reason": reason,
            "below_at": below and below.first_at,
            "below_id": below and below.failed_id,
            "limit": limit + 1,
        }
        rows = await self._snapshots.read(lambda connection: storage.select_failed_work(connection, filters))
        more = len(rows) > limit
        return Page(
            items=[FailedWorkOut(**_fields_of(row)) for row in rows[:limit]],
            next_cursor=Cursor(rows[limit - 1].first_at, rows[limit - 1].failed_id).write() if more else None,
        )

    async def find(self, failed_id: UUID, caller: Principal) -> FailedWorkDetail:
        """Give a piece with what is in it, as far as the caller may see that.

        Raises
        ------
        NotFoundError
            There is none of that identity.
        """
        row = await self._find(failed_id)
        return FailedWorkDetail(**_fields_of(row), **_content_of(row, with_business_data=caller.role == "admin"))

    async def replayed_by(self, failed_id: UUID) -> str:
        """Name the queue whose worker replays a piece.

        Raises
        ------
        NotFoundError
            There is none of that identity.
        """
        return REPLAYED_BY[(await self._find(failed_id)).queue]

    async def _find(self, failed_id: UUID) -> Row[Any]:
        row = await self._snapshots.read(lambda connection: storage.select_failed_piece(connection, failed_id))
        if row is None:
            raise NotFoundError(f"There is no failed work {failed_id}.")
        return row


def _fields_of(row: Row[Any]) -> dict[str, Any]:
    fields = row._asdict() | {"failed_id": str(row.failed_id)}
    fields.pop("body", None)
    return fields


def _content_of(row: Row[Any], *, with_business_data: bool) -> dict[str, Any]:
    if row.queue == MAIL:
        return {"readable": True}
    try:
        if row.queue == "scans":
            return _scans_of(row.body.encode(), with_business_data=with_business_data)
        return _command_of(row.body.encode(), with_business_data=with_business_data)
    except UnreadableEntryError:
        return {"readable": False, "text": row.body[:TEXT_SHOWN] if with_business_data else None}


def _scans_of(body: bytes, *, with_business_data: bool) -> dict[str, Any]:
    found = [(scan, each.origin.received_at) for each in decode_submissions(body) for scan in each.scans]
    shown = [
        FailedScan(
            scan_id=scan.scan_id,
            kind=scan.kind,
            device_id=scan.device_id,
            user_id=scan.user_id,
            received_at=received_at,
            **(_business_data_of(scan) if with_business_data else {}),
        )
        for scan, received_at in found[:SCANS_SHOWN]
    ]
    return {"readable": True, "scan_count": len(found), "scans": shown}


def _business_data_of(scan: Scan) -> dict[str, Any]:
    return {"code": scan.code, "target": scan.target, "scanned_at": scan.scanned_at}


def _command_of(body: bytes, *, with_business_data: bool) -> dict[str, Any]:
    command = decode_command(body)
    sent = FailedCommand(
        command_id=command.command_id,
        name=command.name,
        actor=command.actor,
        received_at=command.origin.received_at,
        arguments=dict(command.arguments) if with_business_data else None,
    )
    return {"readable": True, "sent": sent}
