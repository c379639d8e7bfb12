"""What people decided about failed work: when, who, and why.

The previous release writes open rows only and reads by state, so it works with this schema. Its index on open rows
gives way to one that serves every state.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("failed_work", sa.Column("resolved_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("failed_work", sa.Column("resolved_by", sa.Integer(), nullable=True))
    op.add_column(
        "failed_work",
        sa.Column(
            "note",
            sa.Text(),
            nullable=True,
            comment="what became of it when it was replayed, or why it was discarded",
        ),
    )
    # Until now only a person with SQL could decide.
    op.execute("UPDATE failed_work SET resolved_at = last_at, note = 'by hand' WHERE state <> 'open'")
    op.create_check_constraint(
        op.f("failed_work_resolved_check"), "failed_work", "(state = 'open') = (resolved_at IS NULL)"
    )
    op.create_foreign_key(op.f("failed_work_resolved_by_fkey"), "failed_work", "app_user", ["resolved_by"], ["user_id"])
    op.create_index(op.f("failed_work_state_first_at_failed_id_idx"), "failed_work", ["state", "first_at", "failed_id"])
    op.drop_index("failed_work_open_idx", "failed_work")
