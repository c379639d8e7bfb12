"""Orphans: rows that point at something that is not there, or is of the wrong kind."""

from typing import Any, Final

from sqlalchemy import Column, Select, exists, func, select

from tracetrack_common.db import schema
from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.system import EXAMPLES, System, describe_examples, examples_of

_WITHOUT_CONSTRAINT: Final = (
    (schema.bag.c.parent_id, schema.bag.c.bag_id),
    (schema.scan.c.device_id, schema.device.c.device_id),
    (schema.scan.c.user_id, schema.app_user.c.user_id),
    (schema.scan.c.area_id, schema.area.c.area_id),
)
"""What points at something without a foreign key, which would cost every scan a look; those with one are looked at too,
since a key that was switched off for a while has let in anything."""

_WRONG_KIND = examples_of(
    "SELECT child.code AS child, parent.code AS parent FROM bag AS child JOIN bag AS parent ON parent.bag_id ="
    " child.parent_id"
    " WHERE parent.capacity IS NULL"
    " UNION SELECT child.code, parent.code FROM bag_link JOIN bag AS child ON child.bag_id = bag_link.child_id"
    " JOIN bag AS parent ON parent.bag_id = bag_link.parent_id"
    " WHERE child.capacity IS NOT NULL OR parent.capacity IS NULL"
)


def check_orphans(system: System) -> Examined:
    """Look for rows that point at something that is not there, and for bags in what is no sack."""
    pointers = list_pointers()
    findings = []
    for pointer, target in pointers:
        rows = system.rows.execute(_select_orphans(pointer, target)).all()
        if rows:
            first = ", ".join(f"{row.key} ({row.rows:,} rows)" for row in rows[:EXAMPLES])
            detail = f"{rows[0].total:,} values are not in {target}: {first}"
            findings.append(Finding("orphan", str(pointer), detail))
    if wrong := system.rows.execute(_WRONG_KIND).all():
        findings.append(
            Finding("link_of_wrong_kind", "bag_link", describe_examples(wrong, "links", "{child} in {parent}"))
        )
    return Examined(f"{len(pointers)} kinds of pointers", tuple(findings))


def list_pointers() -> list[tuple[Column[Any], Column[Any]]]:
    """Give every column that points at another table's rows, with the column it points at."""
    keys = [
        (key.parent, key.column)
        for table in schema.metadata.sorted_tables
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name)
    ]
    return [*keys, *_WITHOUT_CONSTRAINT]


def _select_orphans(pointer: Column[Any], target: Column[Any]) -> Select[Any]:
    targets = target.table.alias("target")
    return (
        select(pointer.label("key"), func.count().label("rows"), func.count().over().label("total"))
        .where(pointer.is_not(None), ~exists(select(1).select_from(targets).where(targets.c[target.name] == pointer)))
        .group_by(pointer)
        .order_by(pointer)
        .limit(EXAMPLES)
    )
