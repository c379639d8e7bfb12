"""Making summaries in a test and reading what is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import text

from tests.support.eod_history import History
from tests.support.json_schemas import faults_of
from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings
from tracetrack_report_worker import summary
from tracetrack_report_worker.summary import Made

_AREA = "area_id IS NOT DISTINCT FROM (SELECT area_id FROM area WHERE code = :area)"


@contextmanager
def writing(database: Database) -> Iterator[History]:
    """Write history; it is committed when the block ends."""
    with database.transaction() as connection:
        yield History(connection)


def make(database: Database, settings: Settings, area: str | None, business_date: date, now: datetime) -> Made:
    """Make a summary as the nightly run does."""
    return summary.make(
        database,
        settings,
        area=area,
        business_date=business_date,
        now=now,
        actor="system",
        request_id=None,
        address=None,
    )


def make_content(
    database: Database, settings: Settings, area: str | None, business_date: date, now: datetime
) -> dict[str, Any]:
    """Make a summary and give its content."""
    made = make(database, settings, area, business_date, now)
    return read_content(database, area, business_date, made.revision)


def read_content(database: Database, area: str | None, business_date: date, revision: int) -> dict[str, Any]:
    """Give the content of a stored revision; it is as its schema says."""
    with database.snapshot() as connection:
        content = connection.execute(
            text(f"SELECT content FROM eod_summary WHERE {_AREA} AND business_date = :date AND revision = :revision"),  # noqa: S608
            {"area": area, "date": business_date, "revision": revision},
        ).scalar_one()
    assert faults_of("eod", content) == []
    return cast("dict[str, Any]", content)


def read_document(database: Database, area: str | None, business_date: date, revision: int) -> tuple[bytes, bytes]:
    """Give the workbook of a stored revision, and the SHA-256 stored with it."""
    with database.snapshot() as connection:
        row = connection.execute(
            text(
                "SELECT eod_document.content, sha256 FROM eod_document JOIN eod_summary USING (summary_id)"  # noqa: S608
                f" WHERE {_AREA} AND business_date = :date AND revision = :revision AND format = 'xlsx'"
            ),
            {"area": area, "date": business_date, "revision": revision},
        ).one()
    return bytes(row[0]), bytes(row[1])


def count_rows(database: Database, table: str) -> int:
    """Count a table's rows."""
    with database.snapshot() as connection:
        return cast("int", connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def figures_of(content: dict[str, Any]) -> dict[str, Any]:
    """Leave out which revision it is, when it was made, and what changed since the one before."""
    return {key: value for key, value in content.items() if key not in {"revision", "generated_at", "changes"}}
