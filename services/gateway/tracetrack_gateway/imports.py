"""What is asked for when a table is uploaded; what is in it is for the scan-worker to say (docs/imports.md)."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tracetrack_common.contracts import ImportKind
from tracetrack_gateway.models import AreaCode, ShortText
from tracetrack_gateway.uploads import Upload


class ImportQuery(BaseModel):
    """How a table is to be imported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ImportKind | None = Field(default=None, description="what the table holds; left out: its heads tell")
    area: AreaCode | None = Field(
        default=None, description="whose the new bags and bills are; needed but for `parent_to_bill`"
    )
    dry_run: bool = Field(default=False, description="only say what would happen, row by row")
    name: ShortText | None = Field(default=None, description="the file's name, to know it again by")

    @model_validator(mode="after")
    def _check_area(self) -> Self:
        if self.kind not in {None, ImportKind.PARENT_TO_BILL} and self.area is None:
            raise ValueError("area: give the area that the bags or bills belong to")
        return self

    def arguments(self, upload: Upload) -> dict[str, Any]:
        """Give the arguments of the command that makes the job."""
        return {
            "kind": self.kind or "auto",
            "arguments": {
                "area": self.area,
                "dry_run": self.dry_run,
                "name": self.name,
                "sha256": upload.sha256,
                "size": upload.size,
            },
        }
