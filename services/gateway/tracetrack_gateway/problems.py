"""Problems (RFC 9457): the one place that turns an error into a response."""

import http
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from tracetrack_common.db.session import is_transient
from tracetrack_common.errors import TraceTrackError, UnauthorizedError, UnavailableError
from tracetrack_common.log import get_logger
from tracetrack_gateway.models import Problem

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_TYPE = "https://tracetrack.dev/problems/"
_RETRY_AFTER_S = 1


def problem(
    request: Request, *, code: str, title: str, status: int, detail: str, errors: Sequence[Any] = ()
) -> Response:
    """Render a problem."""
    body = {
        "type": _TYPE + code,
        "title": title,
        "status": status,
        "detail": detail,
        "errors": list(errors),
        "request_id": request.scope.get("request_id"),
    }
    return Response(orjson.dumps(body), status, media_type=MEDIA_TYPE)


async def render_error(request: Request, error: Exception) -> Response:
    """Render one of TraceTrack's own errors."""
    if not isinstance(error, TraceTrackError):
        raise error
    response = problem(
        request, code=error.code, title=error.title, status=error.status, detail=error.detail, errors=error.errors
    )
    if isinstance(error, UnavailableError):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, UnauthorizedError):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


async def render_validation_error(request: Request, error: Exception) -> Response:
    """Render what FastAPI found wrong with a request."""
    if not isinstance(error, RequestValidationError):
        raise error
    is_json = not any(each["type"] == "json_invalid" for each in error.errors())
    errors = describe_errors(error.errors(), skip=1)
    if not is_json:
        errors = [{"field": "body", "detail": f"not JSON: {each['detail']}"} for each in errors]
    return problem(
        request,
        code="invalid_input" if is_json else "malformed_body",
        title="The request has a mistake" if is_json else "The body cannot be read",
        status=422 if is_json else 400,
        detail="; ".join(f"{each['field']}: {each['detail']}" for each in errors),
        errors=errors,
    )


async def render_http_error(request: Request, error: Exception) -> Response:
    """Render what the framework itself refuses: a path that is not there, a method that is not allowed."""
    if not isinstance(error, HTTPException):
        raise error
    title = http.HTTPStatus(error.status_code).phrase
    response = problem(
        request, code=title.lower().replace(" ", "_"), title=title, status=error.status_code, detail=str(error.detail)
    )
    response.headers.update(error.headers or {})
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    return response


def _methods_of(request: Request) -> Iterator[str]:
    """Give the methods of every route at a request's address; the framework names those of the first one only."""
    for route in iter_route_contexts(request.app.routes):
        if route.path is not None and compile_path(route.path)[0].match(request.scope["path"]):
            yield from route.methods or ()


async def render_database_error(request: Request, error: Exception) -> Response:
    """Render a database that does not answer as 503; anything else that it says is a defect."""
    if not isinstance(error, SQLAlchemyError) or not is_transient(error):
        raise error
    log.warning("database_unavailable", reason=str(error).splitlines()[0])
    return await render_error(
        request, UnavailableError("The database does not answer; try again.", retry_after_s=_RETRY_AFTER_S)
    )


async def render_redis_error(request: Request, error: Exception) -> Response:
    """Render a Redis that does not answer as 503."""
    log.warning("redis_unavailable", reason=str(error))
    return await render_error(
        request, UnavailableError("The ledger does not answer; try again.", retry_after_s=_RETRY_AFTER_S)
    )


async def render_defect(request: Request, error: Exception) -> Response:
    """Render a defect: the caller gets the request's id, the log gets the rest."""
    log.error("request_failed", route=_route_of(request), request_id=request.scope.get("request_id"), exc_info=error)
    return problem(
        request,
        code="internal_error",
        title="Something went wrong",
        status=500,
        detail="This is our mistake; tell us the request_id.",
    )


def _route_of(request: Request) -> str:
    """Name the route as it is declared: what stands in its place in an address may be a secret."""
    return str(request.scope.get("route_path") or getattr(request.scope.get("route"), "path", "unmatched"))


def describe_errors(errors: Sequence[Any], *, skip: int = 0) -> list[dict[str, str]]:
    """Say what pydantic found wrong, by field.

    Parameters
    ----------
    errors
        As pydantic lists them.
    skip
        How many leading parts of the location to leave out.
    """
    return [
        {
            "field": ".".join(str(part) for part in each["loc"][skip:]) or "body",
            "detail": str(each["msg"]).removeprefix("Value error, "),
        }
        for each in errors
    ]


def install(app: FastAPI) -> None:
    """Have every error of an application rendered here."""
    app.add_exception_handler(TraceTrackError, render_error)
    app.add_exception_handler(RequestValidationError, render_validation_error)
    app.add_exception_handler(HTTPException, render_http_error)
    app.add_exception_handler(SQLAlchemyError, render_database_error)
    app.add_exception_handler(RedisError, render_redis_error)
    app.add_exception_handler(Exception, render_defect)


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "model": Problem,
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in {
        400: "The body cannot be read",
        401: "No valid token",
        403: "Not allowed for this role",
        404: "Not there, or not in the caller's area",
        406: "Neither JSON nor CSV is accepted",
        409: "Not possible in this state",
        410: "It is not kept any more",
        412: "It was changed since `If-Match` was true",
        413: "The body is too large",
        415: "The content type is not supported",
        422: "A field is wrong; `errors` names it",
        429: "More requests than anybody who works sends; nothing was accepted",
        503: "A part does not answer (`unavailable`), or too much waits (`overloaded`); nothing was accepted",
    }.items()
}
"""The problems that routes document, by status."""
for _status in (429, 503):
    RESPONSES[_status]["headers"] = {
        "Retry-After": {"description": "seconds to wait before it is sent again", "schema": {"type": "integer"}}
    }


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give the problems a route can answer with, for its documentation."""
    return {status: RESPONSES[status] for status in statuses}
