"""The plain pipeline's tables."""

import datetime as dt
import uuid

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The registry of the tables below."""

    type_annotation_map = {dt.datetime: DateTime(timezone=True), str: Text, dict[str, object]: JSONB}  # noqa: RUF012


class Device(Base):
    """A scanner and the digest of its token."""

    __tablename__ = "device"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    area: Mapped[str]
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)


class Bill(Base):
    """A vehicle's load; only its state matters to a child scan."""

    __tablename__ = "bill"

    bill_no: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]


class Bag(Base):
    """A sack or a child; the code is its identity for ever, so it is the key."""

    __tablename__ = "bag"
    __table_args__ = (CheckConstraint("child_count <= 30", name="ck_bag_capacity"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    is_parent: Mapped[bool]
    area: Mapped[str]
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("bag.code"))
    child_count: Mapped[int] = mapped_column(default=0)
    bill_no: Mapped[str | None] = mapped_column(ForeignKey("bill.bill_no"))
    created_at: Mapped[dt.datetime]


class Link(Base):
    """History: this child is in this sack since then, by this scan."""

    __tablename__ = "link"
    __table_args__ = (Index("ix_link_parent", "parent_code"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    child_code: Mapped[str] = mapped_column(ForeignKey("bag.code"), unique=True)
    parent_code: Mapped[str] = mapped_column(ForeignKey("bag.code"))
    linked_at: Mapped[dt.datetime]
    scan_id: Mapped[uuid.UUID]


class Scan(Base):
    """One event from one device, kept with its outcome."""

    __tablename__ = "scan"
    __table_args__ = (Index("ix_scan_corrected_at", "corrected_at"),)

    scan_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id"))
    kind: Mapped[str]
    code: Mapped[str]
    parent_code: Mapped[str | None]
    epoch: Mapped[int | None]
    seq: Mapped[int | None]
    scanned_at: Mapped[dt.datetime]
    corrected_at: Mapped[dt.datetime]
    received_at: Mapped[dt.datetime]
    outcome: Mapped[str]
    refers_to: Mapped[str | None]


class Audit(Base):
    """Who did what to which, in the transaction that did it."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[dt.datetime]
    device_id: Mapped[int]
    action: Mapped[str]
    target: Mapped[str]
    detail: Mapped[dict[str, object]]
