"""People: second factors, password resets, where a session came from, when a device was last seen.

The previous release names the columns it writes, so it works with this schema.

Revision ID: 0007
Revises: 0006
"""

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("app_user", sa.Column("totp_salt", sa.LargeBinary(), comment="of the second factor in force"))
    op.add_column("app_user", sa.Column("totp_pending_salt", sa.LargeBinary(), comment="of one not confirmed yet"))
    op.add_column("app_user", sa.Column("totp_step", sa.BigInteger(), comment="the newest step whose code was used"))
    op.create_index(
        op.f("app_user_email_key"),
        "app_user",
        [sa.text("lower(email)")],
        unique=True,
        postgresql_where=sa.text("disabled_at IS NULL"),
    )
    op.add_column("user_session", sa.Column("address", sa.Text(), comment="where it was started from"))
    op.create_index(op.f("user_session_user_id_idx"), "user_session", ["user_id"])
    op.add_column("device", sa.Column("last_seen_at", _TIME, comment="to the minute, kept from Redis"))
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("user_id", "code_sha256", name=op.f("recovery_code_pkey")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.user_id"], name=op.f("recovery_code_user_id_fkey")),
    )
    op.create_table(
        "password_reset",
        sa.Column("reset_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME, nullable=True, comment="when it was used, or ended by something else"),
        sa.PrimaryKeyConstraint("reset_id", name=op.f("password_reset_pkey")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.user_id"], name=op.f("password_reset_user_id_fkey")),
        sa.UniqueConstraint("token_sha256", name=op.f("password_reset_token_sha256_key")),
    )
    op.create_index(op.f("password_reset_user_id_created_at_idx"), "password_reset", ["user_id", "created_at"])
    server_key = op.create_table(
        "server_key",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("server_key_pkey")),
    )
    op.bulk_insert(server_key, [{"name": "totp", "key": secrets.token_bytes(32)}])
