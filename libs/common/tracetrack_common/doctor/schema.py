"""The schema: every table, column, index and constraint as the migrations made them, and in force."""

import re
import warnings
from collections.abc import Iterator
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, PrimaryKeyConstraint, text
from sqlalchemy.exc import SAWarning
from sqlalchemy.schema import SchemaItem, Table

from tracetrack_common.db.schema import metadata
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import System
from tracetrack_common.migrate import alembic_config

_PARTITION = re.compile(r"scan_(\d{6}|default)")
_SELECT_CONSTRAINTS = text(
    "SELECT conname AS name, relname AS table FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
    " WHERE contype IN ('c', 'p') AND NOT relispartition AND relname = ANY(:tables)"
    " AND pg_class.relnamespace = CAST(current_schema() AS regnamespace)"
)
_SELECT_TABLES = text(
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = CAST(current_schema() AS regnamespace)"
)
_SELECT_NOT_ENFORCED = text(
    "SELECT relname AS table, conname AS name, 'it was never validated' AS why"
    " FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid WHERE NOT convalidated AND relname = ANY(:tables)"
    " UNION SELECT relname, conname, 'its triggers are switched off'"
    " FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_constraint ON pg_constraint.oid = tgconstraint"
    " WHERE tgenabled <> 'O' AND relname = ANY(:tables) ORDER BY 1, 2"
)
_SELECT_INVALID_INDEXES = text(
    "SELECT index.relname AS name FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid"
    " JOIN pg_class AS owner ON owner.oid = indrelid"
    " WHERE NOT (indisvalid AND indisready) AND (owner.relname = ANY(:tables) OR owner.relispartition) ORDER BY 1"
)


def check_schema(system: System) -> Examined:
    """Hold the live schema against the migrations' newest revision and the models."""
    wrong_revision = _judge_revision(system.rows)
    if wrong_revision is not None:
        return Examined("the revision", (wrong_revision,))
    findings = [*_compare_models(system.rows), *_compare_constraints(system.rows), *_find_not_in_force(system.rows)]
    indexes = sum(len(table.indexes) for table in metadata.tables.values())
    constraints = sum(len(table.constraints) for table in metadata.tables.values())
    return Examined(
        f"{len(metadata.tables)} tables, {indexes} indexes, {constraints} constraints",
        tuple(sorted(findings, key=lambda finding: (finding.code, finding.subject))),
    )


def _judge_revision(connection: Connection) -> Finding | None:
    """Compare the revision with the newest this release has."""
    script = ScriptDirectory.from_config(alembic_config(connection))
    newest = script.get_current_head()
    # Asked in a way that does not fail, which would end the snapshot's savepoint, when there is no such table.
    revision = None
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is not None:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision == newest:
        return None
    known = {each.revision for each in script.walk_revisions()}
    code = "schema_not_migrated" if revision is None or revision in known else "schema_unknown"
    return Finding(
        code, "alembic_version", f"the database is at revision {revision}, this release's newest is {newest}"
    )


def _compare_models(connection: Connection) -> Iterator[Finding]:
    """Compare tables, columns, indexes, unique keys and foreign keys, as Alembic does for a new migration."""

    def is_ours(item: SchemaItem, name: str | None, kind: str, _: bool, other: SchemaItem | None) -> bool:  # noqa: FBT001 - Alembic calls it so
        if kind in {"table", "index"} and _PARTITION.match(name or ""):
            return False
        # A given database may hold tables of others; they are no business of ours.
        return not (kind == "table" and isinstance(item, Table) and other is None and item.name not in metadata.tables)

    context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_server_default": True})
    with warnings.catch_warnings():
        # It warns of options that it cannot take over into a migration; none is made here.
        warnings.simplefilter("ignore", SAWarning)
        differences = compare_metadata(context, metadata)
    for difference in differences:
        # What is changed in one column comes as a list, everything else as one tuple.
        for action, *what in difference if isinstance(difference, list) else [difference]:
            yield _describe(str(action), what)


def _describe(action: str, what: list[Any]) -> Finding:
    """Turn a difference in the words of Alembic into a finding: what it would add is missing, what remove, extra."""
    verb, _, kind = action.partition("_")
    if verb == "modify":
        _, table, column, _, is_, must_be = what
        return Finding("schema_differs", f"{table}.{column}", f"{kind} is {is_!r} and must be {must_be!r}")
    if kind == "column":
        _, table, column = what
        subject = f"{table}.{column.name}"
    else:
        subject = str(what[0].name)
    word = {"fk": "foreign key"}.get(kind, kind.replace("_", " "))
    if verb == "add":
        return Finding("schema_missing", subject, f"the {word} is not there")
    return Finding("schema_extra", subject, f"the {word} is in no migration")


def _compare_constraints(connection: Connection) -> Iterator[Finding]:
    """Compare CHECKs and primary keys by their names: Alembic's comparison leaves them out."""
    found = {
        (row.table, row.name) for row in connection.execute(_SELECT_CONSTRAINTS, {"tables": list(metadata.tables)})
    }
    present = set(connection.scalars(_SELECT_TABLES))
    wanted = {
        (table.name, str(constraint.name))
        for table in metadata.tables.values()
        for constraint in table.constraints
        # A table that is gone is told of once.
        if isinstance(constraint, CheckConstraint | PrimaryKeyConstraint) and table.name in present
    }
    for table, name in sorted(wanted - found):
        yield Finding("schema_missing", f"{table}.{name}", "the constraint is not there")
    for table, name in sorted(found - wanted):
        yield Finding("schema_extra", f"{table}.{name}", "the constraint is in no migration")


def _find_not_in_force(connection: Connection) -> Iterator[Finding]:
    ours = {"tables": list(metadata.tables)}
    for row in connection.execute(_SELECT_NOT_ENFORCED, ours):
        yield Finding("constraint_not_enforced", f"{row.table}.{row.name}", row.why)
    for row in connection.execute(_SELECT_INVALID_INDEXES, ours):
        yield Finding("index_not_valid", row.name, "pg_index says that it is not valid")
