"""Indexes for the searches of bags and scans (docs/decisions/0008-search.md).

The previous release works with them. While they are built, some three seconds for a million bags, nothing can be
written to `bag` and `scan`: scans are accepted into the ledger meanwhile and applied afterwards.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A trusted extension: whoever may create a schema in the database may create it.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    key = ["area_id", "created_at", "bag_id"]
    op.create_index("bag_newest_idx", "bag", key)
    op.create_index("bag_sacks_idx", "bag", key, postgresql_where=sa.text("capacity IS NOT NULL"))
    op.create_index("bag_unlinked_idx", "bag", key, postgresql_where=sa.text("capacity IS NULL AND parent_id IS NULL"))
    op.create_index(
        "bag_code_part_idx", "bag", ["code"], postgresql_using="gin", postgresql_ops={"code": "gin_trgm_ops"}
    )
    op.create_index(
        "scan_refused_idx",
        "scan",
        ["scan_id"],
        postgresql_where=sa.text("outcome NOT IN ('applied', 'known', 'duplicate')"),
    )
    op.create_index(
        "scan_named_idx",
        "scan",
        [sa.text("(ARRAY[code, target, refers_to])")],
        postgresql_using="gin",
        postgresql_where=sa.text("outcome <> 'applied'"),
    )
    op.create_index(
        "scan_odd_clock_idx",
        "scan",
        ["scan_id"],
        postgresql_where=sa.text(
            "uuid_extract_timestamp(scan_id) - scanned_at NOT BETWEEN interval '-24 hours' AND interval '24 hours'"
        ),
    )
