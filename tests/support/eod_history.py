"""Writing a warehouse's history straight into its tables, as applied scans and commands leave it.

Times are the corrected ones. Whoever writes a history decides the outcomes; nothing here knows the rules of scans.
"""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from tracetrack_common.ids import uuid7

CAPACITY = 30
CHILD_WEIGHT_G = 1000
TRANSIT = timedelta(seconds=1)
"""Between a scan and its receipt, when a test does not say otherwise."""

_INSERT_SCAN = text("""
    INSERT INTO scan (scan_id, batch_id, scanned_at, device_time, received_at, applied_at, seq, epoch, device_id,
        user_id, area_id, children, capacity, weight_g, kind, outcome, code, target)
    SELECT :scan_id, :scan_id, :at, :at, :received, :received, :seq, :epoch, device_id, user_id,
        coalesce(device.area_id, app_user.area_id), :children, :capacity, :weight_g, :kind, :outcome, :code, :target
    FROM (SELECT :device AS device, :person AS person) AS maker
    LEFT JOIN device ON device.name = maker.device
    LEFT JOIN app_user ON app_user.username = maker.person
""")
_INSERT_BAG = text("""
    INSERT INTO bag (code, area_id, capacity, child_weight_g, created_at, created_by)
    VALUES (:code, (SELECT area_id FROM device WHERE name = :device), :capacity, :child_weight_g, :at, :scan_id)
""")
_FILL = text("""
    WITH sack AS (
        SELECT bag_id, code, capacity, child_weight_g, bag.children AS held, device.device_id, device.area_id
        FROM bag, device WHERE code = :sack AND device.name = :device
    ), child AS (
        SELECT gen_random_uuid() AS scan_id, :prefix || sack.code || 'N' || number AS code, held + number AS held_then
        FROM sack, generate_series(1, :more) AS number
    ), scanned AS (
        INSERT INTO scan (scan_id, batch_id, scanned_at, device_time, received_at, applied_at, device_id, area_id,
            children, capacity, weight_g, kind, outcome, code, target)
        SELECT child.scan_id, child.scan_id, :at, :at, :received, :received, sack.device_id, sack.area_id,
            child.held_then, sack.capacity, child.held_then * sack.child_weight_g, 'child', 'applied', child.code,
            sack.code
        FROM sack, child
    ), created AS (
        INSERT INTO bag (code, area_id, created_at, created_by)
        SELECT child.code, sack.area_id, :at, child.scan_id FROM sack, child RETURNING bag_id, created_by
    )
    INSERT INTO bag_link (link_id, child_id, parent_id, valid_from)
    SELECT created.created_by, created.bag_id, sack.bag_id, :at FROM sack, created
""")


class History:
    """Writes events within one transaction.

    Parameters
    ----------
    connection
        Inside a transaction, which the test commits.
    capacity
        Of the sacks that are created.
    """

    def __init__(self, connection: Connection, *, capacity: int = CAPACITY) -> None:
        self._connection = connection
        self._capacity = capacity

    def enrol(self, device: str, area: str) -> None:
        self._run(
            "INSERT INTO device (name, area_id, token_sha256)"
            " SELECT :device, area_id, sha256(CAST(:device AS bytea)) FROM area WHERE code = :area",
            device=device,
            area=area,
        )

    def move(self, device: str, area: str) -> None:
        self._run(
            "UPDATE device SET area_id = area.area_id FROM area WHERE area.code = :area AND device.name = :device",
            device=device,
            area=area,
        )

    def command(self, name: str, *, at: datetime, done: datetime, by: str, **outcome: str) -> None:
        """Write that a command was done; its effect is the caller's to write."""
        self._connection.execute(
            text(
                "INSERT INTO command (command_id, actor, name, content_sha256, received_at, done_at, status, outcome)"
                " SELECT :id, 'user:' || user_id, :name, '', :at, :done, 'done', CAST(:outcome AS jsonb)"
                " FROM app_user WHERE username = :by"
            ),
            {"id": uuid7(), "name": name, "at": at, "done": done, "by": by, "outcome": json.dumps(outcome)},
        )

    def set_zone(self, area: str, zone: str) -> None:
        self._run("UPDATE area SET zone = :zone WHERE code = :area", zone=zone, area=area)

    def set_area_created(self, area: str, at: datetime) -> None:
        self._run("UPDATE area SET created_at = :at WHERE code = :area", at=at, area=area)

    def hire(self, username: str, role: str = "biller") -> None:
        self._run(
            "INSERT INTO app_user (username, role, password_hash) VALUES (:username, :role, '-')",
            username=username,
            role=role,
        )

    def scan(  # noqa: PLR0913 - a scan has these columns
        self,
        kind: str,
        code: str,
        target: str | None = None,
        *,
        at: datetime,
        outcome: str = "applied",
        device: str | None = None,
        person: str | None = None,
        received: datetime | None = None,
        epoch: int | None = None,
        seq: int | None = None,
        children: int | None = None,
    ) -> UUID:
        """Write the scan alone: what has no effect, or whose effect the caller writes."""
        scan_id = uuid7(int(at.timestamp() * 1000))
        self._connection.execute(
            _INSERT_SCAN,
            {
                "scan_id": scan_id,
                "kind": kind,
                "code": code,
                "target": target,
                "at": at,
                "received": received or at + TRANSIT,
                "outcome": outcome,
                "device": device,
                "person": person,
                "epoch": epoch,
                "seq": seq,
                "children": children,
                "capacity": None if children is None else self._capacity,
                "weight_g": None if children is None else children * CHILD_WEIGHT_G,
            },
        )
        return scan_id

    def register(self, sack: str, *, at: datetime, device: str, **more: Any) -> None:
        """Register a sack by a parent scan."""
        scan_id = self.scan("parent", sack, at=at, device=device, children=0, **more)
        self._create(sack, scan_id, at, device, is_parent=True)

    def put(self, child: str, sack: str, *, at: datetime, device: str, **more: Any) -> None:
        """Put a child in a sack, and create what is not there yet."""
        is_new = not self._knows(sack)
        held = 0 if is_new else self._scalar("SELECT children FROM bag WHERE code = :sack", sack=sack)
        scan_id = self.scan("child", child, sack, at=at, device=device, children=held + 1, **more)
        if is_new:
            self._create(sack, scan_id, at, device, is_parent=True)
        if not self._knows(child):
            self._create(child, scan_id, at, device, is_parent=False)
        self._run("UPDATE bag SET children = least(children + 1, capacity) WHERE code = :sack", sack=sack)
        self._run(
            "INSERT INTO bag_link (link_id, child_id, parent_id, valid_from) SELECT :id, child.bag_id, sack.bag_id, :at"
            " FROM bag AS child, bag AS sack WHERE child.code = :child AND sack.code = :sack",
            id=scan_id,
            child=child,
            sack=sack,
            at=at,
        )

    def fill(self, sack: str, children: int, *, at: datetime, device: str, prefix: str = "K") -> None:
        """Put so many new children in a sack, all at one time; they are `<prefix><sack>N0` and so on."""
        self.put(f"{prefix}{sack}N0", sack, at=at, device=device)
        if children > 1:
            self._connection.execute(
                _FILL,
                {
                    "sack": sack,
                    "more": children - 1,
                    "at": at,
                    "received": at + TRANSIT,
                    "device": device,
                    "prefix": prefix,
                },
            )
            self._run(
                "UPDATE bag SET children = least(children + :more, capacity) WHERE code = :sack",
                more=children - 1,
                sack=sack,
            )

    def take_out(self, child: str, *, at: datetime) -> None:
        """Take a child out of its sack, as an undo does."""
        self._run(
            "UPDATE bag SET children = children - 1 WHERE bag_id IN (SELECT bag_link.parent_id FROM bag_link"
            " JOIN bag AS child ON child.bag_id = child_id WHERE child.code = :child AND valid_until IS NULL)",
            child=child,
        )
        self._run(
            "UPDATE bag_link SET valid_until = :at, closed_by = :by FROM bag AS child"
            " WHERE child.bag_id = child_id AND child.code = :child AND valid_until IS NULL",
            at=at,
            by=uuid7(),
            child=child,
        )

    def open_bill(
        self, bill_no: str, area: str, *, at: datetime, by: str, capacity: int = 2, destination: str = "Delhi"
    ) -> None:
        self._run(
            "INSERT INTO bill (bill_no, area_id, capacity, destination, created_by, created_at)"
            " SELECT :bill_no, area_id, :capacity, :destination,"
            " (SELECT user_id FROM app_user WHERE username = :by), :at FROM area WHERE code = :area",
            bill_no=bill_no,
            area=area,
            capacity=capacity,
            destination=destination,
            by=by,
            at=at,
        )
        self.turn_bill(bill_no, "new", at=at)

    def turn_bill(self, bill_no: str, status: str, *, at: datetime) -> None:
        """Bring a bill into a state."""
        since = self._scalar(
            "UPDATE bill_state SET valid_until = greatest(valid_from, :at) FROM bill"
            " WHERE bill.bill_id = bill_state.bill_id AND bill_no = :bill_no AND valid_until IS NULL"
            " RETURNING valid_until",
            bill_no=bill_no,
            at=at,
        )
        self._run(
            "INSERT INTO bill_state (change_id, bill_id, status, valid_from)"
            " SELECT :id, bill_id, :status, :at FROM bill WHERE bill_no = :bill_no",
            id=uuid7(),
            status=status,
            at=since or at,
            bill_no=bill_no,
        )
        self._run("UPDATE bill SET status = :status WHERE bill_no = :bill_no", status=status, bill_no=bill_no)

    def edit_bill(self, bill_no: str, *, at: datetime, destination: str, capacity: int) -> None:
        """Change what a bill says of itself, and keep what it said."""
        self._run(
            "INSERT INTO bill_version"
            " (bill_id, version, capacity, destination, vehicle, description, valid_until, closed_by)"
            " SELECT bill_id, version, capacity, destination, vehicle, description, :at, :by"
            " FROM bill WHERE bill_no = :bill_no",
            bill_no=bill_no,
            at=at,
            by=uuid7(),
        )
        self._run(
            "UPDATE bill SET destination = :destination, capacity = :capacity, version = version + 1"
            " WHERE bill_no = :bill_no",
            bill_no=bill_no,
            destination=destination,
            capacity=capacity,
        )

    def detach(self, sack: str, *, at: datetime) -> None:
        """Take a sack off its bill by hand."""
        self._end_entries("bag.code = :sack", at=at, sack=sack)

    def delete_bill(self, bill_no: str, *, at: datetime) -> None:
        """Delete a bill and free its sacks."""
        self._end_entries("bill_no = :bill_no", at=at, bill_no=bill_no)
        self._run(
            "UPDATE bill_state SET valid_until = greatest(valid_from, :at) FROM bill"
            " WHERE bill.bill_id = bill_state.bill_id AND bill_no = :bill_no AND valid_until IS NULL",
            bill_no=bill_no,
            at=at,
        )
        self._run(
            "UPDATE bill SET deleted_at = :at, deleted_by = created_by WHERE bill_no = :bill_no",
            bill_no=bill_no,
            at=at,
        )

    def load(self, sack: str, bill_no: str, *, at: datetime, **more: Any) -> None:
        """Put a sack on a bill by a bill scan."""
        entry_id = self.scan("bill", sack, bill_no, at=at, **more)
        self._run(
            "INSERT INTO bill_sack (entry_id, bill_id, parent_id, valid_from) SELECT :id, bill.bill_id, bag_id, :at"
            " FROM bill, bag WHERE bill_no = :bill_no AND code = :sack",
            id=entry_id,
            bill_no=bill_no,
            sack=sack,
            at=at,
        )
        if self._scalar("SELECT status FROM bill WHERE bill_no = :bill_no", bill_no=bill_no) == "new":
            self.turn_bill(bill_no, "processing", at=at)

    def take_back(self, sack: str, return_no: str, *, at: datetime, **more: Any) -> None:
        """Take a sack off its bill by a return scan."""
        scan_id = self.scan("return", sack, return_no, at=at, **more)
        self._run(
            "INSERT INTO return_sack (entry_id, return_id, parent_id, bill_id, children, child_codes, weight_g,"
            " returned_at) SELECT :id, goods_return.return_id, bag_id, bag_on.bill_id, held.children, '{}',"
            " held.children * child_weight_g, :at FROM goods_return, bag"
            " LEFT JOIN bill_sack AS bag_on ON bag_on.parent_id = bag_id AND bag_on.valid_until IS NULL"
            " CROSS JOIN LATERAL (SELECT count(*) AS children FROM bag_link"
            " WHERE bag_link.parent_id = bag_id AND bag_link.valid_until IS NULL) AS held"
            " WHERE return_no = :return_no AND code = :sack",
            id=scan_id,
            return_no=return_no,
            sack=sack,
            at=at,
        )
        self._run(
            "UPDATE bill_sack SET valid_until = greatest(valid_from, :at), closed_by = :by FROM bag"
            " WHERE bag.bag_id = bill_sack.parent_id AND code = :sack AND valid_until IS NULL",
            at=at,
            by=scan_id,
            sack=sack,
        )

    def open_return(self, return_no: str, area: str, *, at: datetime, by: str) -> None:
        self._run(
            "INSERT INTO goods_return (return_no, area_id, created_by, created_at) SELECT :return_no, area_id,"
            " (SELECT user_id FROM app_user WHERE username = :by), :at FROM area WHERE code = :area",
            return_no=return_no,
            area=area,
            by=by,
            at=at,
        )

    def _create(self, code: str, scan_id: UUID, at: datetime, device: str, *, is_parent: bool) -> None:
        self._connection.execute(
            _INSERT_BAG,
            {
                "code": code,
                "scan_id": scan_id,
                "at": at,
                "device": device,
                "capacity": self._capacity if is_parent else None,
                "child_weight_g": CHILD_WEIGHT_G if is_parent else None,
            },
        )

    def _end_entries(self, which: str, *, at: datetime, **named: str) -> None:
        self._run(
            "UPDATE bill_sack SET valid_until = greatest(valid_from, :at), closed_by = :by FROM bag, bill"  # noqa: S608
            " WHERE bag.bag_id = bill_sack.parent_id AND bill.bill_id = bill_sack.bill_id AND valid_until IS NULL"
            f" AND {which}",
            at=at,
            by=uuid7(),
            **named,
        )

    def _knows(self, code: str) -> bool:
        return self._scalar("SELECT 1 FROM bag WHERE code = :code", code=code) is not None

    def _run(self, statement: str, **parameters: Any) -> None:
        self._connection.execute(text(statement), parameters)

    def _scalar(self, statement: str, **parameters: Any) -> Any:
        return self._connection.scalar(text(statement), parameters)
