"""What is asked for when a report or an export is: checked here, made by the report-worker (docs/reports.md)."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tracetrack_common.credentials import Principal
from tracetrack_common.domain.codes import normalise
from tracetrack_gateway.access import Action, require
from tracetrack_gateway.audit import AuditQuery
from tracetrack_gateway.bags import BagQuery
from tracetrack_gateway.bills import BillNarrowing
from tracetrack_gateway.goods_returns import ReturnNarrowing
from tracetrack_gateway.models import AreaCode, IsoDate
from tracetrack_gateway.problems import describe_errors
from tracetrack_gateway.scan_search import ScanQuery

ExportedList = Literal["bags", "scans", "bills", "returns", "audit"]
ReportKind = Literal[
    "export",
    "daily_scans",
    "bill_summary",
    "area_report",
    "sack_ageing",
    "device_delivery",
    "return_report",
]
Period = Literal["yesterday", "last_7_days", "last_month"]

_QUERIES: Mapping[str, type[BaseModel]] = {
    "bags": BagQuery,
    "scans": ScanQuery,
    "bills": BillNarrowing,
    "returns": ReturnNarrowing,
    "audit": AuditQuery,
}
_PAGING = {"cursor", "limit"}
_EXPORT_FORMATS = {"csv", "xlsx"}
_MOST_DAYS = 366


class ReportIn(BaseModel):
    """A report to make: `kind` says which; a list for `export`, days for all others."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"example": {"kind": "daily_scans", "format": "xlsx", "period": "yesterday"}},
    )

    kind: ReportKind
    format: Literal["pdf", "xlsx", "csv", "json"] = Field(description="of `export`: csv or xlsx")
    area: AreaCode | None = Field(default=None, description="of a report; every area when left out")
    period: Period | None = Field(default=None, description="days that are over, on the area's calendar")
    date_from: IsoDate | None = Field(default=None, description="the first day, instead of a period")
    date_to: IsoDate | None = Field(default=None, description="the last day")
    list: ExportedList | None = Field(default=None, description="what is exported")
    filters: dict[str, str | int | bool] = Field(default={}, description="of the list, as its route takes them")

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.kind == "export":
            self._check_export()
            return self
        if self.list is not None or self.filters:
            raise ValueError("only an export has a list and filters")
        if (self.period is None) == (self.date_from is None and self.date_to is None):
            raise ValueError("give a period, or date_from and date_to")
        if self.period is None and (self.date_from is None or self.date_to is None):
            raise ValueError("give date_from and date_to")
        if self.date_from is not None and self.date_to is not None:
            days = (self.date_to - self.date_from).days
            if not 0 <= days < _MOST_DAYS:
                raise ValueError(f"date_to is not before date_from, and they are at most {_MOST_DAYS} days")
        return self

    def _check_export(self) -> None:
        if self.list is None:
            raise ValueError("an export has a list")
        if self.format not in _EXPORT_FORMATS:
            raise ValueError("an export is csv or xlsx")
        if self.period or self.date_from or self.date_to or self.area:
            raise ValueError("what narrows an export is among its filters")
        if forbidden := _PAGING & set(self.filters):
            raise ValueError(f"an export has no pages: leave out {', '.join(sorted(forbidden))}")
        try:
            # The filters as a query has them: texts are read as numbers, times and truths.
            _QUERIES[self.list].model_validate(self.filters, strict=False)
        except ValidationError as error:
            wrong = describe_errors(error.errors(), skip=0)
            raise ValueError("; ".join(f"filters.{each['field']}: {each['detail']}" for each in wrong)) from None

    def arguments(self, caller: Principal) -> dict[str, Any]:
        """Give what the worker is told, when the caller may read what they ask for.

        Raises
        ------
        ForbiddenError
            They may not.
        """
        if self.list == "audit":
            require(caller, Action.READ_AUDIT)
        given = self.model_dump(mode="json", exclude_unset=True, exclude={"kind"})
        if self.list is not None:
            query = _QUERIES[self.list].model_validate(self.filters, strict=False)
            given["filters"] = _normalised(query.model_dump(mode="json", exclude_unset=True))
            if self.list == "bags" and "code" in given["filters"]:
                given["filters"].setdefault("match", "prefix")
        return {"kind": self.kind, "arguments": given}


def _normalised(filters: dict[str, Any]) -> dict[str, Any]:
    return {name: normalise(value) if name in {"code", "target"} else value for name, value in filters.items()}


class JobOrdered(BaseModel):
    """A job that was asked for."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"job_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d", "state": "queued"}}
    )

    job_id: str
    state: str
