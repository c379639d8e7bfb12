"""The first schema, with the areas and bag types that ship by default.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_AREAS = (
    ("lucknow", "Lucknow"),
    ("indore", "Indore"),
    ("jaipur", "Jaipur"),
    ("hisar", "Hisar"),
    ("sri_ganganagar", "Sri Ganganagar"),
    ("sangaria", "Sangaria"),
    ("bathinda", "Bathinda"),
    ("raipur", "Raipur"),
    ("ranchi", "Ranchi"),
    ("akola", "Akola"),
)
_BAG_TYPES = (("wheat", r"SB\d{5}", 30, 1000), ("moong", r"M444-\d{5}", 30, 1000))
_AUDIT_CHAINS = 8


def upgrade() -> None:
    _create_tables()
    op.execute("CREATE TABLE scan_default PARTITION OF scan DEFAULT")
    _ship_defaults()


def _ship_defaults() -> None:
    connection = op.get_bind()
    connection.execute(
        sa.text("INSERT INTO area (code, name, zone) VALUES (:code, :name, 'Asia/Kolkata')"),
        [{"code": code, "name": name} for code, name in _AREAS],
    )
    connection.execute(
        sa.text(
            "INSERT INTO bag_type (name, parent_pattern, capacity, child_weight_g)"
            " VALUES (:name, :pattern, :capacity, :child_weight_g)"
        ),
        [
            {"name": name, "pattern": pattern, "capacity": capacity, "child_weight_g": child_weight_g}
            for name, pattern, capacity, child_weight_g in _BAG_TYPES
        ],
    )
    connection.execute(
        sa.text(
            "INSERT INTO audit_chain (chain, seq, hash) SELECT chain, 0, '' FROM generate_series(1, :chains) AS chain"
        ),
        {"chains": _AUDIT_CHAINS},
    )


def _create_tables() -> None:
    op.create_table(
        "area",
        sa.Column("area_id", sa.SmallInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("area_id", name=op.f("area_pkey")),
        sa.UniqueConstraint("code", name=op.f("area_code_key")),
    )
    op.create_table(
        "audit_chain",
        sa.Column("chain", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("audit_chain_pkey")),
    )
    op.create_table(
        "audit_log",
        sa.Column("chain", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "seq", name=op.f("audit_log_pkey")),
    )
    op.create_table(
        "bag_type",
        sa.Column("bag_type_id", sa.SmallInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent_pattern", sa.Text(), nullable=False),
        sa.Column("capacity", sa.SmallInteger(), nullable=False),
        sa.Column("child_weight_g", sa.Integer(), nullable=False),
        sa.CheckConstraint("capacity > 0", name=op.f("bag_type_capacity_check")),
        sa.CheckConstraint("child_weight_g > 0", name=op.f("bag_type_child_weight_g_check")),
        sa.PrimaryKeyConstraint("bag_type_id", name=op.f("bag_type_pkey")),
        sa.UniqueConstraint("name", name=op.f("bag_type_name_key")),
    )
    op.create_table(
        "command",
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("done_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("outcome", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("status IN ('done', 'refused')", name=op.f("command_status_check")),
        sa.PrimaryKeyConstraint("command_id", name=op.f("command_pkey")),
        sa.UniqueConstraint("actor", "idempotency_key", name=op.f("command_actor_idempotency_key_key")),
    )
    op.create_table(
        "failed_work",
        sa.Column("failed_id", sa.Uuid(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.CheckConstraint("state IN ('open', 'replayed', 'discarded')", name=op.f("failed_work_state_check")),
        sa.PrimaryKeyConstraint("failed_id", name=op.f("failed_work_pkey")),
    )
    op.create_index(
        "failed_work_open_idx", "failed_work", ["last_at"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_table(
        "scan",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column(
            "batch_id", sa.Uuid(), nullable=False, comment="the transaction that applied it; names its audit row"
        ),
        sa.Column("scanned_at", postgresql.TIMESTAMP(timezone=True), nullable=False, comment="corrected"),
        sa.Column("device_time", postgresql.TIMESTAMP(timezone=True), nullable=False, comment="as the device gave it"),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("applied_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("weight_g", sa.Integer(), nullable=True),
        sa.Column("area_id", sa.SmallInteger(), nullable=True),
        sa.Column("children", sa.SmallInteger(), nullable=True),
        sa.Column("capacity", sa.SmallInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=True, comment="parent code, bill number or return number, by kind"),
        sa.Column("refers_to", sa.Text(), nullable=True, comment="the parent, bill or return that stood in the way"),
        sa.CheckConstraint("kind IN ('parent', 'child', 'bill', 'return')", name=op.f("scan_kind_check")),
        sa.CheckConstraint("(device_id IS NULL) <> (user_id IS NULL)", name=op.f("scan_one_actor_check")),
        sa.PrimaryKeyConstraint("scan_id", name=op.f("scan_pkey")),
        postgresql_partition_by="RANGE (scan_id)",
    )
    op.create_index("scan_scanned_at_brin", "scan", ["scanned_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "app_user",
        sa.Column("user_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("area_id", sa.SmallInteger(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role <> 'dispatcher' OR area_id IS NOT NULL", name=op.f("app_user_dispatcher_has_area_check")
        ),
        sa.CheckConstraint("role IN ('dispatcher', 'biller', 'operator', 'admin')", name=op.f("app_user_role_check")),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"], name=op.f("app_user_area_id_fkey")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("app_user_pkey")),
    )
    op.create_index("app_user_username_key", "app_user", [sa.literal_column("lower(username)")], unique=True)
    op.create_table(
        "device",
        sa.Column("device_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("area_id", sa.SmallInteger(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("enrolled_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"], name=op.f("device_area_id_fkey")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("device_pkey")),
        sa.UniqueConstraint("name", name=op.f("device_name_key")),
        sa.UniqueConstraint("token_sha256", name=op.f("device_token_sha256_key")),
    )
    op.create_table(
        "eod_summary",
        sa.Column("summary_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("area_id", sa.SmallInteger(), nullable=True, comment="NULL: all areas"),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("window_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("window_end", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("generated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "figures_sha256",
            sa.LargeBinary(),
            nullable=False,
            comment="of the figures alone: tells whether a new one differs",
        ),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("revision > 0", name=op.f("eod_summary_revision_check")),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"], name=op.f("eod_summary_area_id_fkey")),
        sa.PrimaryKeyConstraint("summary_id", name=op.f("eod_summary_pkey")),
    )
    op.create_index(
        "eod_summary_area_date_revision_key",
        "eod_summary",
        ["business_date", "area_id", "revision"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "bill",
        sa.Column("bill_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("bill_no", sa.Text(), nullable=False),
        sa.Column("area_id", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default="new", nullable=False),
        sa.Column("capacity", sa.SmallInteger(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("vehicle", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("sacks", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("children", sa.Integer(), server_default="0", nullable=False),
        sa.Column("actual_weight_g", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expected_weight_g", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('new', 'processing', 'completed')", name=op.f("bill_status_check")),
        sa.CheckConstraint("bill_no = upper(bill_no)", name=op.f("bill_bill_no_check")),
        sa.CheckConstraint("capacity BETWEEN 1 AND 500", name=op.f("bill_capacity_check")),
        sa.CheckConstraint("sacks BETWEEN 0 AND capacity", name=op.f("bill_sacks_check")),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"], name=op.f("bill_area_id_fkey")),
        sa.ForeignKeyConstraint(["created_by"], ["app_user.user_id"], name=op.f("bill_created_by_fkey")),
        sa.PrimaryKeyConstraint("bill_id", name=op.f("bill_pkey")),
        sa.UniqueConstraint("bill_no", name=op.f("bill_bill_no_key")),
    )
    op.create_index(op.f("bill_created_at_idx"), "bill", ["created_at"], unique=False)
    op.create_table(
        "eod_document",
        sa.Column("summary_id", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("format IN ('xlsx')", name=op.f("eod_document_format_check")),
        sa.ForeignKeyConstraint(["summary_id"], ["eod_summary.summary_id"], name=op.f("eod_document_summary_id_fkey")),
        sa.PrimaryKeyConstraint("summary_id", "format", name=op.f("eod_document_pkey")),
    )
    op.create_table(
        "goods_return",
        sa.Column("return_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("return_no", sa.Text(), nullable=False),
        sa.Column("area_id", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('open', 'committed', 'cancelled')", name=op.f("goods_return_state_check")),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"], name=op.f("goods_return_area_id_fkey")),
        sa.ForeignKeyConstraint(["created_by"], ["app_user.user_id"], name=op.f("goods_return_created_by_fkey")),
        sa.PrimaryKeyConstraint("return_id", name=op.f("goods_return_pkey")),
        sa.UniqueConstraint("return_no", name=op.f("goods_return_return_no_key")),
    )
    op.create_table(
        "user_session",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.user_id"], name=op.f("user_session_user_id_fkey")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("user_session_pkey")),
        sa.UniqueConstraint("token_sha256", name=op.f("user_session_token_sha256_key")),
    )
    op.create_table(
        "bag",
        sa.Column("bag_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "parent_id",
            sa.BigInteger(),
            nullable=True,
            comment="the sack a child is in now; follows bag_link in the same transaction",
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="corrected time of the scan that created it",
        ),
        sa.Column("bill_id", sa.Integer(), nullable=True, comment="the bill a sack is on now; follows bill_sack"),
        sa.Column("return_id", sa.Integer(), nullable=True),
        sa.Column(
            "child_weight_g", sa.Integer(), nullable=True, comment="of a parent, as its type said when it was created"
        ),
        sa.Column("area_id", sa.SmallInteger(), nullable=True),
        sa.Column(
            "capacity",
            sa.SmallInteger(),
            nullable=True,
            comment="of a parent, as its type said when it was created; NULL: a child",
        ),
        sa.Column("children", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False, comment="the scan or command that created it"),
        sa.CheckConstraint("(capacity IS NULL) = (child_weight_g IS NULL)", name=op.f("bag_kind_check")),
        sa.CheckConstraint("capacity IS NOT NULL OR bill_id IS NULL", name=op.f("bag_only_parents_on_bills_check")),
        sa.CheckConstraint("capacity IS NULL OR parent_id IS NULL", name=op.f("bag_no_chains_check")),
        sa.CheckConstraint("children BETWEEN 0 AND coalesce(capacity, 0)", name=op.f("bag_children_check")),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"], name=op.f("bag_area_id_fkey")),
        sa.ForeignKeyConstraint(["bill_id"], ["bill.bill_id"], name=op.f("bag_bill_id_fkey")),
        sa.ForeignKeyConstraint(["return_id"], ["goods_return.return_id"], name=op.f("bag_return_id_fkey")),
        sa.PrimaryKeyConstraint("bag_id", name=op.f("bag_pkey")),
        sa.UniqueConstraint("code", name=op.f("bag_code_key")),
    )
    op.create_table(
        "bill_state",
        sa.Column("change_id", sa.Uuid(), nullable=False, comment="the scan or command that brought the state"),
        sa.Column("bill_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("valid_from", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('new', 'processing', 'completed')", name=op.f("bill_state_status_check")),
        sa.ForeignKeyConstraint(["bill_id"], ["bill.bill_id"], name=op.f("bill_state_bill_id_fkey")),
        sa.PrimaryKeyConstraint("change_id", name=op.f("bill_state_pkey")),
    )
    op.create_index(op.f("bill_state_bill_id_valid_from_idx"), "bill_state", ["bill_id", "valid_from"], unique=False)
    op.create_index(
        "bill_state_current_key",
        "bill_state",
        ["bill_id"],
        unique=True,
        postgresql_where=sa.text("valid_until IS NULL"),
    )
    op.create_table(
        "bag_link",
        sa.Column("link_id", sa.Uuid(), nullable=False, comment="the scan or command that put the child in"),
        sa.Column("child_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True, comment="the scan or command that took it out"),
        sa.CheckConstraint("(valid_until IS NULL) = (closed_by IS NULL)", name=op.f("bag_link_closed_check")),
        sa.CheckConstraint("child_id <> parent_id", name=op.f("bag_link_no_self_link_check")),
        sa.ForeignKeyConstraint(["child_id"], ["bag.bag_id"], name=op.f("bag_link_child_id_fkey")),
        sa.ForeignKeyConstraint(["parent_id"], ["bag.bag_id"], name=op.f("bag_link_parent_id_fkey")),
        sa.PrimaryKeyConstraint("link_id", name=op.f("bag_link_pkey")),
    )
    op.create_index(
        "bag_link_current_key", "bag_link", ["child_id"], unique=True, postgresql_where=sa.text("valid_until IS NULL")
    )
    op.create_index(op.f("bag_link_parent_id_valid_from_idx"), "bag_link", ["parent_id", "valid_from"], unique=False)
    op.create_table(
        "bill_sack",
        sa.Column("entry_id", sa.Uuid(), nullable=False, comment="the scan that put the sack on"),
        sa.Column("bill_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("(valid_until IS NULL) = (closed_by IS NULL)", name=op.f("bill_sack_closed_check")),
        sa.ForeignKeyConstraint(["bill_id"], ["bill.bill_id"], name=op.f("bill_sack_bill_id_fkey")),
        sa.ForeignKeyConstraint(["parent_id"], ["bag.bag_id"], name=op.f("bill_sack_parent_id_fkey")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("bill_sack_pkey")),
    )
    op.create_index(op.f("bill_sack_bill_id_valid_from_idx"), "bill_sack", ["bill_id", "valid_from"], unique=False)
    op.create_index(
        "bill_sack_current_key",
        "bill_sack",
        ["parent_id"],
        unique=True,
        postgresql_where=sa.text("valid_until IS NULL"),
    )
    op.create_table(
        "return_sack",
        sa.Column("entry_id", sa.Uuid(), nullable=False, comment="the scan that took the sack back"),
        sa.Column("return_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=False),
        sa.Column("bill_id", sa.Integer(), nullable=True, comment="the bill it left"),
        sa.Column("children", sa.SmallInteger(), nullable=False),
        sa.Column("child_codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("weight_g", sa.Integer(), nullable=False),
        sa.Column("bill_weight_before_g", sa.BigInteger(), nullable=True),
        sa.Column("bill_weight_after_g", sa.BigInteger(), nullable=True),
        sa.Column("returned_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["bill_id"], ["bill.bill_id"], name=op.f("return_sack_bill_id_fkey")),
        sa.ForeignKeyConstraint(["parent_id"], ["bag.bag_id"], name=op.f("return_sack_parent_id_fkey")),
        sa.ForeignKeyConstraint(["return_id"], ["goods_return.return_id"], name=op.f("return_sack_return_id_fkey")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("return_sack_pkey")),
    )
    op.create_index(op.f("return_sack_return_id_idx"), "return_sack", ["return_id"], unique=False)
    op.create_table(
        "number_series",
        sa.Column("series", sa.Text(), nullable=False, comment="for instance BILL-2026"),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("number_series_pkey")),
    )
    op.create_table(
        "tally",
        sa.Column("name", sa.Text(), nullable=False, comment="for instance scan.applied, bag.child"),
        sa.Column("chain", sa.SmallInteger(), nullable=False, comment="the audit chain the counting transaction held"),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "chain", name=op.f("tally_pkey")),
    )
    op.create_index("bag_link_past_idx", "bag_link", ["child_id"], postgresql_where=sa.text("valid_until IS NOT NULL"))
    op.create_index(
        "bill_sack_past_idx", "bill_sack", ["parent_id"], postgresql_where=sa.text("valid_until IS NOT NULL")
    )
    op.create_index(op.f("return_sack_parent_id_idx"), "return_sack", ["parent_id"])
