"""The tables as SQLAlchemy sees them. The migrations make them; a test holds the two against each other.

Weights are grams, times are UTC. Why each index is there stands in `docs/schema.md`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE, JSONB, TIMESTAMP

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

_TIME = TIMESTAMP(timezone=True)
_NOW = func.now()


def _one_of(column: str, *words: str) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


area = Table(
    "area",
    metadata,
    Column("area_id", SmallInteger, Identity(always=True), primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
)

bag_type = Table(
    "bag_type",
    metadata,
    Column("bag_type_id", SmallInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("parent_pattern", Text, nullable=False),
    Column("capacity", SmallInteger, nullable=False),
    Column("child_weight_g", Integer, nullable=False),
    CheckConstraint("capacity > 0", name="capacity"),
    CheckConstraint("child_weight_g > 0", name="child_weight_g"),
)

app_user = Table(
    "app_user",
    metadata,
    Column("user_id", Integer, Identity(always=True), primary_key=True),
    Column("username", Text, nullable=False),
    Column("email", Text),
    Column("role", Text, nullable=False),
    Column("area_id", SmallInteger, ForeignKey("area.area_id")),
    Column("password_hash", Text, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("disabled_at", _TIME),
    Column("totp_salt", LargeBinary, comment="of the second factor in force"),
    Column("totp_pending_salt", LargeBinary, comment="of one not confirmed yet"),
    Column("totp_step", BigInteger, comment="the newest step whose code was used"),
    _one_of("role", "dispatcher", "biller", "operator", "admin"),
    CheckConstraint("role <> 'dispatcher' OR area_id IS NOT NULL", name="dispatcher_has_area"),
    Index("app_user_username_key", text("lower(username)"), unique=True),
    Index("app_user_email_key", text("lower(email)"), unique=True, postgresql_where=text("disabled_at IS NULL")),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("user_id", Integer, ForeignKey("app_user.user_id"), primary_key=True),
    Column("code_sha256", LargeBinary, primary_key=True),
    Column("used_at", _TIME),
)

password_reset = Table(
    "password_reset",
    metadata,
    Column("reset_id", Uuid, primary_key=True),
    Column("user_id", Integer, ForeignKey("app_user.user_id"), nullable=False),
    Column("token_sha256", LargeBinary, nullable=False, unique=True),
    Column("created_at", _TIME, nullable=False),
    Column("expires_at", _TIME, nullable=False),
    Column("used_at", _TIME, comment="when it was used, or ended by something else"),
    Index(None, "user_id", "created_at"),
)

server_key = Table(
    "server_key",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
)

user_session = Table(
    "user_session",
    metadata,
    Column("session_id", Uuid, primary_key=True),
    Column("user_id", Integer, ForeignKey("app_user.user_id"), nullable=False),
    Column("token_sha256", LargeBinary, nullable=False, unique=True),
    Column("created_at", _TIME, nullable=False),
    Column("expires_at", _TIME, nullable=False),
    Column("ended_at", _TIME),
    Column("address", Text, comment="where it was started from"),
    Index(None, "user_id"),
)

device = Table(
    "device",
    metadata,
    Column("device_id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("area_id", SmallInteger, ForeignKey("area.area_id"), nullable=False),
    Column("token_sha256", LargeBinary, nullable=False, unique=True),
    Column("enrolled_at", _TIME, nullable=False, server_default=_NOW),
    Column("revoked_at", _TIME),
    Column("last_seen_at", _TIME, comment="to the minute, kept from Redis"),
)

device_delivery = Table(
    "device_delivery",
    metadata,
    Column("device_id", Integer, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False, server_default="1", comment="grows with every change"),
    Column(
        "applied_seqs",
        INT8MULTIRANGE,
        nullable=False,
        server_default=text("'{}'::int8multirange"),
        comment="counters whose scans are recorded with an outcome",
    ),
    Column(
        "failed_seqs",
        INT8MULTIRANGE,
        nullable=False,
        server_default=text("'{}'::int8multirange"),
        comment="counters whose scans became failed work, replayed since or not",
    ),
)

bill = Table(
    "bill",
    metadata,
    Column("bill_id", Integer, Identity(always=True), primary_key=True),
    Column("bill_no", Text, nullable=False, unique=True),
    Column("area_id", SmallInteger, ForeignKey("area.area_id"), nullable=False),
    Column("status", Text, nullable=False, server_default="new"),
    Column("capacity", SmallInteger, nullable=False),
    Column("destination", Text, nullable=False),
    Column("vehicle", Text),
    Column("description", Text),
    Column("sacks", SmallInteger, nullable=False, server_default="0"),
    Column("children", Integer, nullable=False, server_default="0"),
    Column("actual_weight_g", BigInteger, nullable=False, server_default="0"),
    Column("expected_weight_g", BigInteger, nullable=False, server_default="0"),
    Column("created_by", Integer, ForeignKey("app_user.user_id"), nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column(
        "version", Integer, nullable=False, server_default="1", comment="grows with every change but those of totals"
    ),
    Column("deleted_at", _TIME, comment="the row stays, since closed days name it"),
    Column("deleted_by", Integer, ForeignKey("app_user.user_id")),
    _one_of("status", "new", "processing", "completed"),
    CheckConstraint("bill_no = upper(bill_no)", name="bill_no"),
    CheckConstraint("capacity BETWEEN 1 AND 500", name="capacity"),
    CheckConstraint("sacks BETWEEN 0 AND capacity", name="sacks"),
    CheckConstraint("(deleted_at IS NULL) = (deleted_by IS NULL)", name="deleted"),
    CheckConstraint("deleted_at IS NULL OR sacks = 0", name="deleted_is_empty"),
    Index(None, "created_at"),
)

bill_version = Table(
    "bill_version",
    metadata,
    Column("bill_id", Integer, ForeignKey("bill.bill_id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("capacity", SmallInteger, nullable=False),
    Column("destination", Text, nullable=False),
    Column("vehicle", Text),
    Column("description", Text),
    Column("valid_until", _TIME, nullable=False),
    Column("closed_by", Uuid, nullable=False, comment="the command that edited it"),
)

number_series = Table(
    "number_series",
    metadata,
    Column("series", Text, primary_key=True, comment="for instance BILL-2026"),
    Column("last", Integer, nullable=False),
)

goods_return = Table(
    "goods_return",
    metadata,
    Column("return_id", Integer, Identity(always=True), primary_key=True),
    Column("return_no", Text, nullable=False, unique=True),
    Column("area_id", SmallInteger, ForeignKey("area.area_id"), nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("notes", Text),
    Column("created_by", Integer, ForeignKey("app_user.user_id"), nullable=False),
    Column("created_at", _TIME, nullable=False),
    _one_of("state", "open", "committed", "cancelled"),
)

_NEWEST_BAGS = ("area_id", "created_at", "bag_id")

bag = Table(
    "bag",
    metadata,
    Column("bag_id", BigInteger, Identity(always=True), primary_key=True),
    Column("parent_id", BigInteger, comment="the sack a child is in now; follows bag_link in the same transaction"),
    Column("created_at", _TIME, nullable=False, comment="corrected time of the scan that created it"),
    Column("bill_id", Integer, ForeignKey("bill.bill_id"), comment="the bill a sack is on now; follows bill_sack"),
    Column("return_id", Integer, ForeignKey("goods_return.return_id")),
    Column("child_weight_g", Integer, comment="of a parent, as its type said when it was created"),
    Column("area_id", SmallInteger, ForeignKey("area.area_id")),
    Column("capacity", SmallInteger, comment="of a parent, as its type said when it was created; NULL: a child"),
    Column("children", SmallInteger, nullable=False, server_default="0"),
    Column("code", Text, nullable=False, unique=True),
    Column("created_by", Uuid, nullable=False, comment="the scan or command that created it"),
    Column("deleted_at", _TIME, comment="NULL: it is there; follows bag_deletion"),
    CheckConstraint("(capacity IS NULL) = (child_weight_g IS NULL)", name="kind"),
    CheckConstraint("capacity IS NOT NULL OR bill_id IS NULL", name="only_parents_on_bills"),
    CheckConstraint("capacity IS NULL OR parent_id IS NULL", name="no_chains"),
    CheckConstraint("children BETWEEN 0 AND coalesce(capacity, 0)", name="children"),
    # None is on, or depends on, what scans of a sack change: those updates touch no index.
    Index("bag_newest_idx", *_NEWEST_BAGS),
    Index("bag_sacks_idx", *_NEWEST_BAGS, postgresql_where=text("capacity IS NOT NULL")),
    Index("bag_unlinked_idx", *_NEWEST_BAGS, postgresql_where=text("capacity IS NULL AND parent_id IS NULL")),
    Index("bag_code_part_idx", "code", postgresql_using="gin", postgresql_ops={"code": "gin_trgm_ops"}),
)

bag_deletion = Table(
    "bag_deletion",
    metadata,
    Column("deletion_id", Uuid, primary_key=True, comment="the command that deleted it"),
    Column("bag_id", BigInteger, ForeignKey("bag.bag_id"), nullable=False),
    Column("deleted_at", _TIME, nullable=False),
    Column("revived_at", _TIME),
    Column("revived_by", Uuid, comment="the scan that found it again"),
    CheckConstraint("(revived_at IS NULL) = (revived_by IS NULL)", name="revived"),
    Index("bag_deletion_current_key", "bag_id", unique=True, postgresql_where=text("revived_at IS NULL")),
    Index(None, "bag_id", "deleted_at"),
)

bag_link = Table(
    "bag_link",
    metadata,
    Column("link_id", Uuid, primary_key=True, comment="the scan or command that put the child in"),
    Column("child_id", BigInteger, ForeignKey("bag.bag_id"), nullable=False),
    Column("parent_id", BigInteger, ForeignKey("bag.bag_id"), nullable=False),
    Column("valid_from", _TIME, nullable=False),
    Column("valid_until", _TIME),
    Column("closed_by", Uuid, comment="the scan or command that took it out"),
    CheckConstraint("child_id <> parent_id", name="no_self_link"),
    CheckConstraint("(valid_until IS NULL) = (closed_by IS NULL)", name="closed"),
    Index("bag_link_current_key", "child_id", unique=True, postgresql_where=text("valid_until IS NULL")),
    Index("bag_link_past_idx", "child_id", postgresql_where=text("valid_until IS NOT NULL")),
    Index(None, "parent_id", "valid_from"),
)

bill_sack = Table(
    "bill_sack",
    metadata,
    Column("entry_id", Uuid, primary_key=True, comment="the scan or command that put the sack on"),
    Column("bill_id", Integer, ForeignKey("bill.bill_id"), nullable=False),
    Column("parent_id", BigInteger, ForeignKey("bag.bag_id"), primary_key=True),
    Column("valid_from", _TIME, nullable=False),
    Column("valid_until", _TIME),
    Column("closed_by", Uuid, comment="the scan or command that took it off"),
    CheckConstraint("(valid_until IS NULL) = (closed_by IS NULL)", name="closed"),
    Index("bill_sack_current_key", "parent_id", unique=True, postgresql_where=text("valid_until IS NULL")),
    Index("bill_sack_past_idx", "parent_id", postgresql_where=text("valid_until IS NOT NULL")),
    Index(None, "bill_id", "valid_from"),
)

bill_state = Table(
    "bill_state",
    metadata,
    Column("change_id", Uuid, primary_key=True, comment="the scan or command that brought the state"),
    Column("bill_id", Integer, ForeignKey("bill.bill_id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("valid_from", _TIME, nullable=False),
    Column("valid_until", _TIME),
    _one_of("status", "new", "processing", "completed"),
    Index("bill_state_current_key", "bill_id", unique=True, postgresql_where=text("valid_until IS NULL")),
    Index(None, "bill_id", "valid_from"),
)

return_sack = Table(
    "return_sack",
    metadata,
    Column("entry_id", Uuid, primary_key=True, comment="the scan that took the sack back"),
    Column("return_id", Integer, ForeignKey("goods_return.return_id"), nullable=False),
    Column("parent_id", BigInteger, ForeignKey("bag.bag_id"), nullable=False),
    Column("bill_id", Integer, ForeignKey("bill.bill_id"), comment="the bill it left"),
    Column("children", SmallInteger, nullable=False),
    Column("child_codes", ARRAY(Text), nullable=False),
    Column("weight_g", Integer, nullable=False),
    Column("bill_weight_before_g", BigInteger),
    Column("bill_weight_after_g", BigInteger),
    Column("returned_at", _TIME, nullable=False),
    Index(None, "return_id"),
    Index(None, "parent_id"),
)

scan = Table(
    "scan",
    metadata,
    Column("scan_id", Uuid, primary_key=True),
    Column("batch_id", Uuid, nullable=False, comment="the transaction that applied it; names its audit row"),
    Column("scanned_at", _TIME, nullable=False, comment="corrected"),
    Column("device_time", _TIME, nullable=False, comment="as the device gave it"),
    Column("received_at", _TIME, nullable=False),
    Column("applied_at", _TIME, nullable=False),
    Column("seq", BigInteger),
    Column("epoch", Integer),
    Column("device_id", Integer),
    Column("user_id", Integer),
    Column("weight_g", Integer),
    Column("area_id", SmallInteger),
    Column("children", SmallInteger),
    Column("capacity", SmallInteger),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("target", Text, comment="parent code, bill number or return number, by kind"),
    Column("refers_to", Text, comment="the parent, bill or return that stood in the way"),
    CheckConstraint("(device_id IS NULL) <> (user_id IS NULL)", name="one_actor"),
    _one_of("kind", "parent", "child", "bill", "return"),
    Index("scan_scanned_at_brin", "scanned_at", postgresql_using="brin"),
    Index("scan_applied_at_brin", "applied_at", postgresql_using="brin", postgresql_with={"autosummarize": True}),
    Index("scan_refused_idx", "scan_id", postgresql_where=text("outcome NOT IN ('applied', 'known', 'duplicate')")),
    Index(
        "scan_named_idx",
        text("(ARRAY[code, target, refers_to])"),
        postgresql_using="gin",
        postgresql_where=text("outcome <> 'applied'"),
    ),
    Index(
        "scan_odd_clock_idx",
        "scan_id",
        postgresql_where=text(
            "uuid_extract_timestamp(scan_id) - scanned_at NOT BETWEEN interval '-24 hours' AND interval '24 hours'"
        ),
    ),
    postgresql_partition_by="RANGE (scan_id)",
)

scan_undo = Table(
    "scan_undo",
    metadata,
    Column("scan_id", Uuid, primary_key=True),
    Column("command_id", Uuid, nullable=False),
    Column("undone_at", _TIME, nullable=False),
    Column("device_id", Integer, ForeignKey("device.device_id")),
    Column("user_id", Integer, ForeignKey("app_user.user_id")),
    CheckConstraint("(device_id IS NULL) <> (user_id IS NULL)", name="one_actor"),
)

command = Table(
    "command",
    metadata,
    Column("command_id", Uuid, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("name", Text, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("received_at", _TIME, nullable=False),
    Column("done_at", _TIME, nullable=False, server_default=_NOW),
    Column("status", Text, nullable=False),
    Column("outcome", JSONB, nullable=False),
    _one_of("status", "done", "refused"),
    UniqueConstraint("actor", "idempotency_key"),
    Index("command_done_at_brin", "done_at", postgresql_using="brin", postgresql_with={"autosummarize": True}),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    Column("chain", SmallInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("chain", SmallInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at", _TIME, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("request_id", Text),
    Column("address", Text),
    Column("hash", LargeBinary, nullable=False),
    Index(None, "at", "chain", "seq"),
    Index(None, "actor", "at", "chain", "seq"),
    Index(None, "action", "at", "chain", "seq"),
    Index(None, "object", "at", "chain", "seq"),
    Index(None, "request_id"),
)

tally = Table(
    "tally",
    metadata,
    Column("name", Text, primary_key=True, comment="for instance scan.applied, bag.child"),
    Column("chain", SmallInteger, primary_key=True, comment="the audit chain the counting transaction held"),
    Column("value", BigInteger, nullable=False),
)

failed_work = Table(
    "failed_work",
    metadata,
    Column("failed_id", Uuid, primary_key=True),
    Column("queue", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", _TIME, nullable=False),
    Column("last_at", _TIME, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("resolved_at", _TIME),
    Column("resolved_by", Integer, ForeignKey("app_user.user_id")),
    Column("note", Text, comment="what became of it when it was replayed, or why it was discarded"),
    _one_of("state", "open", "replayed", "discarded"),
    CheckConstraint("(state = 'open') = (resolved_at IS NULL)", name="resolved"),
    Index(None, "state", "first_at", "failed_id"),
)

eod_summary = Table(
    "eod_summary",
    metadata,
    Column("summary_id", BigInteger, Identity(always=True), primary_key=True),
    Column("area_id", SmallInteger, ForeignKey("area.area_id"), comment="NULL: all areas"),
    Column("business_date", Date, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("window_start", _TIME, nullable=False),
    Column("window_end", _TIME, nullable=False),
    Column("generated_at", _TIME, nullable=False),
    Column(
        "figures_sha256", LargeBinary, nullable=False, comment="of the figures alone: tells whether a new one differs"
    ),
    Column("content", JSONB, nullable=False),
    Column("sent_out_at", _TIME, comment="when it was decided who gets it; NULL: not yet"),
    CheckConstraint("revision > 0", name="revision"),
    Index(
        "eod_summary_area_date_revision_key",
        "business_date",
        "area_id",
        "revision",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
)

eod_touched = Table(
    "eod_touched",
    metadata,
    Column("touched_id", BigInteger, Identity(always=True), primary_key=True),
    Column("business_date", Date, nullable=False),
    Column("area_id", SmallInteger, ForeignKey("area.area_id"), comment="NULL: all areas"),
    Column("first_at", _TIME, nullable=False, comment="when the first and the last of what came late was applied"),
    Column("last_at", _TIME, nullable=False),
    Index("eod_touched_date_area_key", "business_date", "area_id", unique=True, postgresql_nulls_not_distinct=True),
)

eod_look = Table(
    "eod_look",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true"), comment="there is one row"),
    Column("looked_until", _TIME, nullable=False, comment="what was applied until then was looked at"),
    CheckConstraint("one", name="one"),
)

eod_document = Table(
    "eod_document",
    metadata,
    Column("summary_id", BigInteger, ForeignKey("eod_summary.summary_id"), primary_key=True),
    Column("format", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    _one_of("format", "xlsx", "pdf", "csv", "json"),
)

mail = Table(
    "mail",
    metadata,
    Column("mail_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False, comment="which letter it is"),
    Column("recipient", Text, nullable=False),
    Column("fields", JSONB, nullable=False, comment="what its letter needs; emptied once it left"),
    Column("event_key", Text, nullable=False, unique=True, comment="what happened, and to whom that is told"),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", _TIME, nullable=False, server_default=_NOW),
    Column("sent_at", _TIME),
    Column("detail", Text, comment="what the last attempt ended with"),
    _one_of("state", "queued", "sending", "sent", "failed"),
    CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent"),
    Index("mail_due_idx", "next_at", postgresql_where=text("state IN ('queued', 'sending')")),
)

notification = Table(
    "notification",
    metadata,
    Column("notification_id", BigInteger, Identity(always=True), primary_key=True),
    Column("user_id", Integer, ForeignKey("app_user.user_id"), nullable=False),
    Column("event_key", Text, nullable=False, comment="what happened"),
    Column("priority", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("read_at", _TIME),
    _one_of("priority", "low", "normal", "high"),
    UniqueConstraint("user_id", "event_key"),
    Index("notification_unread_first_idx", "user_id", text("(read_at IS NULL)"), "notification_id"),
)

notification_preference = Table(
    "notification_preference",
    metadata,
    Column("user_id", Integer, ForeignKey("app_user.user_id"), primary_key=True, autoincrement=False),
    Column("by_mail", ARRAY(Text), nullable=False, comment="the priorities that also go by mail"),
    CheckConstraint("by_mail <@ ARRAY['low', 'normal', 'high']", name="by_mail"),
)
