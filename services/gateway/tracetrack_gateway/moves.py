"""Undo and relink as people and devices ask for them."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from tracetrack_gateway.models import Code, ParentCount

_COUNT: dict[str, JsonValue] = {"code": "SB12345", "children": 29, "capacity": 30, "weight_g": 29000}


class UndoIn(BaseModel):
    """What to undo in a sack; the newest scan when no child is named."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"example": {"child": "CH67890"}}
    )

    child: Code | None = Field(default=None, description="the child to take out, however long it has been in")


class UndoOut(BaseModel):
    """What was undone."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "code": "CH67890",
                "scan_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
                "parent": _COUNT,
                "message": "CH67890 taken out of SB12345 (29/30, 29 kg)",
                "undone_at": "2026-11-23T04:45:01Z",
            }
        }
    )

    code: str = Field(description="the child that was taken out")
    scan_id: str | None = Field(description="the scan that is undone; null when a relink had put the child in")
    parent: ParentCount = Field(description="the sack it was taken out of")
    message: str
    undone_at: datetime


class RelinkIn(BaseModel):
    """Where a child shall go."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"example": {"parent_code": "SB22222"}}
    )

    parent_code: Code


class RelinkOut(BaseModel):
    """A child that was moved."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "code": "CH67890",
                "source": _COUNT,
                "target": {"code": "SB22222", "children": 1, "capacity": 30, "weight_g": 1000},
                "message": "CH67890 moved from SB12345 (29/30, 29 kg) to SB22222 (1/30, 1 kg)",
            }
        }
    )

    code: str
    source: ParentCount = Field(description="the sack it left")
    target: ParentCount = Field(description="the sack it is in now")
    message: str
