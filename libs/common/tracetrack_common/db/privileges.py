"""What the role of the services may do (domain.md, Deletion and audit): everything but to rewrite what was recorded.

The tables belong to a role that only migrations use. The services' role adds to the audit log and to the scans and can
take nothing back there; having no table of its own, it can neither alter one nor switch off what holds it.
"""

from sqlalchemy import Connection, text

PROTECTED = ("audit_log", "scan")
"""The tables in which the services' role adds rows and takes none back."""

_RECORDED = frozenset(
    (
        *("scan_id", "batch_id", "scanned_at", "device_time", "received_at", "applied_at", "seq", "epoch", "device_id"),
        *("user_id", "weight_g", "area_id", "children", "capacity", "kind", "outcome", "code", "target", "refers_to"),
    )
)
"""The columns of `scan` that are never written twice; what is noted on a scan later (that it was undone) stands in
others."""

_SELECT_TABLES = text(
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
    " AND relnamespace = CAST('public' AS regnamespace) AND pg_has_role(relowner, 'USAGE') ORDER BY relname"
)
_SELECT_SCAN_COLUMNS = text(
    "SELECT attname FROM pg_attribute WHERE attrelid = CAST('scan' AS regclass) AND attnum > 0 AND NOT attisdropped"
)
_EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
_LESS = {
    "alembic_version": "SELECT",
    "audit_chain": "SELECT, UPDATE",
    "audit_log": "SELECT, INSERT",
    "scan": "SELECT, INSERT",
    "scan_undo": "SELECT, INSERT",
    "server_key": "SELECT",
}


def grant_to_services(connection: Connection, role: str) -> None:
    """Give the services' role its rights on every table there is, and take every other from it.

    Parameters
    ----------
    connection
        Inside a transaction, as the role that owns the tables.
    role
        The services' role.
    """
    name = connection.dialect.identifier_preparer.quote(role)
    for table in connection.scalars(_SELECT_TABLES).all():
        connection.execute(text(f"REVOKE ALL ON {table} FROM {name}"))
        connection.execute(text(f"GRANT {_LESS.get(table, _EVERYTHING)} ON {table} TO {name}"))
    later = sorted(set(connection.scalars(_SELECT_SCAN_COLUMNS)) - _RECORDED)
    if later:
        connection.execute(text(f"GRANT UPDATE ({', '.join(later)}) ON scan TO {name}"))
    # The doctor looks into it.
    connection.execute(text(f"GRANT SELECT ON scan_default TO {name}"))
    connection.execute(text(f"GRANT EXECUTE ON FUNCTION make_scan_partition TO {name}"))
