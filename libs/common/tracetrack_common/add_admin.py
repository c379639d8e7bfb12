"""Another admin, or the first one, where nobody can log in to make one: `python -m tracetrack_common.add_admin`."""

import argparse
import getpass
import re
import secrets
import sys
from datetime import UTC, datetime

from sqlalchemy.exc import OperationalError

from tracetrack_common import accounts, audit
from tracetrack_common.db.session import Database
from tracetrack_common.errors import ConflictError, InvalidInputError, TraceTrackError
from tracetrack_common.log import configure_logging
from tracetrack_common.passwords import check_password, hash_password
from tracetrack_common.settings import Settings

_USERNAME = re.compile(r"[A-Za-z0-9_]{3,20}")
_PASSWORD_BYTES = 15


def add_admin(settings: Settings, username: str, password: str, *, email: str | None = None) -> None:
    """Make an admin, straight in the database.

    Parameters
    ----------
    settings
        The database's address.
    username, password, email
        Of the new admin; the name and the password are checked as over the API.

    Raises
    ------
    InvalidInputError
        The name or the password will not do.
    ConflictError
        The name or the e-mail address is taken.
    sqlalchemy.exc.DBAPIError
        The database does not answer.
    """
    if not _USERNAME.fullmatch(username):
        raise InvalidInputError("A username has 3 to 20 letters, digits or underscores.")
    check_password(password, words=(username, email))
    database = Database(settings, application_name="tracetrack-add-admin")
    try:
        with database.transaction() as connection:
            user_id = accounts.insert_user(
                connection, username=username, role="admin", email=email, password_hash=hash_password(password)
            )
            if user_id is None:
                raise ConflictError(f"There is, or was, a user {username}, or one with this e-mail address.")
            audit.append(
                connection,
                actor="system",
                action="user.create",
                object_=f"user:{user_id}",
                at=datetime.now(UTC),
                after={"username": username, "email": email, "role": "admin", "area": None},
            )
    finally:
        database.close()


def choose_password(*, generate: bool) -> tuple[str, bool]:
    """Give a password: typed twice, read from a pipe's first line, or made up.

    Returns
    -------
    tuple of str, bool
        The password, and whether it was made up and so has to be shown.

    Raises
    ------
    InvalidInputError
        The two that were typed differ.
    """
    if generate:
        return secrets.token_urlsafe(_PASSWORD_BYTES), True
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n"), False
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise InvalidInputError("The two passwords differ.")
    return password, False


def main() -> int:
    """Make an admin; 1 when that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m tracetrack_common.add_admin", description=__doc__)
    parser.add_argument("username")
    parser.add_argument("--email")
    parser.add_argument("--generate", action="store_true", help="make a password up and print it, once")
    arguments = parser.parse_args()
    settings = Settings()
    configure_logging("error", process="add-admin")
    try:
        password, is_made_up = choose_password(generate=arguments.generate)
        add_admin(settings, arguments.username, password, email=arguments.email)
    except TraceTrackError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    except OperationalError as error:
        sys.stderr.write(f"The database does not answer: {str(error.orig).strip()}\n")
        return 1
    sys.stdout.write(f"{password}\n" if is_made_up else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
