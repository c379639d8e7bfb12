"""Forgotten passwords."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from tracetrack_gateway.access import Action
from tracetrack_gateway.people import PasswordIn, ResetRequest
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Stated, TheGateway, TheOrigin

router = APIRouter(
    prefix="/api/v1/password-resets", tags=["people"], dependencies=[Depends(Stated(Action.RESET_PASSWORD))]
)


@router.post(
    "",
    status_code=202,
    summary="Forget a password",
    response_class=Response,
    responses=documented(400, 413, 422, 503),
)
async def request_reset(reset: ResetRequest, gateway: TheGateway, origin: TheOrigin) -> Response:
    """Have a link mailed that sets another password, once, within an hour; the answer is the same for nobody."""
    await gateway.accounts.ask_for_reset(reset.username, reset.email, origin)
    return Response(status_code=202)


@router.post(
    "/{token}",
    status_code=204,
    summary="Set a forgotten password",
    responses=documented(400, 404, 413, 422, 503),
)
async def reset_password(
    token: Annotated[str, Path(max_length=200)], new: PasswordIn, gateway: TheGateway, origin: TheOrigin
) -> None:
    """Set another password with the token of the link; every session ends."""
    await gateway.accounts.reset_password(token, new.password.get_secret_value(), origin)
