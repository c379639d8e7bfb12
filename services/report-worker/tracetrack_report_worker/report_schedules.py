"""Reports that are made again and again: a saved report, a rhythm, and who is told (domain.md, docs/reports.md).

A due run is claimed by a row of `job` that is unique for its schedule and due time, in the transaction that moves the
schedule to its next due time: two ticks, or one that is killed and repeated, make it once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from tracetrack_common.contracts import Command
from tracetrack_common.db.session import Database
from tracetrack_common.domain.rhythm import next_due
from tracetrack_common.errors import InvalidInputError, NotFoundError
from tracetrack_common.ids import uuid7
from tracetrack_common.job_runner import RunningJob
from tracetrack_common.jobs import insert_job
from tracetrack_common.mail_request import is_address, request_mail
from tracetrack_common.records import keep_record
from tracetrack_common.settings import Settings
from tracetrack_report_worker.reports import find_area

QUEUE = "reports"
_WEEK_DAYS = 7

_FIELDS = ("name", "report", "rhythm", "at_minute", "on_day", "recipients", "enabled")
_INSERT = text(
    "INSERT INTO report_schedule (schedule_id, name, report, rhythm, at_minute, on_day, zone, recipients, owner_id,"
    " enabled, next_at) VALUES (:schedule_id, :name, CAST(:report AS jsonb), :rhythm, :at_minute, :on_day, :zone,"
    " :recipients, :owner_id, :enabled, :next_at)"
)
_LOCK = text(
    "SELECT schedule_id, name, report, rhythm, at_minute, on_day, zone, recipients, owner_id, enabled"
    " FROM report_schedule WHERE schedule_id = :schedule_id FOR UPDATE"
)
_UPDATE = text(
    "UPDATE report_schedule SET name = :name, report = CAST(:report AS jsonb), rhythm = :rhythm,"
    " at_minute = :at_minute, on_day = :on_day, zone = :zone, recipients = :recipients, enabled = :enabled,"
    " next_at = :next_at WHERE schedule_id = :schedule_id"
)
_DELETE = text("DELETE FROM report_schedule WHERE schedule_id = :schedule_id")
_FIND_RECIPIENTS = text(
    "SELECT user_id, username, role FROM app_user"
    " WHERE lower(username) = ANY(:names) AND disabled_at IS NULL AND role IN ('biller', 'admin')"
)
_CLAIM_DUE = text(
    "SELECT schedule_id, report, rhythm, at_minute, on_day, zone, recipients, owner_id, next_at FROM report_schedule"
    " WHERE enabled AND next_at <= :now ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_MOVE_ON = text("UPDATE report_schedule SET next_at = :next_at WHERE schedule_id = :schedule_id")
_LIST_TOLD = text(
    "SELECT user_id, email FROM app_user WHERE user_id = ANY(:readers) AND email IS NOT NULL AND disabled_at IS NULL"
    " AND role IN ('biller', 'admin')"
)


class ScheduleDesk:
    """Takes the commands on schedules.

    Parameters
    ----------
    settings
        For the zone of reports over all areas.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def create(self, connection: Connection, command: Command) -> dict[str, Any]:
        """Make a schedule of a command whose arguments are its fields, recipients by their usernames.

        Returns
        -------
        dict
            ``schedule_id``.

        Raises
        ------
        NotFoundError, InvalidInputError
            The area is not there; a recipient is nobody who may read it.
        """
        values = self._values(connection, command, dict(command.arguments))
        owner_id = int(command.actor.removeprefix("user:"))
        connection.execute(_INSERT, {**values, "schedule_id": command.command_id, "owner_id": owner_id})
        _record(connection, command, command.command_id, before=None, after=dict(command.arguments))
        return {"schedule_id": command.command_id}

    def change(self, connection: Connection, command: Command) -> dict[str, Any]:
        """Change some fields of a schedule; its next due time follows from now on.

        Returns
        -------
        dict
            ``schedule_id``.

        Raises
        ------
        NotFoundError, InvalidInputError
            It is not there or somebody else's; or as for `create`.
        """
        found = _find(connection, command)
        before = _shown(found)
        changes = command.arguments["changes"]
        if changes.get("rhythm") == "daily":
            changes = {"on_day": None} | changes
        after = before | changes
        is_daily, day = after["rhythm"] == "daily", after["on_day"]
        if is_daily != (day is None) or (after["rhythm"] == "weekly" and day > _WEEK_DAYS):
            raise InvalidInputError("A weekly or monthly rhythm has a day, 1 to 7 or 1 to 31; a daily one has none.")
        values = self._values(connection, command, after, keep=None if "recipients" in changes else found.recipients)
        connection.execute(_UPDATE, {**values, "schedule_id": found.schedule_id})
        _record(connection, command, str(found.schedule_id), before=before, after=after)
        return {"schedule_id": str(found.schedule_id)}

    def delete(self, connection: Connection, command: Command) -> dict[str, Any]:
        """Delete a schedule; the reports it made stay.

        Returns
        -------
        dict
            ``schedule_id``.

        Raises
        ------
        NotFoundError
            It is not there, or somebody else's.
        """
        found = _find(connection, command)
        connection.execute(_DELETE, {"schedule_id": found.schedule_id})
        _record(connection, command, str(found.schedule_id), before=_shown(found), after=None)
        return {"schedule_id": str(found.schedule_id)}

    def _values(
        self,
        connection: Connection,
        command: Command,
        fields: Mapping[str, Any],
        *,
        keep: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        report = fields["report"]
        area = find_area(connection, report["arguments"].get("area"))
        zone = self._settings.eod_zone if area is None else area.zone
        due = next_due(
            fields["rhythm"],
            at_minute=fields["at_minute"],
            on_day=fields["on_day"],
            zone=zone,
            after=command.origin.received_at,
        )
        return {
            **{name: fields[name] for name in _FIELDS},
            "report": orjson.dumps(report).decode(),
            "recipients": list(keep) if keep is not None else _recipients(connection, fields["recipients"], report),
            "zone": zone,
            "next_at": due,
        }


def make_due(database: Database, *, now: datetime) -> int:
    """Put every report that is due in the queue, those of a time without a worker too, the oldest first.

    Returns
    -------
    int
        How many.
    """
    made = 0
    while True:
        with database.transaction() as connection:
            due = connection.execute(_CLAIM_DUE, {"now": now}).one_or_none()
            if due is None:
                return made
            made += insert_job(
                connection,
                job_id=uuid7(),
                queue=QUEUE,
                kind=due.report["kind"],
                arguments=due.report["arguments"],
                actor=f"user:{due.owner_id}",
                readers=due.recipients,
                schedule_id=due.schedule_id,
                due_at=due.next_at,
            )
            following = next_due(
                due.rhythm, at_minute=due.at_minute, on_day=due.on_day, zone=due.zone, after=due.next_at
            )
            connection.execute(_MOVE_ON, {"schedule_id": due.schedule_id, "next_at": following})


def tell_recipients(connection: Connection, job: RunningJob, file_name: str | None, *, address: str) -> None:
    """Tell those a scheduled report is for where it is, in the transaction that ends it: once each."""
    if not job.row.readers or file_name is None:
        return
    fields = {"file": file_name, "link": f"{address}/api/v1/reports/{job.job_id}/file"}
    for told in connection.execute(_LIST_TOLD, {"readers": job.row.readers}):
        if is_address(told.email):
            key = f"report:{job.job_id}:{told.user_id}"
            request_mail(connection, kind="report", recipient=told.email, fields=fields, event_key=key)


def _recipients(connection: Connection, names: Sequence[str], report: Mapping[str, Any]) -> list[int]:
    found = connection.execute(_FIND_RECIPIENTS, {"names": [name.lower() for name in names]}).all()
    known = {row.username.lower() for row in found}
    errors = [
        {"field": "recipients", "detail": f"{name} is nobody who may read reports"}
        for name in names
        if name.lower() not in known
    ]
    if report["arguments"].get("list") == "audit":
        errors += [
            {"field": "recipients", "detail": f"{row.username} may not read the audit log"}
            for row in found
            if row.role != "admin"
        ]
    if errors:
        raise InvalidInputError("Not everybody named here may read this report.", errors=errors)
    return sorted(row.user_id for row in found)


def _find(connection: Connection, command: Command) -> Row[Any]:
    schedule_id = command.arguments["schedule_id"]
    found = connection.execute(_LOCK, {"schedule_id": schedule_id}).one_or_none()
    if found is None or (command.actor != f"user:{found.owner_id}" and not command.arguments["any_owner"]):
        raise NotFoundError(f"There is no schedule {schedule_id}.")
    return found


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _FIELDS}


def _record(
    connection: Connection,
    command: Command,
    schedule_id: str,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    keep_record(connection, command, f"report_schedule:{schedule_id}", before=before, after=after)
