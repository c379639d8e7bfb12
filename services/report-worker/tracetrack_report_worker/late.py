"""What arrived late: closed days whose figures were touched after their summary was read (domain.md, End of day).

Every look reads what was applied since the look before, by PostgreSQL's clock, and notes which summaries it touches. A
transaction says when it began and is seen when it commits, so each look goes back a little further; noting the same
thing twice costs one reading of a day that finds nothing new.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, text

from tracetrack_common.db.arrays import array_literal, text_array_literal, time_array_literal
from tracetrack_common.domain.business_day import Window, business_date_of
from tracetrack_report_worker import storage
from tracetrack_report_worker.gaps import LOOK_BACK

_LONGEST_TRANSACTION = timedelta(minutes=5)
"""Far above what the timeouts of statements and idle transactions allow."""
_COMMANDS = r"^(bill|return|bag|scan)\."

_BEGIN_LOOK = text("INSERT INTO eod_look (looked_until) VALUES ('2000-01-01T00:00Z') ON CONFLICT DO NOTHING")
_LOCK_LOOK = text("SELECT looked_until FROM eod_look FOR UPDATE")
_END_LOOK = text("UPDATE eod_look SET looked_until = now()")
# Offsets from UTC are whole quarters of an hour, so a quarter is in one business day of any zone.
_LIST_SCANS = text("""
    SELECT scan.area_id, device.name AS device, coalesce(epoch, 0) AS epoch, min(seq) AS seq,
        date_bin('15 minutes', scanned_at, TIMESTAMPTZ '2000-01-01T00:00Z') AS at,
        min(applied_at) AS first_at, max(applied_at) AS last_at
    FROM scan LEFT JOIN device USING (device_id)
    WHERE applied_at >= :since AND scanned_at < :until
    GROUP BY 1, 2, 3, 5
""")
_LIST_COMMANDS = text("""
    SELECT date_bin('15 minutes', received_at, TIMESTAMPTZ '2000-01-01T00:00Z') AS at,
        min(done_at) AS first_at, max(done_at) AS last_at
    FROM command
    WHERE done_at >= :since AND received_at < :until AND status = 'done' AND name ~ :names
    GROUP BY 1
""")
# A device's next day has the gap below its first counter; a later one may have one that the counter is in.
_LIST_AFTER = text("""
    WITH wanted AS (
        SELECT * FROM unnest(CAST(:devices AS text[]), CAST(:epochs AS int[]), CAST(:days AS date[]),
            CAST(:firsts AS timestamptz[]), CAST(:lasts AS timestamptz[])) AS v (device, epoch, day, first_at, last_at)
    ), made AS MATERIALIZED (
        SELECT business_date, content #> '{scans,by_device}' AS devices, content #> '{exceptions,gaps}' AS gaps
        FROM eod_summary WHERE area_id IS NOT DISTINCT FROM CAST(:area_id AS smallint)
            AND business_date > (SELECT min(day) FROM wanted)
            AND business_date <= (SELECT max(day) FROM wanted) + CAST(:days_ahead AS integer)
    ), later AS (
        SELECT made.business_date, first_at, last_at, gaps @> has_gap AS has_gap,
            dense_rank() OVER (PARTITION BY device, epoch, day ORDER BY made.business_date) AS nth
        FROM wanted
        CROSS JOIN LATERAL (SELECT jsonb_build_array(jsonb_build_object('device', device)) AS is_there,
            jsonb_build_array(jsonb_build_object('device', device, 'epoch', epoch)) AS has_gap) AS looked_for
        JOIN made ON made.business_date > day AND made.business_date <= day + CAST(:days_ahead AS integer)
            AND (devices @> is_there OR gaps @> has_gap)
    )
    SELECT business_date, first_at, last_at FROM later WHERE nth = 1 OR has_gap
""")
_NOTE = text("""
    INSERT INTO eod_touched (business_date, area_id, first_at, last_at)
    SELECT v.business_date, v.area_id, min(v.first_at), max(v.last_at)
    FROM unnest(CAST(:days AS date[]), CAST(:areas AS smallint[]), CAST(:firsts AS timestamptz[]),
        CAST(:lasts AS timestamptz[])) AS v (business_date, area_id, first_at, last_at)
    GROUP BY v.business_date, v.area_id
    ON CONFLICT (business_date, area_id) DO UPDATE
        SET first_at = least(eod_touched.first_at, excluded.first_at),
            last_at = greatest(eod_touched.last_at, excluded.last_at)
""")
_LIST_QUIET = text("""
    SELECT business_date, code AS area, area_id, last_at FROM eod_touched LEFT JOIN area USING (area_id)
    WHERE last_at <= :quiet_since OR first_at <= :touched_since
    ORDER BY business_date, code NULLS LAST
""")
_SETTLE = text("""
    DELETE FROM eod_touched WHERE business_date = :business_date
        AND area_id IS NOT DISTINCT FROM CAST(:area_id AS smallint) AND last_at <= :last_at
""")
_LIST_LATE_COMMANDS = text("""
    SELECT name AS command, coalesce(username, actor) AS by, received_at AS at,
        coalesce(outcome ->> 'bill_no', outcome ->> 'return_no', outcome ->> 'code') AS object
    FROM command LEFT JOIN app_user ON actor = 'user:' || app_user.user_id
    WHERE done_at >= :since AND received_at >= :start AND received_at < :end AND status = 'done' AND name ~ :names
    ORDER BY received_at, command_id
""")


@dataclass(frozen=True, slots=True)
class Touched:
    """A summary whose figures may have changed; `area` is None for the one over all areas."""

    business_date: date
    area: str | None
    area_id: int | None
    last_at: datetime


@dataclass(frozen=True, slots=True)
class _Subject:
    """What has summaries: an area, or all of them together (None), with the days that are made."""

    area_id: int | None
    zone: str
    made: frozenset[date]


def look(connection: Connection, *, zone: str) -> None:
    """Note which summaries are touched by what was applied since the last look; two at once look one after the other.

    Parameters
    ----------
    connection
        Inside a transaction.
    zone
        Of the summary over all areas.
    """
    connection.execute(_BEGIN_LOOK)
    looked_until: datetime = connection.execute(_LOCK_LOOK).scalar_one()
    subjects = _list_subjects(connection, zone)
    since = {"since": looked_until - _LONGEST_TRANSACTION, "until": storage.last_window_end(connection)}
    scans = connection.execute(_LIST_SCANS, since).all()
    commands = connection.execute(_LIST_COMMANDS, {**since, "names": _COMMANDS}).all()
    for subject in subjects:
        date_of = cache(lambda at, zone=subject.zone: business_date_of(at, zone))
        own = [row for row in scans if subject.area_id is None or row.area_id in {None, subject.area_id}]
        late = [(date_of(row.at), row) for row in [*own, *commands]]
        late = [(day, row) for day, row in late if day in subject.made]
        counted = [(day, row) for day, row in late if getattr(row, "seq", None) is not None]
        touched = [(day, row.first_at, row.last_at) for day, row in late]
        touched += _list_after(connection, subject, counted)
        _note(connection, subject, touched)
    connection.execute(_END_LOOK)


def list_quiet(connection: Connection, *, quiet_since: datetime, touched_since: datetime) -> list[Touched]:
    """Give the touched summaries to which nothing has come since one time, or that were first touched before another.

    Returns
    -------
    list of Touched
        The oldest day first, areas before all.
    """
    values = {"quiet_since": quiet_since, "touched_since": touched_since}
    return [Touched(*row) for row in connection.execute(_LIST_QUIET, values)]


def settle(connection: Connection, touched: Touched) -> None:
    """Forget that a summary was touched, now that it was read anew; what came since stays noted."""
    values = {"business_date": touched.business_date, "area_id": touched.area_id, "last_at": touched.last_at}
    connection.execute(_SETTLE, values)


def list_late_commands(connection: Connection, window: Window, *, since: str) -> list[dict[str, Any]]:
    """Give what people did in a window and what was done only after a time.

    Returns
    -------
    list of dict
        ``command``, ``by``, ``at``, and ``object``: the bill, return or bag, where the outcome names one.
    """
    values = {"start": window.start, "end": window.end, "since": since, "names": _COMMANDS}
    rows = connection.execute(_LIST_LATE_COMMANDS, values)
    return [{**row._asdict(), "at": row.at.isoformat()} for row in rows]


def _list_subjects(connection: Connection, zone: str) -> list[_Subject]:
    made: dict[int | None, set[date]] = {}
    for area_id, day in storage.list_made(connection):
        made.setdefault(area_id, set()).add(day)
    zones: list[tuple[int | None, str]] = [(area.area_id, area.zone) for area in storage.list_areas(connection)]
    return [_Subject(area_id, its, frozenset(made.get(area_id, ()))) for area_id, its in [*zones, (None, zone)]]


def _list_after(
    connection: Connection, subject: _Subject, late: Sequence[tuple[date, Row[Any]]]
) -> list[tuple[date, datetime, datetime]]:
    """Give the later days whose gaps a device's late counters may change, with when these came."""
    if not late:
        return []
    found = connection.execute(
        _LIST_AFTER,
        {
            "devices": text_array_literal([row.device for _, row in late]),
            "epochs": array_literal([row.epoch for _, row in late]),
            "days": array_literal([day for day, _ in late]),
            "firsts": time_array_literal([row.first_at for _, row in late]),
            "lasts": time_array_literal([row.last_at for _, row in late]),
            "area_id": subject.area_id,
            "days_ahead": LOOK_BACK[-1].days,
        },
    )
    return [(row.business_date, row.first_at, row.last_at) for row in found]


def _note(connection: Connection, subject: _Subject, touched: Iterable[tuple[date, datetime, datetime]]) -> None:
    rows = list(touched)
    if not rows:
        return
    connection.execute(
        _NOTE,
        {
            "days": array_literal([day for day, _, _ in rows]),
            "areas": array_literal([subject.area_id] * len(rows)),
            "firsts": time_array_literal([first for _, first, _ in rows]),
            "lasts": time_array_literal([last for _, _, last in rows]),
        },
    )
