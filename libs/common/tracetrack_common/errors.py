"""Errors that carry a code and an HTTP status; the gateway renders them in one place as problem+json (RFC 9457)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class TraceTrackError(Exception):
    """Base of every error that a caller is told about.

    Parameters
    ----------
    detail
        One sentence that says what was wrong and what to do.
    errors
        The fields at fault, each ``{"field": …, "detail": …}``.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str, *, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)


class InvalidInputError(TraceTrackError):
    """The request cannot be understood; nothing was written."""

    code = "invalid_input"
    status = 422
    title = "The request has a mistake"


class MalformedBodyError(InvalidInputError):
    """The body is not JSON (or not the JSON that was announced)."""

    code = "malformed_body"
    status = 400
    title = "The body cannot be read"


class NotAcceptableError(TraceTrackError):
    """The request accepts no media type that this route gives."""

    code = "not_acceptable"
    status = 406
    title = "No media type that is asked for is given here"


class TooLargeError(TraceTrackError):
    """The body is larger than this route takes."""

    code = "too_large"
    status = 413
    title = "The body is too large"


class UnsupportedMediaTypeError(TraceTrackError):
    """The body's content type is not one this route reads."""

    code = "unsupported_media_type"
    status = 415
    title = "The content type is not supported"


class UnauthorizedError(TraceTrackError):
    """No token, or one that is not valid (any more)."""

    code = "unauthorized"
    status = 401
    title = "A valid token is needed"


class TotpRequiredError(UnauthorizedError):
    """The password is right, and a second factor is needed besides."""

    code = "totp_required"
    title = "A second factor is needed"


class ForbiddenError(TraceTrackError):
    """The token's owner may not do this."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class NotFoundError(TraceTrackError):
    """There is no such thing, or not in the caller's area."""

    code = "not_found"
    status = 404
    title = "Not found"


class GoneError(TraceTrackError):
    """It was there, and is not kept for ever."""

    code = "gone"
    status = 410
    title = "Not kept any more"


class ConflictError(TraceTrackError):
    """The thing is not in a state that allows this."""

    code = "conflict"
    status = 409
    title = "Not possible now"


class PreconditionFailedError(TraceTrackError):
    """The thing was changed since the caller looked at it; nothing was written."""

    code = "precondition_failed"
    status = 412
    title = "It was changed meanwhile"


class IdReusedError(TraceTrackError):
    """An identity was used again with other content; the first stands."""

    code = "id_reused"
    status = 422
    title = "This identity stands for something else"


class UnavailableError(TraceTrackError):
    """A part that is needed does not answer; nothing was accepted, and a retry is safe.

    Parameters
    ----------
    detail
        One sentence that says what is missing.
    retry_after_s
        Seconds after which a retry makes sense.
    """

    code = "unavailable"
    status = 503
    title = "Not available right now"

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class OverloadedError(UnavailableError):
    """Too much waits to be applied already; nothing was accepted, and a retry is safe and should wait."""

    code = "overloaded"
    title = "Too much waits already"


class TooManyRequestsError(UnavailableError):
    """The caller asks more often than anybody who works; nothing was accepted, and a retry is safe and should wait."""

    code = "too_many_requests"
    status = 429
    title = "Too many requests"


BY_CODE: Mapping[str, type[TraceTrackError]] = {
    error.code: error
    for error in (
        InvalidInputError,
        ForbiddenError,
        NotFoundError,
        ConflictError,
        IdReusedError,
        UnauthorizedError,
        PreconditionFailedError,
    )
}
"""The errors that a worker may answer a command with, by the code that travels."""
