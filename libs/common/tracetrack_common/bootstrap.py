"""The first start: an admin to log in as and a device to scan with: `python -m tracetrack_common.bootstrap`."""

import json
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError

from tracetrack_common import accounts, audit
from tracetrack_common.credentials import mirror_all
from tracetrack_common.db.session import Database
from tracetrack_common.log import configure_logging, get_logger
from tracetrack_common.passwords import hash_password
from tracetrack_common.redis_client import connect_worker
from tracetrack_common.settings import Settings

log = get_logger(__name__)

_ADMIN = "admin"
_DEVICE = "scanner-1"
_AREA = "lucknow"
_PASSWORD_BYTES = 15


@dataclass(frozen=True)
class FirstCredentials:
    """What the first start made; shown once and kept by whoever started the system.

    Parameters
    ----------
    admin_username, admin_password
        The first admin.
    device_name, device_area, device_token
        The first device.
    """

    admin_username: str
    admin_password: str
    device_name: str
    device_area: str
    device_token: str


def first_start(
    settings: Settings, *, keep: Callable[[FirstCredentials], None] | None = None
) -> FirstCredentials | None:
    """Make the first admin and the first device on a migrated database.

    Parameters
    ----------
    settings
        The database's address.
    keep
        Keeps what was made; called before the commit, so that no password is ever in force that nobody has.

    Returns
    -------
    FirstCredentials or None
        What was made; None when there is an admin already, and nothing was changed.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        The database does not answer.
    """
    password, token = secrets.token_urlsafe(_PASSWORD_BYTES), accounts.make_token()
    database = Database(settings, application_name="tracetrack-first-start")
    try:
        with database.transaction() as connection:
            if accounts.has_admin(connection):
                return None
            user_id = accounts.insert_user(
                connection, username=_ADMIN, role="admin", password_hash=hash_password(password)
            )
            device = accounts.insert_device(
                connection, name=_DEVICE, area=_AREA, token_sha256=accounts.hash_token(token)
            )
            audit.append(
                connection,
                actor="system",
                action="system.first_start",
                object_=f"user:{user_id}",
                at=datetime.now(UTC),
                after={"username": _ADMIN, "device_id": device and device.device_id},
            )
            made = FirstCredentials(_ADMIN, password, _DEVICE, _AREA, token)
            if keep is not None:
                keep(made)
        with database.snapshot() as connection:
            try:
                mirror_all(connect_worker(settings), connection)
            except RedisError as error:
                log.warning("mirror_left_to_worker", reason=str(error))
    finally:
        database.close()
    return made


def main() -> int:
    """Make the first admin and the first device and print them, once, as JSON; 1 when the database does not answer."""
    settings = Settings()
    configure_logging(settings.log_level, process="first-start")
    try:
        made = first_start(settings)
    except OperationalError as error:
        log.error("database_unreachable", reason=str(error.orig).strip())  # noqa: TRY400 - one sentence, no traceback
        return 1
    if made is None:
        log.warning("first_start_was_before", reason="there is an admin already; nothing was made")
        return 0
    shown = {
        "admin": {"username": made.admin_username, "password": made.admin_password},
        "device": {"name": made.device_name, "area": made.device_area, "token": made.device_token},
    }
    sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
