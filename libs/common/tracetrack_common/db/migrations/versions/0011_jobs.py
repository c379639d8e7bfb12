"""Background work: jobs, and the schedules that ask for reports.

Only new tables, so the previous release works with this schema.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "report_schedule",
        sa.Column("schedule_id", sa.Uuid(), nullable=False, comment="the command that made it"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("report", postgresql.JSONB(), nullable=False, comment="what is asked for at each due time"),
        sa.Column("rhythm", sa.Text(), nullable=False),
        sa.Column("at_minute", sa.SmallInteger(), nullable=False, comment="of the local day"),
        sa.Column("on_day", sa.SmallInteger(), comment="1 to 7 from Monday, or of the month, by rhythm"),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column(
            "recipients",
            postgresql.ARRAY(sa.Integer()),
            nullable=False,
            comment="users who are told by mail and may read it",
        ),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("next_at", _TIME, nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("rhythm IN ('daily', 'weekly', 'monthly')", name=op.f("report_schedule_rhythm_check")),
        sa.CheckConstraint("at_minute BETWEEN 0 AND 1439", name=op.f("report_schedule_at_minute_check")),
        sa.CheckConstraint("(rhythm = 'daily') = (on_day IS NULL)", name=op.f("report_schedule_on_day_check")),
        sa.PrimaryKeyConstraint("schedule_id", name=op.f("report_schedule_pkey")),
        sa.ForeignKeyConstraint(["owner_id"], ["app_user.user_id"], name=op.f("report_schedule_owner_id_fkey")),
    )
    op.create_index("report_schedule_due_idx", "report_schedule", ["next_at"], postgresql_where=sa.text("enabled"))
    op.create_table(
        "job",
        sa.Column("job_id", sa.Uuid(), nullable=False, comment="the command that asked for it"),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="whose it is: user:3"),
        sa.Column(
            "readers",
            postgresql.ARRAY(sa.Integer()),
            server_default="{}",
            nullable=False,
            comment="users who may see it besides",
        ),
        sa.Column("area_id", sa.SmallInteger(), comment="the area its owner is bound to"),
        sa.Column("schedule_id", sa.Uuid(), comment="what asked for it, when it was not a person"),
        sa.Column("due_at", _TIME, comment="of the schedule"),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("updated_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), comment="when it is known"),
        sa.Column("errors", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "checkpoint", postgresql.JSONB(), comment="where it goes on when its worker dies; NULL: it begins anew"
        ),
        sa.Column(
            "attempts", sa.Integer(), server_default="0", nullable=False, comment="grows with every claim: the fence"
        ),
        sa.Column("leased_until", _TIME, comment="after it, another worker may claim it"),
        sa.Column("cancel_requested_at", _TIME),
        sa.Column("detail", sa.Text(), comment="why it failed"),
        sa.Column("result", postgresql.JSONB(), comment="what it made, in figures"),
        sa.Column("file_name", sa.Text(), comment="as it is offered; on disk it is the job's id and attempt"),
        sa.Column("file_size", sa.BigInteger()),
        sa.Column("file_sha256", sa.LargeBinary()),
        sa.Column("expires_at", _TIME, comment="when the file goes"),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("job_state_check")
        ),
        sa.CheckConstraint("(state IN ('queued', 'running')) = (finished_at IS NULL)", name=op.f("job_finished_check")),
        sa.CheckConstraint("state <> 'running' OR leased_until IS NOT NULL", name=op.f("job_leased_check")),
        sa.CheckConstraint("(file_name IS NULL) = (expires_at IS NULL)", name=op.f("job_file_check")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("job_pkey")),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"], name=op.f("job_area_id_fkey")),
        sa.ForeignKeyConstraint(
            ["schedule_id"],
            ["report_schedule.schedule_id"],
            ondelete="SET NULL",
            name=op.f("job_schedule_id_fkey"),
        ),
        sa.UniqueConstraint("schedule_id", "due_at", name=op.f("job_schedule_id_due_at_key")),
    )
    op.create_index(
        "job_open_idx", "job", ["queue", "job_id"], postgresql_where=sa.text("state IN ('queued', 'running')")
    )
