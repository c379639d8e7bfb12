"""Areas: as other commands need them, and the commands on them (domain.md, People, devices, areas)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from tracetrack_common.contracts import Command
from tracetrack_common.entity_tag import require_unchanged
from tracetrack_common.errors import ConflictError, InvalidInputError, NotFoundError
from tracetrack_common.records import keep_record

_FIND = text("SELECT area_id, zone FROM area WHERE code = :code")
_LOCK = text("SELECT name, zone FROM area WHERE code = :code FOR NO KEY UPDATE")
_INSERT = text(
    "INSERT INTO area (code, name, zone, created_at) VALUES (:code, :name, :zone, :created_at)"
    " ON CONFLICT (code) DO NOTHING RETURNING code"
)
_UPDATE = text("UPDATE area SET name = :name, zone = :zone WHERE code = :code")


@dataclass(frozen=True, slots=True)
class Area:
    """An area: its key and its zone."""

    area_id: int
    zone: str

    def local_date(self, at: datetime) -> date:
        """Give the date there at this moment."""
        return at.astimezone(ZoneInfo(self.zone)).date()


def find_area(connection: Connection, code: str) -> Area:
    """Give an area by its code.

    Raises
    ------
    InvalidInputError
        There is none.
    """
    row = connection.execute(_FIND, {"code": code}).one_or_none()
    if row is None:
        raise InvalidInputError(f"There is no area {code}.", errors=[{"field": "area", "detail": "not an area's code"}])
    return Area(row.area_id, row.zone)


def create_area(connection: Connection, command: Command) -> dict[str, Any]:
    """Create an area; devices, people and bills can be in it at once.

    Returns
    -------
    dict
        ``code``.

    Raises
    ------
    ConflictError
        The code is taken.
    """
    wanted = command.arguments
    if connection.scalar(_INSERT, {**wanted, "created_at": command.origin.received_at}) is None:
        raise ConflictError(f"There is an area {wanted['code']} already.")
    _audit(connection, command, wanted["code"], before=None, after=wanted)
    return {"code": wanted["code"]}


def change_area(connection: Connection, command: Command) -> dict[str, Any]:
    """Change an area's name or zone; its code stands for it for ever.

    Returns
    -------
    dict
        ``code``.

    Raises
    ------
    NotFoundError
        There is none of that code.
    PreconditionFailedError
        It is not as the caller has read it.
    """
    code, changes = command.arguments["code"], command.arguments["changes"]
    row = connection.execute(_LOCK, {"code": code}).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no area {code}.")
    before = row._asdict()
    require_unchanged("area", before, command.arguments)
    after = before | changes
    connection.execute(_UPDATE, {**after, "code": code})
    _audit(connection, command, code, before=before, after=after)
    return {"code": code}


def _audit(
    connection: Connection, command: Command, code: str, *, before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> None:
    keep_record(connection, command, f"area:{code}", before=before, after=after)
