"""What narrows a list of bills or of returns."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from tracetrack_common.credentials import Principal
from tracetrack_gateway.models import AREA_PATTERN, IsoDate
from tracetrack_gateway.paging import key_of


class Narrowing(BaseModel):
    """Which ones, and which page of them; what is left out narrows nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    area: Annotated[str | None, Query(max_length=50, pattern=AREA_PATTERN)] = None
    created_from: Annotated[IsoDate | None, Query(description="the first day, on the area's calendar")] = None
    created_to: Annotated[IsoDate | None, Query(description="the last day")] = None
    created_by: Annotated[str | None, Query(max_length=50, pattern=r"^\w+$", description="a username")] = None
    text: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=100,
            pattern=r"^[^\x00-\x1f\x7f]+$",
            description="part of the number or of what was written, in any case",
        ),
    ] = None
    cursor: Annotated[str | None, Query(max_length=50)] = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50

    def filters_for(self, caller: Principal) -> dict[str, Any]:
        """Give what the statements take: one row more than the page holds, and only of the caller's area."""
        filters = self.model_dump(exclude={"cursor", "limit"})
        return filters | {"area_id": caller.area_id, "below": key_of(self.cursor), "limit": self.limit + 1}
