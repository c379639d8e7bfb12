"""What the routes of every kind of background job share."""

from typing import Any

import orjson
from fastapi import Response
from fastapi.responses import FileResponse

from tracetrack_gateway.commands import Answer
from tracetrack_gateway.jobs import Download
from tracetrack_gateway.report_orders import JobOrdered

ORDERED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobOrdered,
        "description": "Accepted: `Location` tells how it goes on",
        "headers": {"Location": {"description": "the job", "schema": {"type": "string"}}},
    }
}


def ordered(answer: Answer, place: str, job_id: object = None) -> Response:
    """Show a job that was asked for, with the address that tells how it goes on.

    Parameters
    ----------
    answer
        Of the command that makes it or stops it.
    place
        The path of its kind, for instance ``/api/v1/reports``.
    job_id
        Of one that is there; one that is not has the identity of the command that makes it.
    """
    document = dict(answer.outcome or {"job_id": str(job_id or answer.command_id), "state": "queued"})
    headers = {"Location": f"{place}/{document['job_id']}"}
    return Response(orjson.dumps(document), 202, media_type="application/json", headers=headers)


def handed_out(download: Download) -> FileResponse:
    """Hand out a file, piece by piece; what is in it no browser shows as a page."""
    headers = {"ETag": f'"{download.sha256}"', "X-Content-Type-Options": "nosniff"}
    return FileResponse(download.path, filename=download.name, headers=headers)
