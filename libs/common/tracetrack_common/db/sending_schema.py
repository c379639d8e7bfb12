"""The table of whom summaries were sent to (docs/documents.md)."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, UniqueConstraint, Uuid, func
from sqlalchemy.dialects.postgresql import TIMESTAMP

from tracetrack_common.db.schema import metadata

eod_sending = Table(
    "eod_sending",
    metadata,
    Column("mail_id", Uuid, ForeignKey("mail.mail_id"), primary_key=True),
    Column("summary_id", BigInteger, ForeignKey("eod_summary.summary_id"), nullable=False),
    Column("user_id", Integer, ForeignKey("app_user.user_id"), nullable=False),
    Column("resent_by", Uuid, comment="the command that wanted one more copy"),
    Column("requested_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint(
        "summary_id", "user_id", "resent_by", name="eod_sending_once_key", postgresql_nulls_not_distinct=True
    ),
)
