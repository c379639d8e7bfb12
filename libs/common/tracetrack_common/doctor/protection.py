"""The audit log's protection: the services' role can add to what was recorded and take nothing back."""

from sqlalchemy import text

from tracetrack_common.db.privileges import PROTECTED
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import System

_SELECT_TOO_MUCH = text(
    "SELECT relname AS table, current_user AS role, pg_has_role(relowner, 'USAGE') AS owns"
    " FROM pg_class WHERE relname = ANY(:tables) AND relnamespace = CAST('public' AS regnamespace)"
    " AND (pg_has_role(relowner, 'USAGE') OR has_table_privilege(oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER'))"
    " ORDER BY relname"
)


def check_protection(system: System) -> Examined:
    """See that the role the services use can neither change nor remove what the audit log and the scans say."""
    findings = [
        Finding(
            "audit_not_protected",
            row.table,
            f"the role {row.role} {'owns it' if row.owns else 'may change or remove its rows'}",
        )
        for row in system.rows.execute(_SELECT_TOO_MUCH, {"tables": list(PROTECTED)})
    ]
    return Examined(f"the services' rights on {' and '.join(PROTECTED)}", tuple(findings))
