"""The statements of the read API.

Each is bound to an area where the caller is: `:area_id` is NULL for all areas.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

_IN_AREA = "(CAST(:area_id AS int) IS NULL OR {column} = :area_id)"

_SELECT_SCAN = text(
    "SELECT scan.scan_id, kind, code, target, scanned_at, received_at, outcome, refers_to, children, capacity,"
    " weight_g, scan.area_id, scan.device_id, scan.user_id, undone_at, coalesce(username, device.name) AS undone_by"
    " FROM scan LEFT JOIN scan_undo USING (scan_id) LEFT JOIN app_user ON app_user.user_id = scan_undo.user_id"
    " LEFT JOIN device ON device.device_id = scan_undo.device_id WHERE scan.scan_id = :scan_id"
)
_BAG_COLUMNS = (
    "SELECT bag.bag_id, bag.code, bag.capacity, bag.child_weight_g, bag.children, bag.created_at, bag.created_by,"
    " bag.deleted_at,"
    " area.code AS area, parent.code AS parent, bill.bill_no"
    " FROM bag LEFT JOIN area ON area.area_id = bag.area_id LEFT JOIN bag AS parent ON parent.bag_id = bag.parent_id"
    " LEFT JOIN bill ON bill.bill_id = bag.bill_id"
)
_SELECT_BAG = text(f"{_BAG_COLUMNS} WHERE bag.code = :code AND {_IN_AREA.format(column='bag.area_id')}")
_SELECT_CHILDREN = text(
    "SELECT bag.code FROM bag_link JOIN bag ON bag.bag_id = bag_link.child_id"
    " WHERE bag_link.parent_id = :bag_id AND valid_until IS NULL ORDER BY valid_from, bag.code"
)
_BILL_COLUMNS = (
    "SELECT bill_id, bill_no, area.code AS area, status, capacity, destination, vehicle, description,"
    " app_user.username AS created_by, bill.created_at, sacks, children, actual_weight_g, expected_weight_g,"
    " actual_weight_g - expected_weight_g AS variance_g, version"
    " FROM bill JOIN area USING (area_id) JOIN app_user ON app_user.user_id = bill.created_by"
    " WHERE deleted_at IS NULL"
)
_BILL_IN_AREA = _IN_AREA.format(column="bill.area_id")
_SELECT_BILL = text(f"{_BILL_COLUMNS} AND {_BILL_IN_AREA} AND bill_no = :bill_no")
# Days are those of the area's calendar. A text never holds the character that stands between those it is looked for in.
_NARROWED = (
    " AND (CAST(:area AS text) IS NULL OR area.code = :area)"
    " AND (CAST(:created_by AS text) IS NULL OR lower(app_user.username) = lower(:created_by))"
    " AND (CAST(:created_from AS date) IS NULL"
    " OR CAST({table}.created_at AT TIME ZONE area.zone AS date) >= :created_from)"
    " AND (CAST(:created_to AS date) IS NULL"
    " OR CAST({table}.created_at AT TIME ZONE area.zone AS date) <= :created_to)"
    " AND (CAST(:text AS text) IS NULL OR strpos(lower(concat_ws(chr(10), {searched})), lower(:text)) > 0)"
    " AND (CAST(:below AS int) IS NULL OR {key} < :below)"
    " ORDER BY {key} DESC LIMIT :limit"
)
_SELECT_BILLS = text(
    f"{_BILL_COLUMNS} AND {_BILL_IN_AREA} AND (CAST(:status AS text) IS NULL OR status = :status)"
    + _NARROWED.format(table="bill", searched="bill_no, destination, vehicle, description", key="bill_id")
)
_SELECT_BILL_SACKS = text(
    "SELECT bag.code, bag.children, bag.capacity, bag.children * bag.child_weight_g AS weight_g,"
    " bag.capacity * bag.child_weight_g AS expected_weight_g, valid_from AS put_on_at"
    " FROM bill JOIN bill_sack USING (bill_id) JOIN bag ON bag.bag_id = bill_sack.parent_id"
    " WHERE bill.bill_id = :bill_id AND valid_until IS NULL"
    " AND (CAST(:above AS text) IS NULL OR bag.code > :above) ORDER BY bag.code LIMIT :limit"
)
_RETURN_COLUMNS = (
    "SELECT return_id, return_no, area.code AS area, state, notes, app_user.username AS created_by,"
    " goods_return.created_at, (SELECT count(DISTINCT parent_id) FROM return_sack"
    " WHERE return_sack.return_id = goods_return.return_id) AS sacks"
    " FROM goods_return JOIN area USING (area_id) JOIN app_user ON app_user.user_id = goods_return.created_by"
)
_RETURN_IN_AREA = _IN_AREA.format(column="goods_return.area_id")
_SELECT_RETURN = text(f"{_RETURN_COLUMNS} WHERE {_RETURN_IN_AREA} AND return_no = :return_no")
_SELECT_RETURNS = text(
    f"{_RETURN_COLUMNS} WHERE {_RETURN_IN_AREA} AND (CAST(:state AS text) IS NULL OR state = :state)"
    + _NARROWED.format(table="goods_return", searched="return_no, notes", key="return_id")
)
_SELECT_RETURN_SACKS = text(
    "SELECT bag.code, bill.bill_no, return_sack.children, weight_g, bill_weight_before_g, bill_weight_after_g,"
    " returned_at FROM return_sack JOIN bag ON bag.bag_id = return_sack.parent_id"
    " LEFT JOIN bill ON bill.bill_id = return_sack.bill_id"
    " WHERE return_sack.return_id = :return_id ORDER BY returned_at, bag.code"
)
_SELECT_DEVICES = text(
    "SELECT device_id, device.name, area.code AS area, enrolled_at, revoked_at, last_seen_at, token_sha256"
    " FROM device JOIN area USING (area_id)"
    " WHERE device_id > :above ORDER BY device_id LIMIT :limit"
)
_HAS_DEVICE = text("SELECT EXISTS (SELECT FROM device WHERE device_id = :device_id)")
_SELECT_USERS = text(
    "SELECT user_id, username, email, role, area.code AS area, app_user.created_at, disabled_at, totp_salt"
    " FROM app_user LEFT JOIN area USING (area_id)"
    " WHERE user_id > :above AND (CAST(:role AS text) IS NULL OR role = :role) ORDER BY user_id LIMIT :limit"
)
_SELECT_SESSIONS = text(
    "SELECT session_id, token_sha256, created_at, expires_at, address FROM user_session"
    " WHERE user_id = :user_id AND ended_at IS NULL AND expires_at > now() ORDER BY created_at DESC, session_id DESC"
)
_HAS_LOGGED_IN_FROM = text(
    "SELECT EXISTS (SELECT FROM user_session WHERE user_id = :user_id AND address = :address"
    " AND created_at > now() - interval '90 days')"
)
_SELECT_USER_OF_RESET = text(
    "SELECT username, email FROM password_reset JOIN app_user USING (user_id)"
    " WHERE token_sha256 = :token_sha256 AND used_at IS NULL AND expires_at > now() AND disabled_at IS NULL"
)
_SELECT_AREA = text("SELECT area_id FROM area WHERE code = :area")
_SELECT_COMMAND = text("SELECT actor, status, outcome FROM command WHERE command_id = :command_id")
_SELECT_SUMMARY = text(
    "SELECT summary_id, revision, figures_sha256, content FROM eod_summary"
    " WHERE business_date = :business_date AND area_id IS NOT DISTINCT FROM CAST(:area_id AS smallint)"
    " AND (CAST(:revision AS integer) IS NULL OR revision = :revision) ORDER BY revision DESC LIMIT 1"
)
# A content of thousands of bills is unpacked once for each revision, not once for each figure.
_SELECT_REVISIONS = text("""
    WITH listed AS MATERIALIZED (
        SELECT revision, generated_at, generated_at < window_end AS preliminary, content->'changes' AS changes
        FROM eod_summary
        WHERE business_date = :business_date AND area_id IS NOT DISTINCT FROM CAST(:area_id AS smallint)
            AND (CAST(:below AS integer) IS NULL OR revision < :below)
        ORDER BY revision DESC LIMIT :limit
    )
    SELECT revision, generated_at, preliminary, CAST(changes->'since_revision' AS integer) AS since_revision,
        jsonb_array_length(changes->'figures') AS figures_changed,
        jsonb_array_length(changes->'bills') AS bills_changed,
        CASE WHEN changes ? 'late_scans' THEN (
            SELECT coalesce(sum(CAST(late->'scans' AS integer)), 0)
            FROM jsonb_array_elements(changes->'late_scans') AS late
        ) END AS late_scans,
        jsonb_array_length(changes->'late_commands') AS late_commands
    FROM listed ORDER BY revision DESC
""")
_SELECT_DOCUMENT = text(
    "SELECT eod_document.content, eod_document.sha256, eod_summary.revision FROM eod_summary"
    " LEFT JOIN eod_document ON eod_document.summary_id = eod_summary.summary_id AND format = :format"
    " WHERE business_date = :business_date AND area_id IS NOT DISTINCT FROM CAST(:area_id AS smallint)"
    " AND revision = coalesce(CAST(:revision AS integer), revision) ORDER BY revision DESC LIMIT 1"
)
_SELECT_SENDINGS = text(
    "SELECT revision, username AS recipient, mail.recipient AS address, resent_by IS NOT NULL AS is_copy, requested_at,"
    " state, attempts, sent_at, detail FROM eod_summary JOIN eod_sending USING (summary_id) JOIN mail USING (mail_id)"
    " JOIN app_user USING (user_id) WHERE business_date = :business_date AND eod_summary.area_id IS NULL"
    " ORDER BY revision DESC, username, requested_at"
)
_FAILED_WORK_COLUMNS = (
    "SELECT failed_id, queue, reason, detail, coalesce(payload->>'scan_id', payload->>'command_id') AS work_id,"
    " payload->>'command' AS command, attempts, first_at, last_at, state, resolved_at,"
    " app_user.username AS resolved_by, note"
)
_FROM_FAILED_WORK = " FROM failed_work LEFT JOIN app_user ON app_user.user_id = failed_work.resolved_by"
_SELECT_FAILED_WORK = text(
    f"{_FAILED_WORK_COLUMNS} {_FROM_FAILED_WORK} WHERE state = :state"
    " AND (CAST(:queue AS text) IS NULL OR queue = :queue)"
    " AND (CAST(:reason AS text) IS NULL OR reason = :reason)"
    " AND (CAST(:below_at AS timestamptz) IS NULL"
    " OR (first_at, failed_id) < (CAST(:below_at AS timestamptz), CAST(:below_id AS uuid)))"
    " ORDER BY first_at DESC, failed_id DESC LIMIT :limit"
)
_SELECT_FAILED_PIECE = text(
    f"{_FAILED_WORK_COLUMNS}, payload->>'body' AS body {_FROM_FAILED_WORK} WHERE failed_id = :failed_id"
)
_COUNT_FAILED_WORK = text("SELECT queue, count(*) AS pieces FROM failed_work WHERE state = 'open' GROUP BY queue")


def select_scan(connection: Connection, scan_id: UUID) -> Row[Any] | None:
    """Give a scan with its outcome."""
    return connection.execute(_SELECT_SCAN, {"scan_id": scan_id}).one_or_none()


def select_bag(connection: Connection, code: str, area_id: int | None) -> Row[Any] | None:
    """Give a bag by its code, when it is in the caller's area."""
    return connection.execute(_SELECT_BAG, {"code": code, "area_id": area_id}).one_or_none()


def select_children(connection: Connection, bag_id: int) -> list[str]:
    """Give the codes of the children a sack holds, in the order they went in."""
    return list(connection.scalars(_SELECT_CHILDREN, {"bag_id": bag_id}))


def select_bill(connection: Connection, bill_no: str, area_id: int | None) -> Row[Any] | None:
    """Give a bill by its number, when it is in the caller's area."""
    return connection.execute(_SELECT_BILL, {"bill_no": bill_no, "area_id": area_id}).one_or_none()


def select_bills(connection: Connection, filters: Mapping[str, Any]) -> list[Row[Any]]:
    """Give bills, newest first: area_id (the caller's), status, `Narrowing`, below (a key), limit."""
    return list(connection.execute(_SELECT_BILLS, filters))


def select_bill_sacks(connection: Connection, bill_id: int, above: str | None, limit: int) -> list[Row[Any]]:
    """Give the sacks on a bill in the order of their codes, those after a code."""
    return list(connection.execute(_SELECT_BILL_SACKS, {"bill_id": bill_id, "above": above, "limit": limit}))


def select_return(connection: Connection, return_no: str, area_id: int | None) -> Row[Any] | None:
    """Give a return by its number, when it is in the caller's area."""
    return connection.execute(_SELECT_RETURN, {"return_no": return_no, "area_id": area_id}).one_or_none()


def select_returns(connection: Connection, filters: Mapping[str, Any]) -> list[Row[Any]]:
    """Give returns, newest first: area_id (the caller's), state, `Narrowing`, below (a key), limit."""
    return list(connection.execute(_SELECT_RETURNS, filters))


def select_return_sacks(connection: Connection, return_id: int) -> list[Row[Any]]:
    """Give the sacks that came back on a return."""
    return list(connection.execute(_SELECT_RETURN_SACKS, {"return_id": return_id}))


def select_devices(connection: Connection, above: int, limit: int) -> list[Row[Any]]:
    """Give devices in the order of their enrolment, those after a key."""
    return list(connection.execute(_SELECT_DEVICES, {"above": above, "limit": limit}))


def has_device(connection: Connection, device_id: int) -> bool:
    """Tell whether a device was ever enrolled."""
    return bool(connection.scalar(_HAS_DEVICE, {"device_id": device_id}))


def select_users(connection: Connection, filters: Mapping[str, Any]) -> list[Row[Any]]:
    """Give users in the order they were created: role, above (a key), limit."""
    return list(connection.execute(_SELECT_USERS, filters))


def select_sessions(connection: Connection, user_id: int) -> list[Row[Any]]:
    """Give the sessions of a user that have neither ended nor run out, newest first."""
    return list(connection.execute(_SELECT_SESSIONS, {"user_id": user_id}))


def has_logged_in_from(connection: Connection, user_id: int, address: str | None) -> bool:
    """Tell whether a user logged in from an address within the last 90 days."""
    return bool(connection.scalar(_HAS_LOGGED_IN_FROM, {"user_id": user_id, "address": address}))


def select_user_of_reset(connection: Connection, token_sha256: bytes) -> Row[Any] | None:
    """Give the user to whom a link was mailed that can be used."""
    return connection.execute(_SELECT_USER_OF_RESET, {"token_sha256": token_sha256}).one_or_none()


def select_area_id(connection: Connection, area: str) -> int | None:
    """Give an area's key by its code."""
    area_id: int | None = connection.scalar(_SELECT_AREA, {"area": area})
    return area_id


def select_command(connection: Connection, command_id: UUID) -> Row[Any] | None:
    """Give a command that was executed."""
    return connection.execute(_SELECT_COMMAND, {"command_id": command_id}).one_or_none()


def select_summary(
    connection: Connection, business_date: date, area_id: int | None, revision: int | None
) -> Row[Any] | None:
    """Give a revision of a day's summary, the newest for None; area_id None is the one over all areas."""
    values = {"business_date": business_date, "area_id": area_id, "revision": revision}
    return connection.execute(_SELECT_SUMMARY, values).one_or_none()


def select_revisions(
    connection: Connection, business_date: date, area_id: int | None, below: int | None, limit: int
) -> list[Row[Any]]:
    """Give the revisions of a day's summary, newest first, those below one; NULL for what the first has not changed."""
    values = {"business_date": business_date, "area_id": area_id, "below": below, "limit": limit}
    return list(connection.execute(_SELECT_REVISIONS, values))


def select_document(
    connection: Connection, business_date: date, area_id: int | None, document_format: str, revision: int | None
) -> Row[Any] | None:
    """Give a document of a revision of a day's summary (None: the newest); its content is NULL until it is made."""
    values = {"business_date": business_date, "area_id": area_id, "format": document_format, "revision": revision}
    return connection.execute(_SELECT_DOCUMENT, values).one_or_none()


def select_sendings(connection: Connection, business_date: date) -> list[Row[Any]]:
    """Give every mail of a day's summaries, the newest revision first, by recipient."""
    return list(connection.execute(_SELECT_SENDINGS, {"business_date": business_date}))


def select_failed_work(connection: Connection, filters: Mapping[str, Any]) -> list[Row[Any]]:
    """Give failed work without what is in it, newest first: state, queue, reason, below_at and below_id, limit."""
    return list(connection.execute(_SELECT_FAILED_WORK, filters))


def select_failed_piece(connection: Connection, failed_id: UUID) -> Row[Any] | None:
    """Give a piece of failed work with its message."""
    return connection.execute(_SELECT_FAILED_PIECE, {"failed_id": failed_id}).one_or_none()


def count_failed_work(connection: Connection) -> dict[str, int]:
    """Tell how much failed work waits for somebody, by the queue it came from."""
    return {row.queue: row.pieces for row in connection.execute(_COUNT_FAILED_WORK)}
