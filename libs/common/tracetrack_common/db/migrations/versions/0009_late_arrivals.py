"""What arrived late: which closed days were touched, and how to find what was applied lately.

The indexes are of blocks, so they are small and quickly built; rows cannot be written meanwhile (a million in about a
second). The previous release works with this schema.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    for table, column in (("scan", "applied_at"), ("command", "done_at")):
        name = f"{table}_{column}_brin"
        op.create_index(name, table, [column], postgresql_using="brin", postgresql_with={"autosummarize": True})
    op.create_table(
        "eod_touched",
        sa.Column("touched_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("area_id", sa.SmallInteger(), nullable=True, comment="NULL: all areas"),
        sa.Column(
            "first_at", _TIME, nullable=False, comment="when the first and the last of what came late was applied"
        ),
        sa.Column("last_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"], name=op.f("eod_touched_area_id_fkey")),
        sa.PrimaryKeyConstraint("touched_id", name=op.f("eod_touched_pkey")),
    )
    op.create_index(
        "eod_touched_date_area_key",
        "eod_touched",
        ["business_date", "area_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    look = op.create_table(
        "eod_look",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False, comment="there is one row"),
        sa.Column("looked_until", _TIME, nullable=False, comment="what was applied until then was looked at"),
        sa.CheckConstraint("one", name=op.f("eod_look_one_check")),
        sa.PrimaryKeyConstraint("one", name=op.f("eod_look_pkey")),
    )
    op.execute(sa.insert(look).values(one=True, looked_until=sa.func.now()))
