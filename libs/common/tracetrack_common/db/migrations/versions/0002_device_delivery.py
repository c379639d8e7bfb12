"""What arrived of each device's counters, filled from the scans that are there.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    nothing = sa.text("'{}'::int8multirange")
    op.create_table(
        "device_delivery",
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default="1", nullable=False, comment="grows with every change"),
        sa.Column(
            "applied_seqs",
            postgresql.INT8MULTIRANGE(),
            server_default=nothing,
            nullable=False,
            comment="counters whose scans are recorded with an outcome",
        ),
        sa.Column(
            "failed_seqs",
            postgresql.INT8MULTIRANGE(),
            server_default=nothing,
            nullable=False,
            comment="counters whose scans became failed work, replayed since or not",
        ),
        sa.PrimaryKeyConstraint("device_id", "epoch", name=op.f("device_delivery_pkey")),
    )
    op.execute(
        "INSERT INTO device_delivery (device_id, epoch, applied_seqs)"
        " SELECT device_id, coalesce(epoch, 0), range_agg(int8range(seq, seq + 1)) FROM scan"
        " WHERE device_id IS NOT NULL AND seq < 9223372036854775807 GROUP BY device_id, coalesce(epoch, 0)"
    )
