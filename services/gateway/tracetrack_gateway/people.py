"""The pydantic models of people, and what the API reads of them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, SecretStr, model_validator
from redis import asyncio as aioredis
from sqlalchemy import Connection, Row

from tracetrack_common import accounts, last_seen
from tracetrack_common.errors import NotFoundError
from tracetrack_gateway import storage
from tracetrack_gateway.models import AreaCode, Page, check_encodable
from tracetrack_gateway.paging import key_of, page_of
from tracetrack_gateway.snapshots import Snapshots

Role = Literal["dispatcher", "biller", "operator", "admin"]
NewUsername = Annotated[str, Field(min_length=3, max_length=20, pattern=r"^[A-Za-z0-9_]+$")]
Email = Annotated[
    str, Field(max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")
]
Password = Annotated[SecretStr, AfterValidator(check_encodable), Field(max_length=1_000)]

_USER_EXAMPLE: dict[str, JsonValue] = {
    "username": "asha",
    "email": "asha@example.com",
    "role": "dispatcher",
    "area": "lucknow",
}


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class UserIn(_In):
    """A user to create."""

    model_config = ConfigDict(json_schema_extra={"example": {**_USER_EXAMPLE, "password": "seven brown kettles sing"}})

    username: NewUsername
    email: Email | None = None
    role: Role
    area: AreaCode | None = Field(default=None, description="dispatchers must have one")
    password: Password = Field(description="12 to 128 characters, not easily guessed")


class UserChange(_In):
    """What to change of a user; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"role": "biller", "area": None}})

    email: Email | None = None
    role: Role = "dispatcher"
    area: AreaCode | None = None
    disabled: bool = False

    @model_validator(mode="after")
    def _check_something(self) -> "UserChange":
        if not self.model_fields_set:
            raise ValueError("name at least one thing to change")
        return self


class UserOut(BaseModel):
    """A user."""

    model_config = ConfigDict(json_schema_extra={"example": {**_USER_EXAMPLE, "second_factor": False}})

    username: str
    email: str | None
    role: str
    area: str | None
    created_at: datetime
    disabled_at: datetime | None
    second_factor: bool = Field(description="whether logging in takes a code besides the password")


class PasswordIn(_In):
    """A user's new password, set by an admin."""

    password: Password


class PasswordChange(_In):
    """The caller's new password, with the old one."""

    old_password: Password
    password: Password


class ResetRequest(_In):
    """Who has forgotten their password: one of the two."""

    model_config = ConfigDict(json_schema_extra={"example": {"email": "asha@example.com"}})

    username: NewUsername | None = None
    email: Email | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "ResetRequest":
        if (self.username is None) == (self.email is None):
            raise ValueError("give username or email")
        return self


class OwnPassword(_In):
    """The caller's password, to show that it is they."""

    password: Password


class SecondFactorEnrolled(BaseModel):
    """A second factor to confirm; shown this once."""

    secret: str = Field(description="base32, for an authenticator")
    otpauth_uri: str = Field(description="the same as a QR code holds it")


class CodeIn(_In):
    """A code of the authenticator."""

    totp: SecretStr = Field(min_length=6, max_length=20)


class RecoveryCodes(BaseModel):
    """Codes that each stand in for the authenticator once; shown this once."""

    recovery_codes: list[str]


class OwnSession(BaseModel):
    """A session of the caller's."""

    session_id: str
    started_at: datetime
    expires_at: datetime
    address: str | None
    last_seen_at: datetime | None = Field(description="to the minute; null when that is not known")
    current: bool = Field(description="whether this request came with it")


class PeopleReader:
    """Reads users and sessions.

    Parameters
    ----------
    snapshots
        Reads Postgres.
    redis
        Tells when a session was last used.
    idle_s
        When it has ended for want of use.
    """

    def __init__(self, snapshots: Snapshots, redis: aioredis.Redis, *, idle_s: float) -> None:
        self._read = snapshots.read
        self._redis = redis
        self._idle_s = idle_s

    async def users(self, *, role: str | None, cursor: str | None, limit: int) -> Page[UserOut]:
        """Give users, disabled ones too, in the order they were created."""
        filters = {"role": role, "above": key_of(cursor) or 0, "limit": limit + 1}
        rows = await self._read(lambda connection: storage.select_users(connection, filters))
        return page_of(rows, limit, _user_of, lambda row: str(row.user_id))

    async def user(self, username: str) -> UserOut:
        """Give a user by name.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return _user_of(await self.row(username))

    async def row(self, username: str) -> Row[Any]:
        """Give all that is kept of a user.

        Raises
        ------
        NotFoundError
            There is none.
        """
        row = await self._read(lambda connection: accounts.find_user(connection, username))
        if row is None:
            raise NotFoundError(f"There is no user {username}.")
        return row

    async def user_of_reset(self, token_sha256: bytes) -> Row[Any]:
        """Give the user to whom a link was mailed.

        Raises
        ------
        NotFoundError
            The link is not valid.
        """
        row = await self._read(lambda connection: storage.select_user_of_reset(connection, token_sha256))
        if row is None:
            raise NotFoundError("This link is not valid; it was used, has ended or never existed. Ask for another.")
        return row

    async def sessions(self, user_id: int, current: bytes) -> list[OwnSession]:
        """Give the sessions of a user that have not ended, newest first; `current` is the SHA-256 of a token."""

        def read(connection: Connection) -> list[Row[Any]]:
            return storage.select_sessions(connection, user_id)

        rows = await self._read(read)
        tokens = [bytes(row.token_sha256) for row in rows]
        seen = await seen_at(self._redis, tokens)
        long_ago = datetime.now(UTC).timestamp() - self._idle_s
        return [
            OwnSession(
                session_id=str(row.session_id),
                started_at=row.created_at,
                expires_at=row.expires_at,
                address=row.address,
                last_seen_at=at,
                current=token == current,
            )
            for row, token, at in zip(rows, tokens, seen, strict=True)
            if at is None or at.timestamp() > long_ago
        ]


async def seen_at(redis: aioredis.Redis, tokens: list[bytes]) -> list[datetime | None]:
    """Give when each token was last used, as far as Redis knows."""
    if not tokens:
        return []
    found = cast("list[bytes | None]", await redis.hmget(last_seen.KEY, [token.hex() for token in tokens]))
    return [None if value is None else last_seen.time_of(value) for value in found]


def _user_of(row: Row[Any]) -> UserOut:
    fields = {name: getattr(row, name) for name in ("username", "email", "role", "area", "created_at", "disabled_at")}
    return UserOut(**fields, second_factor=row.totp_salt is not None)
