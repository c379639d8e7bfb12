"""Submitting scans: check, accept, and wait for the outcomes where the caller wants that."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from tracetrack_common.contracts import Origin, ScanSubmission
from tracetrack_common.credentials import Principal
from tracetrack_common.domain.clocks import clock_offset, correct_time
from tracetrack_common.domain.codes import normalise
from tracetrack_common.domain.scans import Kind, Outcome, Scan
from tracetrack_common.errors import IdReusedError, InvalidInputError, MalformedBodyError, TooLargeError
from tracetrack_gateway.accept import ScanAcceptor
from tracetrack_gateway.backpressure import Backpressure
from tracetrack_gateway.models import SCANS_PER_BATCH, BatchIn, DeviceTime, RightBatchIn, ScanIn, SingleScanIn
from tracetrack_gateway.problems import describe_errors
from tracetrack_gateway.replies import ReplyListener

_SINGLE = TypeAdapter(SingleScanIn)
_BATCH = TypeAdapter(BatchIn)
_RIGHT_BATCH = TypeAdapter(RightBatchIn)
_SCANS = TypeAdapter(list[ScanIn])
_SCAN = TypeAdapter(ScanIn)
_SENT_AT: TypeAdapter[datetime] = TypeAdapter(DeviceTime)

_THREAD_FROM_BYTES = 512 * 1024
"""Checking a batch of this size would hold up the other requests; it is done on a thread that nothing else uses."""

_Checked = tuple[list[Scan], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a request's scans.

    Parameters
    ----------
    accepted
        Identities of the scans that are in the ledger, in their order.
    errors
        What is wrong with the others.
    outcomes
        The outcomes that came while the caller waited, by their place in `accepted`.
    delivery
        What has arrived of the device's counters, ready to be written as JSON; None where nothing is known.
    """

    accepted: Sequence[str]
    errors: Sequence[Mapping[str, Any]]
    outcomes: Mapping[int, Mapping[str, Any]]
    delivery: Any


class ScanSubmitter:
    """Takes scans from devices.

    Parameters
    ----------
    acceptor
        Puts them in the ledger.
    replies
        Hears their outcomes.
    backpressure
        Tells whether there is room for them.
    """

    def __init__(self, acceptor: ScanAcceptor, replies: ReplyListener, backpressure: Backpressure) -> None:
        self._acceptor = acceptor
        self._replies = replies
        self._backpressure = backpressure
        self._checker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")

    async def submit_one(self, body: bytes, principal: Principal, origin: Origin, *, wait_s: float) -> Submitted:
        """Take one scan.

        Parameters
        ----------
        body
            JSON.
        principal, origin
            Who sent it, in which request.
        wait_s
            How long the caller waits for the outcome; 0 for not at all.

        Raises
        ------
        MalformedBodyError, InvalidInputError
            It is not a scan; nothing was accepted.
        IdReusedError
            Its identity stands for another scan (when it was waited for).
        UnavailableError, OverloadedError
            It was not accepted.
        """
        try:
            single = _SINGLE.validate_json(body)
        except ValidationError as error:
            raise _refusal(error) from error
        offset = clock_offset(single.sent_at, origin.received_at)
        scan = _to_scan(single, principal, origin.received_at, offset)
        submitted = await self._submit([scan], origin, wait_s)
        outcome = submitted.outcomes.get(0)
        if outcome is not None and outcome["outcome"] == Outcome.ID_REUSED:
            raise IdReusedError(outcome["message"])
        return submitted

    async def submit_batch(
        self, body: bytes, principal: Principal, origin: Origin, *, wait_s: float, sent_at: str | None, lines: bool
    ) -> Submitted:
        """Take a batch; scans that are wrong are named and hurt no other.

        Parameters
        ----------
        body
            JSON with `scans`, or one scan a line.
        principal, origin
            Who sent it, in which request.
        wait_s
            How long the caller waits for the outcomes; 0 for not at all.
        sent_at
            The header of that name, for NDJSON.
        lines
            Whether it is NDJSON.

        Raises
        ------
        MalformedBodyError, InvalidInputError, TooLargeError
            It is not a batch, or not one scan in it is right; nothing was accepted.
        UnavailableError, OverloadedError
            It was not accepted.
        """
        read = _read_lines if lines else _read_batch
        if len(body) < _THREAD_FROM_BYTES:
            scans, errors = read(body, principal, origin.received_at, sent_at)
        else:
            scans, errors = await asyncio.get_running_loop().run_in_executor(
                self._checker, read, body, principal, origin.received_at, sent_at
            )
        if not scans:
            raise InvalidInputError("Not one scan of this batch is right; nothing was accepted.", errors=errors)
        submitted = await self._submit(scans, origin, wait_s)
        return replace(submitted, errors=errors)

    async def _submit(self, scans: Sequence[Scan], origin: Origin, wait_s: float) -> Submitted:
        self._backpressure.admit(len(scans))
        ids = [scan.scan_id for scan in scans]
        if wait_s <= 0:
            known = await self._acceptor.accept(ScanSubmission(origin, scans, None))
            return Submitted(ids, (), {}, known and orjson.Fragment(known))
        with self._replies.expecting(len(scans)) as (waiter, reply_to):
            known = await self._acceptor.accept(ScanSubmission(origin, scans, reply_to))
            outcomes = await waiter.wait(wait_s)
        delivery = known and orjson.Fragment(known)
        for outcome in outcomes.values():
            # In the order they came, so that the last one is the newest.
            delivery = outcome.pop("delivery", delivery)
        return Submitted(ids, (), outcomes, delivery)


def _read_batch(body: bytes, principal: Principal, received_at: datetime, sent_at: str | None) -> _Checked:
    """Read a JSON batch: all at once, since most are right; one by one only where something is wrong."""
    try:
        right = _RIGHT_BATCH.validate_json(body)
    except ValidationError:
        pass
    else:
        offset = clock_offset(right.sent_at or _read_clock(sent_at), received_at)
        return [_to_scan(each, principal, received_at, offset) for each in right.scans], []
    try:
        batch = _BATCH.validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from error
    offset = clock_offset(batch.sent_at or _read_clock(sent_at), received_at)
    return _check_each(batch.scans, principal, received_at, offset)


def _read_lines(body: bytes, principal: Principal, received_at: datetime, sent_at: str | None) -> _Checked:
    offset = clock_offset(_read_clock(sent_at), received_at)
    lines = [line for line in body.splitlines() if line.strip()]
    if not lines:
        raise InvalidInputError("The batch is empty.", errors=[{"field": "body", "detail": "at least one line"}])
    if len(lines) > SCANS_PER_BATCH:
        raise TooLargeError(f"A batch holds at most {SCANS_PER_BATCH} scans; this one has {len(lines)}.")
    try:
        right = _SCANS.validate_json(b"[" + b",".join(lines) + b"]")
    except ValidationError:
        pass
    else:
        if len(right) == len(lines):
            return [_to_scan(each, principal, received_at, offset) for each in right], []
    items: list[Any] = []
    for line in lines:
        try:
            items.append(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            items.append(error)
    return _check_each(items, principal, received_at, offset)


def _read_clock(sent_at: str | None) -> datetime | None:
    try:
        return None if sent_at is None else _SENT_AT.validate_python(datetime.fromisoformat(sent_at))
    except ValueError as error:
        detail = [{"field": "Sent-At", "detail": "a time with its zone, as in 2026-11-23T10:15:00+05:30"}]
        raise InvalidInputError("The header Sent-At is not a time.", errors=detail) from error


def _check_each(items: Sequence[Any], principal: Principal, received_at: datetime, offset: timedelta) -> _Checked:
    scans: list[Scan] = []
    errors: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        if isinstance(item, orjson.JSONDecodeError):
            errors.append({"index": index, "scan_id": None, "field": "line", "detail": f"not JSON: {item}"})
            continue
        identity = item.get("scan_id") if isinstance(item, dict) else None
        scan_id = identity if isinstance(identity, str) else None
        try:
            checked = _SCAN.validate_json(to_json(item, inf_nan_mode="constants"))
        except ValidationError as error:
            errors += [{"index": index, "scan_id": scan_id, **each} for each in describe_errors(error.errors())]
        except (TypeError, ValueError) as error:
            errors.append({"index": index, "scan_id": scan_id, "field": "body", "detail": str(error)})
        else:
            scans.append(_to_scan(checked, principal, received_at, offset))
    return scans, errors


def _to_scan(checked: ScanIn, principal: Principal, received_at: datetime, offset: timedelta) -> Scan:
    """Make a scan of what a device sent; who and where it is from comes from the credential alone."""
    device_time = checked.scanned_at.astimezone(UTC)
    target = checked.target
    return Scan(
        scan_id=str(checked.scan_id),
        kind=Kind(checked.kind),
        code=normalise(checked.code),
        target=None if target is None else normalise(target),
        scanned_at=correct_time(device_time, offset, received_at),
        device_time=device_time,
        area_id=principal.area_id,
        device_id=principal.id,
        epoch=checked.epoch,
        seq=checked.seq,
    )


def _refusal(error: ValidationError) -> InvalidInputError:
    found = error.errors()
    errors = describe_errors(found)
    detail = "; ".join(f"{each['field']}: {each['detail']}" for each in errors)
    kind = MalformedBodyError if any(each["type"] == "json_invalid" for each in found) else InvalidInputError
    return kind(detail, errors=errors)
