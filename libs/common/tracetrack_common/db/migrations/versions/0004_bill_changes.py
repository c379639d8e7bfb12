"""Bills that are edited and deleted, and commands that put several sacks on bills.

The previous release works with this schema: it neither edits nor deletes, and what it would put on a deleted bill a
constraint refuses. Rows of `bill` and `bill_sack` number some hundred thousand, so that their checks and the new key
take well under a second.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column(
        "bill",
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="grows with every change but those of totals",
        ),
    )
    op.add_column(
        "bill", sa.Column("deleted_at", _TIME, nullable=True, comment="the row stays, since closed days name it")
    )
    op.add_column("bill", sa.Column("deleted_by", sa.Integer(), nullable=True))
    op.create_foreign_key(op.f("bill_deleted_by_fkey"), "bill", "app_user", ["deleted_by"], ["user_id"])
    op.create_check_constraint(op.f("bill_deleted_check"), "bill", "(deleted_at IS NULL) = (deleted_by IS NULL)")
    op.create_check_constraint(op.f("bill_deleted_is_empty_check"), "bill", "deleted_at IS NULL OR sacks = 0")
    op.create_table(
        "bill_version",
        sa.Column("bill_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("capacity", sa.SmallInteger(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("vehicle", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("valid_until", _TIME, nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=False, comment="the command that edited it"),
        sa.ForeignKeyConstraint(["bill_id"], ["bill.bill_id"], name=op.f("bill_version_bill_id_fkey")),
        sa.PrimaryKeyConstraint("bill_id", "version", name=op.f("bill_version_pkey")),
    )
    op.drop_constraint("bill_sack_pkey", "bill_sack", type_="primary")
    op.create_primary_key(op.f("bill_sack_pkey"), "bill_sack", ["entry_id", "parent_id"])
    op.alter_column("bill_sack", "entry_id", comment="the scan or command that put the sack on")
    op.alter_column("bill_sack", "closed_by", comment="the scan or command that took it off")
