"""Summaries in four formats, and whom they were sent to.

The previous release works with this schema. What it made before is not sent: the summaries that are there count as
sent out.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.drop_constraint(op.f("eod_document_format_check"), "eod_document", type_="check")
    # Every row has one of them already, so nothing need be looked at under the lock.
    op.create_check_constraint(
        op.f("eod_document_format_check"),
        "eod_document",
        "format IN ('xlsx', 'pdf', 'csv', 'json')",
        postgresql_not_valid=True,
    )
    op.execute("ALTER TABLE eod_document VALIDATE CONSTRAINT eod_document_format_check")
    op.add_column(
        "eod_summary",
        sa.Column("sent_out_at", _TIME, nullable=True, comment="when it was decided who gets it; NULL: not yet"),
    )
    op.execute("UPDATE eod_summary SET sent_out_at = generated_at")
    op.create_table(
        "eod_sending",
        sa.Column("mail_id", sa.Uuid(), nullable=False),
        sa.Column("summary_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("resent_by", sa.Uuid(), nullable=True, comment="the command that wanted one more copy"),
        sa.Column("requested_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.mail_id"], name=op.f("eod_sending_mail_id_fkey")),
        sa.ForeignKeyConstraint(["summary_id"], ["eod_summary.summary_id"], name=op.f("eod_sending_summary_id_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.user_id"], name=op.f("eod_sending_user_id_fkey")),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("eod_sending_pkey")),
        sa.UniqueConstraint(
            "summary_id",
            "user_id",
            "resent_by",
            name="eod_sending_once_key",
            postgresql_nulls_not_distinct=True,
        ),
    )
