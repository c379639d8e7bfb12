"""The statements on areas, summaries and documents: each named, one function each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

from tracetrack_common.domain.business_day import Window

_ALLOW_MEMORY = text("SET LOCAL work_mem = '64MB'")
_FIND_AREA = text("SELECT area_id, code, zone, created_at FROM area WHERE code = :code")
_LAST_WINDOW_END = text("SELECT max(window_end) FROM eod_summary WHERE generated_at >= window_end")
_FIND_NEWEST = text("""
    SELECT revision, figures_sha256, content FROM eod_summary
    WHERE business_date = :business_date AND area_id IS NOT DISTINCT FROM CAST(:area_id AS smallint)
    ORDER BY revision DESC LIMIT 1
""")
_INSERT_SUMMARY = text("""
    INSERT INTO eod_summary
        (area_id, business_date, revision, window_start, window_end, generated_at, figures_sha256, content)
    VALUES (:area_id, :business_date, :revision, :window_start, :window_end, :generated_at, :figures_sha256,
        CAST(:content AS jsonb))
    ON CONFLICT (business_date, area_id, revision) DO NOTHING
    RETURNING summary_id
""")
_INSERT_DOCUMENT = text("""
    INSERT INTO eod_document (summary_id, format, content, sha256) VALUES (:summary_id, :format, :content, :sha256)
    ON CONFLICT (summary_id, format) DO NOTHING
""")
_LIST_UNPRINTED = text("""
    SELECT summary_id, wanted.format
    FROM eod_summary CROSS JOIN unnest(CAST(:formats AS text[])) WITH ORDINALITY AS wanted (format, place)
    WHERE (CAST(:business_date AS date) IS NULL OR business_date = :business_date)
        AND NOT EXISTS (
            SELECT FROM eod_document
            WHERE eod_document.summary_id = eod_summary.summary_id AND eod_document.format = wanted.format
        )
    ORDER BY summary_id DESC, wanted.place
""")
_READ_CONTENT = text("SELECT content FROM eod_summary WHERE summary_id = :summary_id")


@dataclass(frozen=True, slots=True)
class Area:
    """An area as the end of day sees it."""

    area_id: int
    code: str
    zone: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest revision of a summary."""

    revision: int
    figures_sha256: bytes
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary as it is stored; `area_id` None is the one over all areas."""

    area_id: int | None
    business_date: date
    revision: int
    window: Window
    generated_at: datetime
    figures_sha256: bytes
    content: Mapping[str, Any]


def allow_memory(connection: Connection) -> None:
    """Let this transaction's sorts and groupings of a day of a million scans stay in memory; few run at once."""
    connection.execute(_ALLOW_MEMORY)


def find_area(connection: Connection, code: str) -> Area | None:
    """Give the area with this code."""
    found = connection.execute(_FIND_AREA, {"code": code}).one_or_none()
    return None if found is None else Area(*found)


def last_window_end(connection: Connection) -> datetime:
    """Give the end of the latest day that has a summary made after its end; where there is none, a time before all."""
    return connection.scalar(_LAST_WINDOW_END) or datetime.min.replace(tzinfo=UTC)


def find_newest(connection: Connection, *, area_id: int | None, business_date: date) -> Newest | None:
    """Give the newest revision for an area and date."""
    found = connection.execute(_FIND_NEWEST, {"area_id": area_id, "business_date": business_date}).one_or_none()
    return None if found is None else Newest(found.revision, bytes(found.figures_sha256), found.content)


def insert_summary(connection: Connection, summary: Summary) -> int | None:
    """Store a summary.

    Returns
    -------
    int or None
        Its key; None when there is this revision already, made by another transaction.
    """
    key: int | None = connection.scalar(
        _INSERT_SUMMARY,
        {
            "area_id": summary.area_id,
            "business_date": summary.business_date,
            "revision": summary.revision,
            "window_start": summary.window.start,
            "window_end": summary.window.end,
            "generated_at": summary.generated_at,
            "figures_sha256": summary.figures_sha256,
            "content": orjson.dumps(summary.content).decode(),
        },
    )
    return key


def insert_document(connection: Connection, *, summary_id: int, format_: str, content: bytes, sha256: bytes) -> int:
    """Store a document of a summary; give 0 when there is one in this format already, which stays."""
    values = {"summary_id": summary_id, "format": format_, "content": content, "sha256": sha256}
    return connection.execute(_INSERT_DOCUMENT, values).rowcount


def list_unprinted(connection: Connection, *, formats: list[str], business_date: date | None) -> list[tuple[int, str]]:
    """Give the summaries, of a day or of all, and those of these formats that they have no document in."""
    found = connection.execute(_LIST_UNPRINTED, {"formats": formats, "business_date": business_date})
    return [(row.summary_id, row.format) for row in found]


def read_content(connection: Connection, summary_id: int) -> dict[str, Any]:
    """Give what a summary says."""
    content: dict[str, Any] = connection.execute(_READ_CONTENT, {"summary_id": summary_id}).scalar_one()
    return content
