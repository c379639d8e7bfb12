"""Areas, as commands need them."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from tracetrack_common.errors import InvalidInputError

_FIND = text("SELECT area_id, zone FROM area WHERE code = :code")


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
