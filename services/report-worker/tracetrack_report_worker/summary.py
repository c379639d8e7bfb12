"""Making a summary: figures from one snapshot, stored once as the next revision (domain.md, End of day).

The figures are read in a snapshot together with the number of the newest revision, and stored as the next one. The
unique key of (area, date, revision) decides between two that run at once: the one that comes second stores nothing,
reads anew, and sees what the first one made. So an older snapshot never stands above a newer one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any, TypedDict, Unpack

from sqlalchemy import Connection

from tracetrack_common import audit
from tracetrack_common.db.session import Database, StateChangedError
from tracetrack_common.domain.business_day import Window, business_window
from tracetrack_common.domain.eod import Figures, count_scans, find_disagreements
from tracetrack_common.errors import ConflictError, InvalidInputError, NotFoundError
from tracetrack_common.log import get_logger
from tracetrack_common.settings import Settings
from tracetrack_report_worker import history, storage, workbook
from tracetrack_report_worker.changes import list_changes
from tracetrack_report_worker.content import ALL_AREAS, digest_figures, render_figures, render_summary
from tracetrack_report_worker.gaps import list_gaps
from tracetrack_report_worker.late import list_late_commands

log = get_logger(__name__)

_ATTEMPTS = 3
"""Each means that somebody else made a revision while this one was read; two in a row are not met in practice."""


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a wish for a summary.

    Parameters
    ----------
    area
        The area's code, or `all`.
    date
        The business day.
    revision
        The newest revision there is.
    made
        Whether this call made it; False when the one that was there already holds the same figures.
    """

    area: str
    date: date
    revision: int
    made: bool


class Origin(TypedDict):
    """Who wants a summary: as an audit row has it."""

    actor: str
    request_id: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A summary that is not stored yet, and the revision that was the newest when it was read."""

    summary: storage.Summary
    newest: storage.Newest | None

    @property
    def says_nothing_new(self) -> bool:
        return self.newest is not None and self.newest.figures_sha256 == self.summary.figures_sha256


def make(
    database: Database,
    settings: Settings,
    *,
    area: str | None,
    business_date: date,
    now: datetime,
    **origin: Unpack[Origin],
) -> Made:
    """Make the summary of an area's business day, or its next revision if the figures have changed.

    Before the day is over it can be made too; the run after the day's end then makes a revision of the whole day.

    Parameters
    ----------
    database
        Where the history is and the summary goes.
    settings
        For the zone of the summary over all areas.
    area
        The area's code; None for all areas together.
    business_date
        The local date.
    now
        The current time.
    **origin
        `actor`, `request_id` and `address`, for the audit row.

    Raises
    ------
    NotFoundError
        There is no such area.
    InvalidInputError
        The date is outside of what a calendar can hold.
    ConflictError
        The day has not begun.
    StateChangedError
        Others went on making revisions meanwhile.
    sqlalchemy.exc.DBAPIError
        As the statements raise it; nothing was written.
    """
    for _ in range(_ATTEMPTS):
        with database.snapshot() as connection:
            draft = _draft(connection, settings, area=area, business_date=business_date, now=now)
        if draft.newest is not None and draft.says_nothing_new:
            return Made(area or ALL_AREAS, business_date, draft.newest.revision, made=False)
        document = workbook.render(draft.summary.content)
        with database.transaction() as connection:
            if _store(connection, draft, document, origin):
                return Made(area or ALL_AREAS, business_date, draft.summary.revision, made=True)
    raise StateChangedError(f"others kept making the summary of {area or ALL_AREAS} for {business_date}")


def _draft(
    connection: Connection, settings: Settings, *, area: str | None, business_date: date, now: datetime
) -> _Draft:
    storage.allow_memory(connection)
    area_id, zone = None, settings.eod_zone
    if area is not None:
        found = storage.find_area(connection, area)
        if found is None:
            raise NotFoundError(f"There is no area {area}.")
        area_id, zone = found.area_id, found.zone
    window = _begun_window(business_date, zone, now)
    newest = storage.find_newest(connection, area_id=area_id, business_date=business_date)
    figures = render_figures(_read_figures(connection, history.Scope(window, area_id)))
    revision = 1 if newest is None else newest.revision + 1
    summary = storage.Summary(
        area_id=area_id,
        business_date=business_date,
        revision=revision,
        window=window,
        generated_at=now,
        figures_sha256=digest_figures(figures, is_day_over=now >= window.end),
        content={
            **render_summary(
                figures, area=area or ALL_AREAS, business_date=business_date, revision=revision, generated_at=now
            ),
            "changes": _changes(connection, window, newest, figures),
        },
    )
    return _Draft(summary, newest)


def _changes(
    connection: Connection, window: Window, newest: storage.Newest | None, figures: Mapping[str, Any]
) -> dict[str, Any] | None:
    if newest is None:
        return None
    late = list_late_commands(connection, window, since=newest.content["generated_at"])
    return list_changes(newest.content, figures, late)


def _begun_window(business_date: date, zone: str, now: datetime) -> Window:
    try:
        window = business_window(business_date, zone)
    except OverflowError as error:
        raise InvalidInputError(
            f"{business_date} is not a date that has a business day.",
            errors=[{"field": "date", "detail": "too near to the end of the calendar"}],
        ) from error
    if now < window.start:
        raise ConflictError(f"{business_date} has not begun in {zone}.")
    return window


def _read_figures(connection: Connection, scope: history.Scope) -> Figures:
    scans = count_scans(history.count_scans(connection, scope))
    if disagreements := find_disagreements(scans):
        raise AssertionError("; ".join(disagreements))
    return Figures(
        window=scope.window,
        scans=scans,
        sacks_registered=history.count_sacks_registered(connection, scope),
        bills=history.list_bills(connection, scope),
        sacks=history.list_sacks(connection, scope),
        gaps=list_gaps(connection, scope),
    )


def _store(connection: Connection, draft: _Draft, document: bytes, origin: Origin) -> bool:
    """Store a summary with its document and audit row; False when another transaction made that revision."""
    summary = draft.summary
    summary_id = storage.insert_summary(connection, summary)
    if summary_id is None:
        return False
    document_sha256 = sha256(document).digest()
    storage.insert_document(connection, summary_id=summary_id, format_="xlsx", content=document, sha256=document_sha256)
    area = summary.content["area"]
    after = _identity(summary.revision, summary.figures_sha256) | {"xlsx_sha256": document_sha256.hex()}
    audit.append(
        connection,
        actor=origin["actor"],
        action="eod.make",
        object_=f"eod:{area}:{summary.business_date}",
        before=None if draft.newest is None else _identity(draft.newest.revision, draft.newest.figures_sha256),
        after=after,
        request_id=origin["request_id"],
        address=origin["address"],
        at=summary.generated_at,
    )
    log.info("eod_summary_made", area=area, date=str(summary.business_date), revision=summary.revision)
    return True


def _identity(revision: int, figures_sha256: bytes) -> dict[str, Any]:
    return {"revision": revision, "figures_sha256": figures_sha256.hex()}
