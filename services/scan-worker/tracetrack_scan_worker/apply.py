"""Applying scans: a batch in one transaction, exactly once (design.md, The way of a scan)."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from tracetrack_common import audit, delivery, tally
from tracetrack_common.contracts import Origin
from tracetrack_common.db.session import Database, StateChangedError
from tracetrack_common.delivery import Mirrored
from tracetrack_common.domain.codes import Catalogue
from tracetrack_common.domain.decide import Bag, Decisions, State, codes_of, decide
from tracetrack_common.domain.scans import Kind, Outcome, Result, Scan
from tracetrack_common.ids import uuid7
from tracetrack_common.log import get_logger
from tracetrack_scan_worker import storage

log = get_logger(__name__)

_CATALOGUE_TTL_S = 2.0

ID_REUSED = Result(Outcome.ID_REUSED)


class Applied(NamedTuple):
    """What a transaction made of scans.

    Parameters
    ----------
    results
        One per scan, in their order.
    deliveries
        What has arrived of the devices concerned, for the mirror once the transaction has committed.
    """

    results: list[Result]
    deliveries: list[Mirrored]


class Applier:
    """Applies batches of scans to Postgres.

    Parameters
    ----------
    database
        Where they go.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._catalogue: Catalogue | None = None
        self._catalogue_read_at = 0.0

    def apply(self, scans: Sequence[Scan], origins: Mapping[str, Origin]) -> Applied:
        """Apply scans in their order, in one transaction.

        Parameters
        ----------
        scans
            At most a transaction's worth; identities may repeat.
        origins
            The request each `scan_id` came with.

        Returns
        -------
        Applied
            A scan that was applied before gives its first result and changes nothing; one whose identity was used
            before with other content gives `id_reused`.

        Raises
        ------
        StateChangedError
            Another transaction was faster; the same call again will see what it did.
        sqlalchemy.exc.DBAPIError
            As the statements raise it; nothing was written.
        """
        with self._database.transaction() as connection:
            return self.apply_in(connection, scans, origins)

    def was_applied(self, scan_id: str) -> bool:
        """Tell whether a scan of this identity is in the database."""
        with self._database.transaction() as connection:
            return bool(storage.select_scans(connection, [scan_id]))

    def apply_in(self, connection: Connection, scans: Sequence[Scan], origins: Mapping[str, Origin]) -> Applied:
        """Apply scans as `apply` does, in a transaction that the caller commits."""
        firsts: dict[str, Scan] = {}
        for scan in scans:
            firsts.setdefault(scan.scan_id, scan)
        known = storage.select_scans(connection, firsts)
        fresh = [scan for scan in firsts.values() if scan.scan_id not in known]
        for run in _cut_after_returns(fresh):
            for scan, result in zip(run, self._apply_run(connection, run, origins), strict=True):
                known[scan.scan_id] = (scan, result)
        results = [
            known[scan.scan_id][1] if known[scan.scan_id][0].content == scan.content else ID_REUSED for scan in scans
        ]
        recorded = [scan for scan, result in zip(scans, results, strict=True) if result is not ID_REUSED]
        # Last, since two batches of one device wait for each other here until the first has committed.
        return Applied(results, delivery.add_applied(connection, recorded))

    def _apply_run(self, connection: Connection, run: Sequence[Scan], origins: Mapping[str, Origin]) -> list[Result]:
        started = time.perf_counter()
        state, keys = load_state(connection, run, self.current_catalogue(connection))
        decisions = decide(run, state)
        batch_id = uuid7()
        applied = list(zip(run, decisions.results, strict=True))
        if storage.insert_scans(connection, batch_id, applied, origins) != len(run):
            raise StateChangedError("another transaction applied one of these scans")
        _write(connection, decisions, keys)
        chain = audit.append(
            connection,
            actor="system",
            action="scans.apply",
            object_=f"batch:{batch_id}",
            at=max(origins[scan.scan_id].received_at for scan in run),
            after={"scans": len(run), "sha256": audit.digest_scans(applied)},
        )
        tally.add(connection, chain, _counts(decisions))
        log.info(
            "scan_batch_applied",
            batch=str(batch_id),
            scans=len(run),
            ms=round((time.perf_counter() - started) * 1000, 1),
        )
        return decisions.results

    def current_catalogue(self, connection: Connection) -> Catalogue:
        """Give the bag types in force, as they were at most two seconds ago."""
        now = time.monotonic()
        if self._catalogue is None or now - self._catalogue_read_at > _CATALOGUE_TTL_S:
            bag_types = tuple(storage.select_bag_types(connection))
            if self._catalogue is None or self._catalogue.bag_types != bag_types:
                self._catalogue = Catalogue(bag_types)
            self._catalogue_read_at = now
        return self._catalogue


class _Keys:
    """The database keys of what a decision names by code or number."""

    def __init__(self) -> None:
        self.bags: dict[str, int] = {}
        self.bills: dict[str, int] = {}
        self.returns: dict[str, int] = {}


def _cut_after_returns(scans: Sequence[Scan]) -> list[Sequence[Scan]]:
    """Cut a batch before the first scan into a sack that came back earlier in it.

    What a returned sack held is read from its links, so nothing later may have gone in.
    """
    runs: list[Sequence[Scan]] = []
    start = 0
    returned: set[str] = set()
    for position, scan in enumerate(scans):
        if scan.kind is Kind.CHILD and scan.target in returned:
            runs.append(scans[start:position])
            start = position
            returned = set()
        elif scan.kind is Kind.RETURN:
            returned.add(scan.code)
    if start < len(scans):
        runs.append(scans[start:])
    return runs


def load_state(connection: Connection, scans: Sequence[Scan], catalogue: Catalogue) -> tuple[State, _Keys]:
    """Lock and read all that these scans touch: bags in code order, then bills, then returns."""
    rows = storage.lock_bags(connection, codes_of(scans))
    bills = storage.lock_bills(
        connection,
        {row.bill_id for row in rows if row.bill_id is not None},
        {scan.target for scan in scans if scan.kind is Kind.BILL and scan.target},
    )
    returns = storage.lock_returns(
        connection,
        {row.return_id for row in rows if row.return_id is not None},
        {scan.target for scan in scans if scan.kind is Kind.RETURN and scan.target},
    )
    keys = _Keys()
    keys.bags = {row.code: row.bag_id for row in rows}
    keys.bills = {bill.bill_no: bill.bill_id for bill in bills}
    keys.returns = {each.return_no: each.return_id for each in returns}
    codes = {bag_id: code for code, bag_id in keys.bags.items()}
    codes |= storage.select_codes(connection, {row.parent_id for row in rows if row.parent_id not in codes} - {None})
    bill_numbers = {bill.bill_id: bill.bill_no for bill in bills}
    return_numbers = {each.return_id: each.return_no for each in returns}
    bags = {
        row.code: Bag(
            code=row.code,
            area_id=row.area_id,
            capacity=row.capacity,
            child_weight_g=row.child_weight_g,
            children=row.children,
            parent=codes.get(row.parent_id),
            bill_no=bill_numbers.get(row.bill_id),
            return_no=return_numbers.get(row.return_id),
            bag_id=row.bag_id,
            is_deleted=row.is_deleted,
        )
        for row in rows
    }
    state = State(
        catalogue=catalogue,
        bags=bags,
        bills={bill.bill_no: bill for bill in bills},
        returns={each.return_no: each for each in returns},
    )
    return state, keys


def _write(connection: Connection, decisions: Decisions, keys: _Keys) -> None:
    """Write what was decided; the scans themselves are written already, so every effect follows from a new row."""
    _create_bags(connection, decisions, keys)
    if decisions.revived:
        storage.revive_bags(connection, [(keys.bags[code], scan) for code, scan in decisions.revived.items()])
    moved_children = [scan.code for scan in decisions.links if scan.code not in decisions.new_bags]
    if moved_children:
        storage.update_children(
            connection,
            [(keys.bags[code], keys.bags[decisions.bags[code].parent or ""]) for code in moved_children],
        )
    touched = [decisions.bags[code] for code in decisions.touched_parents if code not in decisions.new_bags]
    if touched:
        storage.update_parents(
            connection,
            [
                (
                    keys.bags[bag.code],
                    bag.children,
                    None if bag.bill_no is None else keys.bills[bag.bill_no],
                    None if bag.return_no is None else keys.returns[bag.return_no],
                )
                for bag in touched
            ],
        )
    if decisions.links:
        storage.insert_links(connection, decisions.links, keys.bags)
    if decisions.touched_bills:
        _write_bills(connection, decisions, keys)
    if decisions.sacks_returned:
        storage.insert_return_sacks(connection, decisions.sacks_returned, keys.bags, keys.bills, keys.returns)


def _counts(decisions: Decisions) -> Counter[str]:
    """Count what a batch adds to the running totals."""
    counts = Counter(f"scan.{result.outcome}" for result in decisions.results)
    counts.update("bag.parent" if decisions.bags[code].is_parent else "bag.child" for code in decisions.new_bags)
    return counts


def _create_bags(connection: Connection, decisions: Decisions, keys: _Keys) -> None:
    """Create the new bags, in code order, parents before the children that point at them."""
    new = [(decisions.bags[code], scan) for code, scan in sorted(decisions.new_bags.items())]
    for bags in ([each for each in new if each[0].is_parent], [each for each in new if not each[0].is_parent]):
        if not bags:
            continue
        created = storage.insert_bags(connection, bags, keys.bags, keys.bills, keys.returns)
        if len(created) != len(bags):
            raise StateChangedError("another transaction created one of these bags")
        keys.bags |= created


def _write_bills(connection: Connection, decisions: Decisions, keys: _Keys) -> None:
    storage.update_bills(connection, [decisions.bills[number] for number in decisions.touched_bills])
    if decisions.bills_started:
        storage.start_bills(
            connection, [(keys.bills[number], scan) for number, scan in decisions.bills_started.items()]
        )
    opened: dict[int, dict[str, object]] = {}
    rows: list[dict[str, object]] = []
    closings: list[tuple[int, Scan]] = []
    for moved in decisions.sacks_moved:
        parent_id = keys.bags[moved.scan.code]
        if moved.bill_no is not None:
            opened[parent_id] = {
                "entry_id": moved.scan.scan_id,
                "bill_id": keys.bills[moved.bill_no],
                "parent_id": parent_id,
                "valid_from": moved.scan.scanned_at,
                "valid_until": None,
                "closed_by": None,
            }
            rows.append(opened[parent_id])
        elif (row := opened.pop(parent_id, None)) is not None:
            row["valid_until"] = max(moved.scan.scanned_at, row["valid_from"])  # type: ignore[call-overload]
            row["closed_by"] = moved.scan.scan_id
        else:
            closings.append((parent_id, moved.scan))
    if closings:
        storage.close_bill_sacks(connection, closings)
    if rows:
        storage.insert_bill_sacks(connection, rows)
