"""The audit log searched, partitions made with the owner's rights, mail and notifications.

The previous release works with this schema. Its way of making partitions needs the rights of the tables' owner, which
the services' role no longer has where there is an owner of its own; there are partitions for three months by then.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIME = postgresql.TIMESTAMP(timezone=True)

# A month's first identity is its first millisecond, followed by zeros. It has the rights of its owner, so the caller's
# search path must not decide which tables are meant.
_MAKE_SCAN_PARTITION = """
CREATE FUNCTION make_scan_partition(month date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made text := 'scan_' || to_char(month, 'YYYYMM');
    low uuid := rpad(lpad(to_hex(1000 * extract(epoch FROM month)::bigint), 12, '0'), 32, '0')::uuid;
    high uuid := rpad(
        lpad(to_hex(1000 * extract(epoch FROM month + interval '1 month')::bigint), 12, '0'), 32, '0'
    )::uuid;
BEGIN
    IF extract(day FROM month) <> 1 OR month NOT BETWEEN '2020-01-01' AND '2999-12-01' THEN
        RAISE EXCEPTION 'not the first day of a month: %', month;
    END IF;
    IF to_regclass(made) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE scan INCLUDING ALL)', made);
    EXECUTE format(
        'WITH moved AS (DELETE FROM scan_default WHERE scan_id >= %L AND scan_id < %L RETURNING *)'
        ' INSERT INTO %I SELECT * FROM moved', low, high, made
    );
    EXECUTE format('ALTER TABLE scan ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', made, low, high);
    RETURN made;
END $$
"""


def upgrade() -> None:
    op.execute(_MAKE_SCAN_PARTITION)
    op.execute("REVOKE ALL ON FUNCTION make_scan_partition FROM PUBLIC")
    for column in ("actor", "action", "object"):
        op.create_index(op.f(f"audit_log_{column}_at_chain_seq_idx"), "audit_log", [column, "at", "chain", "seq"])
    op.create_index(op.f("audit_log_at_chain_seq_idx"), "audit_log", ["at", "chain", "seq"])
    op.create_index(op.f("audit_log_request_id_idx"), "audit_log", ["request_id"])
    op.create_table(
        "mail",
        sa.Column("mail_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="which letter it is"),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False, comment="what its letter needs; emptied once it left"),
        sa.Column("event_key", sa.Text(), nullable=False, comment="what happened, and to whom that is told"),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("detail", sa.Text(), nullable=True, comment="what the last attempt ended with"),
        sa.CheckConstraint("state IN ('queued', 'sending', 'sent', 'failed')", name=op.f("mail_state_check")),
        sa.CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name=op.f("mail_sent_check")),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("mail_pkey")),
        sa.UniqueConstraint("event_key", name=op.f("mail_event_key_key")),
    )
    op.create_index("mail_due_idx", "mail", ["next_at"], postgresql_where=sa.text("state IN ('queued', 'sending')"))
    op.create_table(
        "notification",
        sa.Column("notification_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False, comment="what happened"),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("read_at", _TIME, nullable=True),
        sa.CheckConstraint("priority IN ('low', 'normal', 'high')", name=op.f("notification_priority_check")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.user_id"], name=op.f("notification_user_id_fkey")),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("notification_pkey")),
        sa.UniqueConstraint("user_id", "event_key", name=op.f("notification_user_id_event_key_key")),
    )
    op.create_index(
        "notification_unread_first_idx", "notification", ["user_id", sa.text("(read_at IS NULL)"), "notification_id"]
    )
    op.create_table(
        "notification_preference",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column(
            "by_mail", postgresql.ARRAY(sa.Text()), nullable=False, comment="the priorities that also go by mail"
        ),
        sa.CheckConstraint(
            "by_mail <@ ARRAY['low', 'normal', 'high']", name=op.f("notification_preference_by_mail_check")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.user_id"], name=op.f("notification_preference_user_id_fkey")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("notification_preference_pkey")),
    )
