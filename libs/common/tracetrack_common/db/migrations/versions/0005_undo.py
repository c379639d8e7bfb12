"""Undone scans and deleted bags.

The previous release reads and writes as before; a bag that this one deletes is still there to it.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column(
        "bag", sa.Column("deleted_at", _TIME, nullable=True, comment="NULL: it is there; follows bag_deletion")
    )
    op.create_table(
        "bag_deletion",
        sa.Column("deletion_id", sa.Uuid(), nullable=False, comment="the command that deleted it"),
        sa.Column("bag_id", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", _TIME, nullable=False),
        sa.Column("revived_at", _TIME, nullable=True),
        sa.Column("revived_by", sa.Uuid(), nullable=True, comment="the scan that found it again"),
        sa.CheckConstraint("(revived_at IS NULL) = (revived_by IS NULL)", name=op.f("bag_deletion_revived_check")),
        sa.ForeignKeyConstraint(["bag_id"], ["bag.bag_id"], name=op.f("bag_deletion_bag_id_fkey")),
        sa.PrimaryKeyConstraint("deletion_id", name=op.f("bag_deletion_pkey")),
    )
    op.create_index(
        "bag_deletion_current_key",
        "bag_deletion",
        ["bag_id"],
        unique=True,
        postgresql_where=sa.text("revived_at IS NULL"),
    )
    op.create_index(op.f("bag_deletion_bag_id_deleted_at_idx"), "bag_deletion", ["bag_id", "deleted_at"])
    op.create_table(
        "scan_undo",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("undone_at", _TIME, nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("(device_id IS NULL) <> (user_id IS NULL)", name=op.f("scan_undo_one_actor_check")),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("scan_undo_device_id_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.user_id"], name=op.f("scan_undo_user_id_fkey")),
        sa.PrimaryKeyConstraint("scan_id", name=op.f("scan_undo_pkey")),
    )
