"""The read API: from statements to models. A caller bound to an area gets what is elsewhere as not there."""

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
from tracetrack_gateway.delivery import Delivery, newest_delivery
from tracetrack_gateway.models import (
    BagOut,
    CommandOut,
    Page,
    ScanDone,
    ScanQueued,
    Undone,
)
from tracetrack_gateway.paging import key_of, page_of
from tracetrack_gateway.revisions import RevisionOut
from tracetrack_gateway.sendings import SendingsOut
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
            undone = {} if row.undone_at is None else {"undone": Undone(at=row.undone_at, by=row.undone_by)}
            document = outcome_document(scan, result) | undone | delivery
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
            There is none (any more), or it is in another area.
        """

        def read(connection: Connection) -> BagOut:
            row = found(storage.select_bag(connection, normalise(code), caller.area_id), f"bag {code}")
            if row.deleted_at is not None:
                raise NotFoundError(f"There is no bag {code}.")
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

    async def summary(
        self, business_date: date, area: str, caller: Principal, revision: int | None = None
    ) -> tuple[dict[str, Any], str]:
        """Give a revision of a day's summary, the newest when it is left out.

        Returns
        -------
        tuple of dict, str
            The summary, and what tells it from every other revision.

        Raises
        ------
        NotFoundError
            It is not made yet, or is of another area.
        """

        def read(connection: Connection) -> tuple[dict[str, Any], str]:
            area_id = _area_id(connection, area, caller)
            row = storage.select_summary(connection, business_date, area_id, revision)
            summary = found(row, f"summary of {area} for {business_date}")
            return summary.content, f"{summary.revision}-{bytes(summary.figures_sha256).hex()}"

        return await self._read(read)

    async def revisions(
        self, business_date: date, area: str, caller: Principal, *, cursor: str | None, limit: int
    ) -> Page[RevisionOut]:
        """Give the revisions of a day's summary, newest first.

        Raises
        ------
        NotFoundError
            There is none yet, or it is of another area.
        InvalidInputError
            The cursor is none.
        """
        below = key_of(cursor)

        def read(connection: Connection) -> list[Row[Any]]:
            area_id = _area_id(connection, area, caller)
            return storage.select_revisions(connection, business_date, area_id, below, limit + 1)

        rows = await self._read(read)
        if not rows and below is None:
            raise NotFoundError(f"There is no summary of {area} for {business_date}.")
        return page_of(rows, limit, lambda row: RevisionOut(**row._asdict()), lambda row: str(row.revision))

    async def document(
        self, business_date: date, area: str, document_format: str, caller: Principal, revision: int | None = None
    ) -> tuple[bytes, str, int]:
        """Give a document of a revision of a day's summary, of the newest by default.

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
            row = storage.select_document(connection, business_date, area_id, document_format, revision)
            document = found(row, f"summary of {area} for {business_date}")
            if document.content is None:
                raise NotFoundError(f"The {document_format} document is being made; try again in a minute.")
            return bytes(document.content), bytes(document.sha256).hex(), document.revision

        return await self._read(read)

    async def sendings(self, business_date: date) -> SendingsOut:
        """Give every mail of a day's summaries, the newest revision first.

        Raises
        ------
        NotFoundError
            There is no summary of all areas.
        """

        def read(connection: Connection) -> list[Row[Any]]:
            found(storage.select_summary(connection, business_date, None, None), f"summary of all for {business_date}")
            return storage.select_sendings(connection, business_date)

        rows = await self._read(read)
        return SendingsOut.model_validate({"items": [row._mapping for row in rows]})  # noqa: SLF001 - SQLAlchemy's API

    async def _queued_by(self, queue: str, identity: str) -> str | None:
        """Give who sent what waits in a ledger under this identity."""
        try:
            sender = cast("bytes | None", await self._redis.hget(LedgerKeys(queue).index, identity))
        except (RedisError, OSError) as error:
            raise UnavailableError("The ledger does not answer; try again.") from error
        return None if sender is None else sender.decode()


def found(row: Row[Any] | None, what: str) -> Row[Any]:
    """Give a row that is there.

    Raises
    ------
    NotFoundError
        It is not.
    """
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
