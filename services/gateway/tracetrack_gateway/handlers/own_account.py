"""The caller's own account: who they are, their password, their second factor."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tracetrack_common.credentials import Principal
from tracetrack_gateway.access import Action
from tracetrack_gateway.people import (
    CodeIn,
    OwnPassword,
    PasswordChange,
    RecoveryCodes,
    SecondFactorEnrolled,
    UserOut,
)
from tracetrack_gateway.problems import documented
from tracetrack_gateway.requests import Caller, TheGateway, TheOrigin

router = APIRouter(prefix="/api/v1/users/me", tags=["people"])

_Person = Annotated[Principal, Depends(Caller(Action.KEEP_OWN_ACCOUNT))]
_Admin = Annotated[Principal, Depends(Caller(Action.KEEP_OWN_SECOND_FACTOR))]


@router.get("", summary="Who am I", responses=documented(401, 403, 503))
async def get_own_account(gateway: TheGateway, caller: _Person) -> UserOut:
    """Give the user who asks."""
    return await gateway.people.user(caller.name)


@router.post(
    "/password",
    status_code=204,
    summary="Change one's own password",
    responses=documented(400, 401, 403, 413, 422, 503),
)
async def change_password(change: PasswordChange, gateway: TheGateway, origin: TheOrigin, caller: _Person) -> None:
    """Change the caller's password; all of their sessions end, this one too."""
    old, new = change.old_password.get_secret_value(), change.password.get_secret_value()
    await gateway.accounts.change_password(old, new, caller, origin)


@router.post(
    "/second-factor",
    status_code=201,
    summary="Enrol a second factor",
    responses=documented(400, 401, 403, 413, 422, 503),
)
async def enrol_second_factor(
    proof: OwnPassword, gateway: TheGateway, origin: TheOrigin, caller: _Admin
) -> SecondFactorEnrolled:
    """Make a secret for an authenticator, shown this once; it is in force once its first code has confirmed it."""
    return await gateway.accounts.enrol_second_factor(proof.password.get_secret_value(), caller, origin)


@router.post(
    "/second-factor/confirm",
    summary="Confirm a second factor",
    responses=documented(400, 401, 403, 409, 413, 422, 503),
)
async def confirm_second_factor(code: CodeIn, gateway: TheGateway, origin: TheOrigin, caller: _Admin) -> RecoveryCodes:
    """Put the second factor in force; the recovery codes are shown this once."""
    return await gateway.accounts.confirm_second_factor(code.totp.get_secret_value(), caller, origin)
