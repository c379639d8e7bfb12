"""Background jobs as they are asked for: made, and asked to stop, by commands (docs/decisions/0009-background-jobs.md).

A job's identity is that of the command that made it, so a command that is done again makes no second job.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text

from tracetrack_common.contracts import Command
from tracetrack_common.errors import ConflictError, NotFoundError
from tracetrack_common.records import keep_record

_INSERT = text(
    "INSERT INTO job (job_id, queue, kind, arguments, actor, area_id, readers, schedule_id, due_at)"
    " VALUES (:job_id, :queue, :kind, CAST(:arguments AS jsonb), :actor, :area_id, :readers, :schedule_id, :due_at)"
    " ON CONFLICT DO NOTHING"
)
_LOCK = text("SELECT state, actor FROM job WHERE job_id = :job_id AND queue = :queue FOR UPDATE")
_REQUEST_CANCEL = text(
    "UPDATE job SET cancel_requested_at = coalesce(cancel_requested_at, :at),"
    " state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,"
    " finished_at = CASE state WHEN 'queued' THEN CAST(:at AS timestamptz) END"
    " WHERE job_id = :job_id RETURNING state"
)


def insert_job(  # noqa: PLR0913 - a job has these
    connection: Connection,
    *,
    job_id: str | UUID,
    queue: str,
    kind: str,
    arguments: Mapping[str, Any],
    actor: str,
    area_id: int | None = None,
    readers: Collection[int] = (),
    schedule_id: UUID | None = None,
    due_at: datetime | None = None,
) -> bool:
    """Put a job in its queue; False when this one is there already, by its identity or its schedule's due time."""
    values = {
        "job_id": job_id,
        "queue": queue,
        "kind": kind,
        "arguments": orjson.dumps(arguments).decode(),
        "actor": actor,
        "area_id": area_id,
        "readers": list(readers),
        "schedule_id": schedule_id,
        "due_at": due_at,
    }
    return connection.execute(_INSERT, values).rowcount == 1


class JobDesk:
    """Takes the commands on one queue's jobs: ``<noun>.create`` and ``<noun>.cancel``.

    Parameters
    ----------
    queue
        Whose jobs: ``reports``, ``imports``.
    noun
        What one is called in the audit log: ``report``, ``import``.
    check
        Refuses, by a `TraceTrackError`, what no job can do.
    """

    def __init__(
        self, queue: str, *, noun: str, check: Callable[[Connection, Command], None] = lambda *_: None
    ) -> None:
        self._queue = queue
        self._noun = noun
        self._check = check

    def create(self, connection: Connection, command: Command) -> dict[str, Any]:
        """Make a job of a command whose arguments are ``{"kind": …, "arguments": {…}}``.

        Returns
        -------
        dict
            ``job_id`` and ``state``.
        """
        self._check(connection, command)
        wanted = command.arguments
        insert_job(
            connection,
            job_id=command.command_id,
            queue=self._queue,
            kind=wanted["kind"],
            arguments=wanted["arguments"],
            actor=command.actor,
            area_id=command.area_id,
        )
        self._record(connection, command, command.command_id, before=None, after=dict(wanted))
        return {"job_id": command.command_id, "state": "queued"}

    def cancel(self, connection: Connection, command: Command) -> dict[str, Any]:
        """Ask a job to stop; one that has not begun is cancelled at once. Arguments: ``job_id``, ``any_owner``.

        Returns
        -------
        dict
            ``job_id`` and ``state``.

        Raises
        ------
        NotFoundError
            There is none, or it is somebody else's and the caller may not.
        ConflictError
            It has ended.
        """
        job_id = command.arguments["job_id"]
        found = connection.execute(_LOCK, {"job_id": job_id, "queue": self._queue}).one_or_none()
        if found is None or (found.actor != command.actor and not command.arguments["any_owner"]):
            raise NotFoundError(f"There is no {self._noun} {job_id}.")
        if found.state not in {"queued", "running"}:
            raise ConflictError(f"This {self._noun} has ended: it is {found.state}.")
        values = {"job_id": job_id, "at": command.origin.received_at}
        state = connection.execute(_REQUEST_CANCEL, values).scalar_one()
        self._record(
            connection, command, job_id, before={"state": found.state}, after={"state": state, "cancel": "requested"}
        )
        return {"job_id": job_id, "state": state}

    def _record(
        self,
        connection: Connection,
        command: Command,
        job_id: str,
        *,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any],
    ) -> None:
        keep_record(connection, command, f"{self._noun}:{job_id}", before=before, after=after)
