"""What the API takes and gives, as models: separate ones in and out, unknown fields refused."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import (
    UUID7,
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
    model_validator,
)

from tracetrack_common.domain.codes import CODE_MAX_CHARS
from tracetrack_gateway.delivery import Delivery

SCANS_PER_BATCH = 1_000
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_INT32_MAX = 2**31 - 1
_SEQ_MAX = 2**63 - 2
"""The last counter that a range of eight-byte integers can end with."""

Code = Annotated[str, Field(min_length=1, max_length=CODE_MAX_CHARS)]
DeviceTime = Annotated[AwareDatetime, Field(ge=_EARLIEST, lt=_LATEST)]
BillNo = Annotated[str, Field(min_length=3, max_length=50, pattern=r"^[A-Za-z0-9/-]+$")]
AREA_PATTERN = r"^[a-z0-9_]+$"
AreaCode = Annotated[str, Field(min_length=1, max_length=50, pattern=AREA_PATTERN)]
ShortText = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
LongText = Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00]*$")]

Item = TypeVar("Item")

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

_TARGET_FIELDS = ("parent_code", "bill_no", "return_no")
_TARGETS = {
    "parent": (False, False, False),
    "child": (True, False, False),
    "bill": (False, True, False),
    "return": (False, False, True),
}
"""Which of the target fields a scan of each kind has."""

SCAN_EXAMPLE: dict[str, JsonValue] = {
    "scan_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
    "kind": "child",
    "code": "CH67890",
    "parent_code": "SB12345",
    "scanned_at": "2026-11-23T10:15:00+05:30",
    "epoch": 1,
    "seq": 17,
}
OUTCOME_EXAMPLE: dict[str, JsonValue] = {
    "scan_id": "019aaf3e-6c00-7a3b-8c1d-2e4f5a6b7c8d",
    "status": "done",
    "outcome": "applied",
    "feedback": "ok",
    "message": "CH67890 in SB12345 (4/30, 4 kg)",
    "parent": {"code": "SB12345", "children": 4, "capacity": 30, "weight_g": 4000},
    "refers_to": None,
}


def check_encodable(secret: SecretStr) -> SecretStr:
    """Refuse text that is no Unicode text: half of a surrogate pair."""
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("must be Unicode text") from None
    return secret


def _check_iso_date(value: object) -> object:
    """Refuse what pydantic would read as a count of seconds."""
    if isinstance(value, str) and _ISO_DATE.fullmatch(value) is None:
        raise ValueError("must be a date as in 2026-11-23")
    return value


def _to_utc(moment: datetime) -> datetime:
    """Give the same moment in UTC: Postgres reads no offset of 16 hours or more, and pydantic does."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time within the years 1 to 9999") from None


Moment = Annotated[AwareDatetime, AfterValidator(_to_utc)]
IsoDate = Annotated[date, BeforeValidator(_check_iso_date)]

_DELIVERY = "for a device that counts its scans: what has arrived of its newest epoch; null when nothing is known"


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ScanIn(_In):
    """One scan (domain.md, Scans)."""

    model_config = ConfigDict(json_schema_extra={"example": SCAN_EXAMPLE})

    scan_id: UUID7 = Field(description="UUIDv7 made by the device: the scan's identity for ever")
    kind: Literal["parent", "child", "bill", "return"]
    code: Code = Field(description="the bag's code as read")
    parent_code: Code | None = Field(default=None, description="for `child`: the sack it is in")
    bill_no: Code | None = Field(default=None, description="for `bill`: the bill the sack goes on")
    return_no: Code | None = Field(default=None, description="for `return`: the return the sack comes back on")
    scanned_at: DeviceTime = Field(description="the device's clock, with its zone")
    epoch: int | None = Field(default=None, ge=0, le=_INT32_MAX, description="the run the counter belongs to")
    seq: int | None = Field(default=None, ge=0, le=_SEQ_MAX, description="the device's counter")

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        wanted = _TARGETS[self.kind]
        given = (self.parent_code is not None, self.bill_no is not None, self.return_no is not None)
        if given != wanted:
            names = [
                f"needs {name}" if is_wanted else f"does not take {name}"
                for name, is_wanted, is_given in zip(_TARGET_FIELDS, wanted, given, strict=True)
                if is_wanted is not is_given
            ]
            raise ValueError(f"a scan of kind {self.kind} {' and '.join(names)}")
        if (self.epoch is None) != (self.seq is None):
            raise ValueError("epoch and seq go together")
        return self

    @property
    def target(self) -> str | None:
        """The parent, bill or return it names."""
        return self.parent_code or self.bill_no or self.return_no


class SingleScanIn(ScanIn):
    """One scan as a request of its own."""

    sent_at: DeviceTime | None = Field(
        default=None, description="the device's clock when it sent the request; corrects `scanned_at`"
    )


class BatchIn(_In):
    """A batch as JSON; each scan is checked by itself, so that a bad one hurts no other."""

    sent_at: DeviceTime | None = Field(default=None, description="the device's clock when it sent the request")
    scans: list[Any] = Field(min_length=1, max_length=SCANS_PER_BATCH, description=f"1 to {SCANS_PER_BATCH} scans")


class RightBatchIn(_In):
    """A batch in which every scan is right: the fast way in."""

    sent_at: DeviceTime | None = None
    scans: list[ScanIn] = Field(min_length=1, max_length=SCANS_PER_BATCH)


class ParentCount(BaseModel):
    """A sack's running count."""

    code: str
    children: int
    capacity: int
    weight_g: int


class ScanQueued(BaseModel):
    """An accepted scan whose outcome is not known yet."""

    scan_id: str
    status: Literal["queued"] = "queued"
    delivery: Delivery | None = Field(default=None, description=_DELIVERY)


class Undone(BaseModel):
    """When a scan was undone, and by whom."""

    at: datetime
    by: str = Field(description="the username, or the device's name")


class ScanDone(BaseModel):
    """A scan with its outcome."""

    model_config = ConfigDict(json_schema_extra={"example": OUTCOME_EXAMPLE})

    scan_id: str
    status: Literal["done"] = "done"
    outcome: str
    feedback: Literal["ok", "already", "stop"]
    message: str
    parent: ParentCount | None
    refers_to: str | None
    scanned_at: datetime | None = None
    received_at: datetime | None = None
    undone: Undone | None = Field(default=None, description="for a child scan that was undone")
    delivery: Delivery | None = Field(default=None, description=_DELIVERY)


class ItemError(BaseModel):
    """What is wrong with one scan of a batch."""

    index: int = Field(description="its place in the batch, from 0")
    scan_id: str | None
    field: str
    detail: str


class BatchAccepted(BaseModel):
    """What became of a batch."""

    accepted: int
    rejected: int
    errors: list[ItemError]
    delivery: Delivery | None = Field(default=None, description=_DELIVERY)
    results: list[ScanDone | ScanQueued] | None = Field(default=None, description="under `Prefer: wait=N`")


class Problem(BaseModel):
    """A problem (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] = Field(default_factory=list)
    request_id: str | None = None


class SessionIn(_In):
    """A login."""

    username: ShortText
    password: Annotated[SecretStr, AfterValidator(check_encodable)] = Field(max_length=1_000)
    totp: SecretStr | None = Field(
        default=None,
        min_length=6,
        max_length=20,
        description="the authenticator's code, where there is a second factor",
    )
    recovery_code: Annotated[SecretStr, AfterValidator(check_encodable)] | None = Field(
        default=None, max_length=100, description="in place of `totp`, once"
    )


class SessionUser(BaseModel):
    """Who logged in."""

    username: str
    role: str
    area: str | None


class SessionOut(BaseModel):
    """A session; the token is shown this once."""

    token: str
    expires_at: datetime
    user: SessionUser


class DeviceIn(_In):
    """A device to enrol."""

    name: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_. -]+$")]
    area: AreaCode


class DeviceOut(BaseModel):
    """A device."""

    device_id: int
    name: str
    area: str
    enrolled_at: datetime | None = None
    revoked_at: datetime | None = None
    last_seen_at: datetime | None = Field(default=None, description="to the minute")


class DeviceEnrolled(DeviceOut):
    """A device with its token, shown this once."""

    token: str


class BillIn(_In):
    """A bill to create."""

    bill_no: BillNo | None = Field(default=None, description="given by the system when left out")
    area: AreaCode
    capacity: int = Field(ge=1, le=500, description="sacks it has room for")
    destination: ShortText
    vehicle: ShortText | None = None
    description: LongText | None = None


class BillOut(BaseModel):
    """A bill with its totals; weights in grams, variance is actual less expected."""

    bill_no: str
    area: str
    status: Literal["new", "processing", "completed"]
    capacity: int
    destination: str
    vehicle: str | None
    description: str | None
    created_by: str
    created_at: datetime
    sacks: int
    children: int
    actual_weight_g: int
    expected_weight_g: int
    variance_g: int
    version: int = Field(description="its `ETag`: changes with every change of the bill but those of its totals")


class AttachIn(_In):
    """A sack to put on a bill."""

    code: Code


class CompleteIn(_In):
    """Completing a bill."""

    reason: LongText | None = Field(default=None, description="needed to complete it short")


class DiscardIn(_In):
    """Why a piece of failed work shall never be done."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "a test device, enrolled by mistake"}})

    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500, pattern=r"^[^\x00]*$")
    ]


class ReturnIn(_In):
    """A return to open."""

    area: AreaCode
    notes: LongText | None = None


class ReturnOut(BaseModel):
    """A return."""

    return_no: str
    area: str
    state: Literal["open", "committed", "cancelled"]
    notes: str | None
    created_by: str
    created_at: datetime
    sacks: list[dict[str, Any]]


class BagOut(BaseModel):
    """A bag: a parent with its children, or a child with its parent."""

    code: str
    kind: Literal["parent", "child"]
    area: str | None
    created_at: datetime
    parent: str | None
    bill_no: str | None
    children: list[str]
    capacity: int | None
    weight_g: int | None
    expected_weight_g: int | None


class Page(BaseModel, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; null on the last")


class CommandOut(BaseModel):
    """The state of a command."""

    command_id: str
    status: Literal["queued", "done", "refused", "failed"]
    outcome: dict[str, Any] | None = None
