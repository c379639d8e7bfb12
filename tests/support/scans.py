"""Scans as tests write them: one line each, everything that does not matter left out."""

from dataclasses import dataclass
from datetime import UTC, datetime

from tracetrack_common.contracts import Origin
from tracetrack_common.domain.scans import Kind, Scan
from tracetrack_common.ids import uuid7

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORIGIN = Origin(request_id="request-of-a-test", address="127.0.0.1", received_at=NOON)

LUCKNOW, INDORE = 1, 2
"""The keys of the first two areas, in the order the first migration ships them."""


@dataclass(frozen=True)
class Maker:
    """Who makes a scan.

    Parameters
    ----------
    device_id
        Its key.
    area_id
        Where it is.
    """

    device_id: int = 1
    area_id: int = LUCKNOW


GUN = Maker()


def make_scan(
    kind: Kind,
    code: str,
    target: str | None,
    *,
    by: Maker = GUN,
    at: datetime = NOON,
    scan_id: str | None = None,
    epoch: int | None = None,
    seq: int | None = None,
) -> Scan:
    """Make a scan with an identity of its own."""
    return Scan(
        scan_id=scan_id or str(uuid7()),
        kind=kind,
        code=code,
        target=target,
        scanned_at=at,
        device_time=at,
        area_id=by.area_id,
        device_id=by.device_id,
        epoch=epoch,
        seq=seq,
    )


def sack(code: str, *, by: Maker = GUN, at: datetime = NOON, scan_id: str | None = None) -> Scan:
    """Scan a sack: it exists."""
    return make_scan(Kind.PARENT, code, None, by=by, at=at, scan_id=scan_id)


def child(code: str, into: str, *, by: Maker = GUN, at: datetime = NOON, scan_id: str | None = None) -> Scan:
    """Scan a child into a sack."""
    return make_scan(Kind.CHILD, code, into, by=by, at=at, scan_id=scan_id)


def load(code: str, onto: str, *, by: Maker = GUN, at: datetime = NOON, scan_id: str | None = None) -> Scan:
    """Scan a sack onto a bill."""
    return make_scan(Kind.BILL, code, onto, by=by, at=at, scan_id=scan_id)


def come_back(code: str, on: str, *, by: Maker = GUN, at: datetime = NOON, scan_id: str | None = None) -> Scan:
    """Scan a sack onto a return."""
    return make_scan(Kind.RETURN, code, on, by=by, at=at, scan_id=scan_id)


def filled(code: str, children: int, *, prefix: str | None = None) -> list[Scan]:
    """Give the scans that fill a sack: so many children, with codes made from the sack's.

    Parameters
    ----------
    code
        The sack's.
    children
        How many.
    prefix
        What the children's codes begin with; ``C`` and the sack's digits when left out.
    """
    prefix = prefix or "C" + code[-5:]
    return [child(f"{prefix}{number:03d}", code) for number in range(1, children + 1)]


def origins_of(scans: list[Scan], origin: Origin = ORIGIN) -> dict[str, Origin]:
    """Say that all of these came with one request."""
    return {scan.scan_id: origin for scan in scans}
