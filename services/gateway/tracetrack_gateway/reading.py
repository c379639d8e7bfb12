"""The read API: from statements to models. A caller bound to an area gets what is elsewhere as not there."""

from contextlib import suppress
from datetime import date
from typing import Any, cast
from uuid import UUID

from redis import asyncio as aioredis
from redis.exceptions import RedisError
from sqlalchemy import Connection, Row

from tracetrack_common.contracts import outcome_document
from tracetrack_common.credentials import Principal
from tracetrack_common.domain.codes import normalise
from tracetrack_common.domain.scans import Kind, Outcome, Result, Scan
from tracetrack_common.errors import NotFoundError, UnavailableError
from tracetrack_common.ledger import LedgerKeys
from tracetrack_gateway import storage
from tracetrack_gateway.cursors import invalid_cursor
from tracetrack_gateway.delivery import Delivery, newest_delivery
from tracetrack_gateway.models import (
    BagOut,
    BillOut,
    CommandOut,
    DeviceOut,
    Page,
    ReturnOut,
    ScanDone,
    ScanQueued,
)
from tracetrack_gateway.snapshots import Snapshots

ALL_AREAS = "all"


class Reader:
    """Reads for the API.

    Parameters
    ----------
    snapshots
        Reads Postgres.
    redis
        Tells what waits in the ledgers.
    """

    def __init__(self, snapshots: Snapshots, redis: aioredis.Redis) -> None:
        self._read = snapshots.read
        self._redis = redis

    async def scan(self, scan_id: UUID, caller: Principal) -> ScanDone | ScanQueued:
        """Give a scan's outcome, or that it is queued.

        Raises
        ------
        NotFoundError
            It is neither applied nor in the ledger, or not the caller's.
        """
        # The ledger first: what leaves it between the two looks is in Postgres at the second.
        sender = await self._queued_by("scans", str(scan_id))

        def read(connection: Connection) -> tuple[Row[Any] | None, dict[str, Delivery | None]]:
            is_device = caller.kind == "device"
            shown = {"delivery": newest_delivery(connection, caller.id)} if is_device else {}
            return storage.select_scan(connection, scan_id), shown

        row, delivery = await self._read(read)
        if row is not None and _may_see_scan(row, caller):
            scan, result = _scan_of(row)
            document = outcome_document(scan, result) | delivery
            return ScanDone(**document, scanned_at=row.scanned_at, received_at=row.received_at)
        if row is None and sender is not None and (sender == caller.actor or _sees_all(caller)):
            return ScanQueued(scan_id=str(scan_id), status="queued", **delivery)  # set, so that the route shows it
        raise NotFoundError(f"There is no scan {scan_id}.")

    async def command(self, command_id: UUID, caller: Principal) -> CommandOut:
        """Give how a command stands.

        Raises
        ------
        NotFoundError
            There is none of that identity, or it is another's.
        """
        senders = [await self._queued_by(queue, str(command_id)) for queue in ("commands", "reports")]
        row = await self._read(lambda connection: storage.select_command(connection, command_id))
        if row is not None and (row.actor == caller.actor or caller.role == "admin"):
            return CommandOut(command_id=str(command_id), status=row.status, outcome=row.outcome)
        if row is None and caller.actor in senders:
            return CommandOut(command_id=str(command_id), status="queued")
        raise NotFoundError(f"There is no command {command_id}.")

    async def bag(self, code: str, caller: Principal) -> BagOut:
        """Give a bag, in whatever case its code was written.

        Raises
        ------
        NotFoundError
            There is none, or it is in another area.
        """

        def read(connection: Connection) -> BagOut:
            row = _found(storage.select_bag(connection, normalise(code), caller.area_id), f"bag {code}")
            is_parent = row.capacity is not None
            return BagOut(
                code=row.code,
                kind="parent" if is_parent else "child",
                area=row.area,
                created_at=row.created_at,
                parent=row.parent,
                bill_no=row.bill_no,
                children=storage.select_children(connection, row.bag_id) if is_parent else [],
                capacity=row.capacity,
                weight_g=row.children * row.child_weight_g if is_parent else None,
                expected_weight_g=row.capacity * row.child_weight_g if is_parent else None,
            )

        return await self._read(read)

    async def bill(self, bill_no: str, caller: Principal) -> BillOut:
        """Give a bill with its totals.

        Raises
        ------
        NotFoundError
            There is none, or it is in another area.
        """
        row = await self._read(lambda connection: storage.select_bill(connection, normalise(bill_no), caller.area_id))
        return _bill_of(_found(row, f"bill {bill_no}"))

    async def bills(
        self, caller: Principal, *, status: str | None, area: str | None, cursor: str | None, limit: int
    ) -> Page[BillOut]:
        """Give bills, newest first."""
        filters = {
            "area_id": caller.area_id,
            "status": status,
            "area": area,
            "below": _key_of(cursor),
            "limit": limit + 1,
        }
        rows = await self._read(lambda connection: storage.select_bills(connection, filters))
        more = len(rows) > limit
        return Page(
            items=[_bill_of(row) for row in rows[:limit]], next_cursor=str(rows[limit - 1].bill_id) if more else None
        )

    async def goods_return(self, return_no: str, caller: Principal) -> ReturnOut:
        """Give a return with its sacks.

        Raises
        ------
        NotFoundError
            There is none, or it is in another area.
        """

        def read(connection: Connection) -> ReturnOut:
            number = normalise(return_no)
            row = _found(storage.select_return(connection, number, caller.area_id), f"return {return_no}")
            sacks = [sack._asdict() for sack in storage.select_return_sacks(connection, row.return_id)]
            return ReturnOut(
                return_no=row.return_no,
                area=row.area,
                state=row.state,
                notes=row.notes,
                created_by=row.created_by,
                created_at=row.created_at,
                sacks=sacks,
            )

        return await self._read(read)

    async def devices(self, *, cursor: str | None, limit: int) -> Page[DeviceOut]:
        """Give devices in the order of their enrolment."""
        above = _key_of(cursor) or 0
        rows = await self._read(lambda connection: storage.select_devices(connection, above, limit + 1))
        more = len(rows) > limit
        return Page(
            items=[DeviceOut(**row._asdict()) for row in rows[:limit]],
            next_cursor=str(rows[limit - 1].device_id) if more else None,
        )

    async def summary(self, business_date: date, area: str, caller: Principal) -> dict[str, Any]:
        """Give the newest revision of a day's summary.

        Raises
        ------
        NotFoundError
            It is not made yet, or is of another area.
        """

        def read(connection: Connection) -> dict[str, Any]:
            area_id = _area_id(connection, area, caller)
            row = storage.select_summary(connection, business_date, area_id)
            return cast("dict[str, Any]", _found(row, f"summary of {area} for {business_date}").content)

        return await self._read(read)

    async def document(
        self, business_date: date, area: str, document_format: str, caller: Principal
    ) -> tuple[bytes, str, int]:
        """Give a document of the newest revision of a day's summary.

        Returns
        -------
        tuple of bytes, str, int
            The document, its SHA-256 in hexadecimal, the revision.

        Raises
        ------
        NotFoundError
            It is not made yet, or is of another area.
        """

        def read(connection: Connection) -> tuple[bytes, str, int]:
            area_id = _area_id(connection, area, caller)
            row = storage.select_document(connection, business_date, area_id, document_format)
            found = _found(row, f"summary of {area} for {business_date}")
            return bytes(found.content), bytes(found.sha256).hex(), found.revision

        return await self._read(read)

    async def _queued_by(self, queue: str, identity: str) -> str | None:
        """Give who sent what waits in a ledger under this identity."""
        try:
            sender = cast("bytes | None", await self._redis.hget(LedgerKeys(queue).index, identity))
        except (RedisError, OSError) as error:
            raise UnavailableError("The ledger does not answer; try again.") from error
        return None if sender is None else sender.decode()


def _found(row: Row[Any] | None, what: str) -> Row[Any]:
    if row is None:
        raise NotFoundError(f"There is no {what}.")
    return row


def _area_id(connection: Connection, area: str, caller: Principal) -> int | None:
    """Give an area's key, None for all areas; an area that is not the caller's is not there."""
    if area == ALL_AREAS and caller.area_id is None:
        return None
    area_id = storage.select_area_id(connection, area)
    if area_id is None or caller.area_id not in {None, area_id}:
        raise NotFoundError(f"There is no area {area}.")
    return area_id


def _key_of(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    with suppress(ValueError):
        if 0 <= (key := int(cursor)) < 2**31:
            return key
    raise invalid_cursor()


def _sees_all(caller: Principal) -> bool:
    """Tell whether the caller is a person of all areas; the ledger does not say which area waits in it."""
    return caller.kind == "user" and caller.area_id is None


def _may_see_scan(row: Row[Any], caller: Principal) -> bool:
    if caller.kind == "device":
        return bool(row.device_id == caller.id)
    return caller.area_id is None or bool(row.area_id == caller.area_id)


def _scan_of(row: Row[Any]) -> tuple[Scan, Result]:
    scan = Scan(
        scan_id=str(row.scan_id),
        kind=Kind(row.kind),
        code=row.code,
        target=row.target,
        scanned_at=row.scanned_at,
        device_time=row.scanned_at,
        area_id=row.area_id,
        device_id=row.device_id,
        user_id=row.user_id,
    )
    return scan, Result(Outcome(row.outcome), row.refers_to, row.children, row.capacity, row.weight_g)


def _bill_of(row: Row[Any]) -> BillOut:
    fields = row._asdict()
    del fields["bill_id"]
    return BillOut(**fields)
