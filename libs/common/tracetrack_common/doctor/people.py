"""People: somebody must be able to administer the system."""

from sqlalchemy import text

from tracetrack_common.accounts import has_admin
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import System

_COUNT = text("SELECT count(*) FROM app_user WHERE disabled_at IS NULL")


def check_people(system: System) -> Examined:
    """See that there is an admin who can log in."""
    people = system.rows.execute(_COUNT).scalar_one()
    missing = () if has_admin(system.rows) else (Finding("admin_missing", "app_user", f"{people} users, no admin"),)
    return Examined(f"{people:,} users", missing)
