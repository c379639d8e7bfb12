"""Sending summaries by mail, as admins see it (docs/documents.md)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Username = Annotated[str, Field(min_length=3, max_length=20, pattern=r"^[A-Za-z0-9_]+$")]


class SendIn(BaseModel):
    """Who shall get the newest revision."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"recipients": ["asha"], "again": True}})

    recipients: Annotated[list[Username], Field(min_length=1, max_length=500)] | None = Field(
        default=None, description="everybody who gets it by rule when left out"
    )
    again: bool = Field(default=False, description="one more copy to those who were sent it before")


class SendOutcome(BaseModel):
    """Whose mails will be sent, and who was sent this revision before."""

    model_config = ConfigDict(json_schema_extra={"example": {"revision": 2, "asked": ["asha"], "had_it": []}})

    revision: int
    asked: list[str]
    had_it: list[str]


class PreviewIn(BaseModel):
    """Whose mail shall be shown."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"recipient": "asha"}})

    recipient: Username


class PreviewOut(BaseModel):
    """A mail as it would be sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "revision": 1,
                "subject": "End of day 2026-11-23, bills of asha, revision 1",
                "html": "<!DOCTYPE html>\u2026",
                "text": "Your bills: 2\u2026",
                "attachments": [{"name": "eod-2026-11-23-asha-r1.pdf", "bytes": 41210}],
            }
        }
    )

    revision: int
    subject: str
    html: str
    text: str
    attachments: list[dict[str, Any]]


class SendingOut(BaseModel):
    """What became of a mail."""

    revision: int
    recipient: str
    address: str
    is_copy: bool = Field(description="whether somebody had it sent once more")
    requested_at: datetime
    state: Literal["queued", "sending", "sent", "failed"]
    attempts: int
    sent_at: datetime | None
    detail: str | None = Field(description="what the mail server said last")


class SendingsOut(BaseModel):
    """Every mail of a day's summaries."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {
                        "revision": 1,
                        "recipient": "asha",
                        "address": "asha@warehouse.example",
                        "is_copy": False,
                        "requested_at": "2026-11-23T18:45:10Z",
                        "state": "failed",
                        "attempts": 1,
                        "sent_at": None,
                        "detail": "550 no such mailbox",
                    }
                ]
            }
        }
    )

    items: list[SendingOut]
