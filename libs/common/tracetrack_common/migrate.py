"""Bring the database to the newest schema: `python -m tracetrack_common.migrate`."""

import sys
import time
from datetime import UTC, datetime

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import OperationalError

from tracetrack_common.db.partitions import ensure_partitions
from tracetrack_common.db.privileges import grant_to_services
from tracetrack_common.db.session import Database
from tracetrack_common.log import configure_logging, get_logger
from tracetrack_common.settings import Settings

log = get_logger(__name__)

_WAIT_S = 30.0
_PAUSE_S = 0.25


def alembic_config(connection: Connection) -> Config:
    """Give Alembic's configuration for a connection inside a transaction."""
    config = Config()
    config.set_main_option("script_location", "tracetrack_common.db:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def migrate(database: Database, *, services_role: str | None = None, wait_s: float = _WAIT_S) -> None:
    """Upgrade to the newest revision in one transaction, and make the partitions that the coming months need.

    Parameters
    ----------
    database
        With the rights of the schema's owner.
    services_role
        The role of the services, where it is not the owner: it is given its rights.
    wait_s
        How long a database that does not answer yet is waited for.

    Raises
    ------
    sqlalchemy.exc.OperationalError
        The database did not answer in time.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with database.transaction() as connection:
                command.upgrade(alembic_config(connection), "head")
                made = ensure_partitions(connection, datetime.now(UTC))
                if services_role is not None:
                    grant_to_services(connection, services_role)
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
        else:
            log.info("database_migrated", partitions_made=made)
            return


def main() -> int:
    """Migrate the database the settings name; 0 when done, 1 with one sentence when not."""
    settings = Settings()
    configure_logging(settings.log_level, process="migrate")
    owner_url = settings.migration_database_url or settings.database_url
    services, owner = (make_url(url.get_secret_value()).username for url in (settings.database_url, owner_url))
    as_owner = settings.model_copy(update={"database_url": owner_url})
    database = Database(as_owner, application_name="tracetrack-migrate")
    try:
        migrate(database, services_role=None if services == owner else services)
    except OperationalError as error:
        log.error("database_unreachable", reason=str(error.orig).strip())  # noqa: TRY400 - one sentence, no traceback
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
