"""The plain pipeline's gateway: validate, ``delay``, 202."""

import datetime as dt
import hashlib
from functools import cache
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tests.bench.peers.plain.database import connect
from tests.bench.peers.plain.models import Device
from tests.bench.peers.plain.tasks import scan as scan_task


class Scan(BaseModel):
    """A child scan as a device sends it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, str_to_upper=True)

    scan_id: UUID
    kind: Literal["child"]
    code: Annotated[str, Field(max_length=64)]
    parent_code: Annotated[str, Field(max_length=64)]
    scanned_at: AwareDatetime
    sent_at: AwareDatetime | None = None
    epoch: int | None = None
    seq: int | None = None


class Batch(BaseModel):
    """Up to 1,000 scans in one request."""

    model_config = ConfigDict(extra="forbid")

    sent_at: AwareDatetime | None = None
    scans: Annotated[list[Scan], Field(max_length=1000)]


class Queued(BaseModel):
    """The answer to one scan."""

    scan_id: UUID
    status: Literal["queued"] = "queued"


class Accepted(BaseModel):
    """The answer to a batch."""

    accepted: int


class Caller(NamedTuple):
    """The device that a request comes from."""

    id: int
    area: str


@cache
def engine() -> Engine:
    """Give the gateway's pooled engine."""
    return connect(pool_size=5)


@cache
def device_of(digest: bytes) -> Caller | None:
    """Look a device up by its token's digest; remembered, so that a scan costs no query."""
    with Session(engine()) as session:
        device = session.scalars(select(Device).where(Device.token_sha256 == digest)).one_or_none()
        return None if device is None else Caller(device.id, device.area)


async def caller(authorization: Annotated[str, Header()]) -> Caller:
    """Authenticate a device by its bearer token."""
    device = device_of(hashlib.sha256(authorization.removeprefix("Bearer ").encode()).digest())
    if device is None:
        raise HTTPException(401, "unknown token")
    return device


app = FastAPI()


def enqueue(scan: Scan, sent_at: dt.datetime | None, device: Caller) -> None:
    """Send one scan to the workers, its times corrected by the device clock's difference."""
    received_at = dt.datetime.now(dt.UTC)
    corrected_at = scan.scanned_at + (received_at - sent_at) if sent_at else scan.scanned_at
    scan_task.delay(
        scan_id=str(scan.scan_id),
        device_id=device.id,
        area=device.area,
        code=scan.code,
        parent_code=scan.parent_code,
        epoch=scan.epoch,
        seq=scan.seq,
        scanned_at=scan.scanned_at.isoformat(),
        corrected_at=min(corrected_at, received_at).isoformat(),
        received_at=received_at.isoformat(),
    )


@app.post("/api/v1/scans", status_code=202)
async def submit_scan(scan: Scan, device: Annotated[Caller, Depends(caller)]) -> Queued:
    """Accept one scan."""
    enqueue(scan, scan.sent_at, device)
    return Queued(scan_id=scan.scan_id)


@app.post("/api/v1/scans/batch", status_code=202)
def submit_batch(batch: Batch, device: Annotated[Caller, Depends(caller)]) -> Accepted:
    """Accept many scans: one task each, for one task per scan is what plain code has."""
    for scan in batch.scans:
        enqueue(scan, batch.sent_at, device)
    return Accepted(accepted=len(batch.scans))


@app.get("/health")
def health() -> dict[str, str]:
    """Say that the process is up."""
    return {"status": "ok"}
