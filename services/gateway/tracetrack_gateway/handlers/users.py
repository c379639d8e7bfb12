"""Users, as admins look after them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from tracetrack_common.credentials import Principal
from tracetrack_common.entity_tag import tag_of
from tracetrack_gateway.access import Action
from tracetrack_gateway.conditional import EDITED, IfMatch, condition_of
from tracetrack_gateway.handlers.answers import QUEUED, Wish, Wishing, queued
from tracetrack_gateway.models import Page
from tracetrack_gateway.people import PasswordIn, Role, UserChange, UserIn, UserOut
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway

router = APIRouter(prefix="/api/v1/users", tags=["people"])

_Admin = Annotated[Principal, Depends(Caller(Action.MANAGE_USERS))]
_AdminsWish = Annotated[Wish, Depends(Wishing(Action.MANAGE_USERS))]
_Username = Annotated[str, Path(min_length=3, max_length=20, pattern=r"^[A-Za-z0-9_]+$")]


@router.post(
    "",
    status_code=201,
    summary="Create a user",
    response_model=UserOut,
    responses={**QUEUED, **documented(400, 401, 403, 409, 413, 422, 503)},
)
async def create_user(user: UserIn, wish: _AdminsWish) -> UserOut | Response:
    """Create a user; the password is theirs to change."""
    password_hash = await wish.gateway.accounts.hash_new(
        user.password.get_secret_value(),
        words=(user.username, user.email),
        caller=wish.caller,
        idempotency_key=wish.idempotency_key,
    )
    answer = await wish.send("user.create", {**user.model_dump(exclude={"password"}), "password_hash": password_hash})
    return queued(answer) if answer.outcome is None else await wish.gateway.people.user(user.username)


@router.get("", summary="List users", responses=documented(401, 403, 422, 503))
async def list_users(
    gateway: TheGateway,
    _: _Admin,
    role: Role | None = None,
    cursor: Annotated[str | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[UserOut]:
    """List users in the order they were created, disabled ones too."""
    return await gateway.people.users(role=role, cursor=cursor, limit=limit)


@router.get("/{username}", summary="A user", responses={200: EDITED, **documented(401, 403, 404, 422, 503)})
async def get_user(username: _Username, gateway: TheGateway, _: _Admin, response: Response) -> UserOut:
    """Give a user."""
    return _tagged(await gateway.people.user(username), response)


@router.patch(
    "/{username}",
    summary="Change a user",
    response_model=UserOut,
    responses={200: EDITED, **QUEUED, **documented(400, 401, 403, 404, 409, 412, 413, 422, 503)},
)
async def change_user(
    username: _Username, change: UserChange, wish: _AdminsWish, response: Response, if_match: IfMatch = None
) -> UserOut | Response:
    """Change e-mail address, role or area, disable or enable; another role or area ends their sessions."""
    changes = change.model_dump(exclude_unset=True)
    answer = await wish.send("user.change", {"username": username, "changes": changes, **condition_of(if_match)})
    return queued(answer) if answer.outcome is None else _tagged(await wish.gateway.people.user(username), response)


@router.delete(
    "/{username}",
    status_code=204,
    summary="Disable a user",
    response_model=None,
    responses={**QUEUED, **documented(401, 403, 404, 409, 422, 503)},
)
async def disable_user(username: _Username, wish: _AdminsWish) -> Response:
    """Disable a user for good: their sessions end, what they did stays theirs, and the name stays taken."""
    answer = await wish.send("user.change", {"username": username, "changes": {"disabled": True}})
    return queued(answer) if answer.outcome is None else Response(status_code=204)


@router.post(
    "/{username}/password",
    status_code=204,
    summary="Set a user's password",
    response_model=None,
    responses={**QUEUED, **documented(400, 401, 403, 404, 413, 422, 503)},
)
async def set_password(username: _Username, new: PasswordIn, wish: _AdminsWish) -> Response:
    """Set the password of somebody who cannot; their sessions end."""
    user = await wish.gateway.people.user(username)
    password_hash = await wish.gateway.accounts.hash_new(
        new.password.get_secret_value(),
        words=(user.username, user.email),
        caller=wish.caller,
        idempotency_key=wish.idempotency_key,
    )
    answer = await wish.send("password.set", {"username": username, "password_hash": password_hash})
    return queued(answer) if answer.outcome is None else Response(status_code=204)


@router.delete(
    "/{username}/sessions",
    status_code=204,
    summary="End a user's sessions",
    response_model=None,
    responses={**QUEUED, **documented(401, 403, 404, 422, 503)},
)
async def end_sessions(username: _Username, wish: _AdminsWish) -> Response:
    """End every session of a user."""
    answer = await wish.send("user.end_sessions", {"username": username})
    return queued(answer) if answer.outcome is None else Response(status_code=204)


@router.delete(
    "/{username}/second-factor",
    status_code=204,
    summary="Remove a second factor",
    response_model=None,
    responses={**QUEUED, **documented(401, 403, 404, 422, 503)},
)
async def remove_second_factor(username: _Username, wish: _AdminsWish) -> Response:
    """Take the second factor of another admin away, who has lost it; their sessions end."""
    answer = await wish.send("second_factor.remove", {"username": username})
    return queued(answer) if answer.outcome is None else Response(status_code=204)


def _tagged(user: UserOut, response: Response) -> UserOut:
    response.headers["ETag"] = tag_of("user", {**user.model_dump(), "disabled": user.disabled_at is not None})
    return user
