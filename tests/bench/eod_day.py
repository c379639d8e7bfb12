"""A day of a warehouse as scans and bills leave it, and earlier days to hold it against: written set-based.

A sack gets 33 or 34 scans: its own, thirty children, its bill, a child once more, and every third its own once more.
One in ten gets a misprint for its last child, one in fifty names a bill that is not there.
"""

from contextlib import closing
from typing import Any, Final, NamedTuple

import psycopg2

from tracetrack_common.domain.business_day import Window

DEVICES = 50
BILLERS = 20
SACKS_PER_BILL = 6
_SCANS_PER_3_SACKS = 100

# Devices load a bill each in turn; an area is that of its device. Counters go on from day to day, and each thousandth
# is missing.
_SCANS: Final = """
    INSERT INTO scan (scan_id, batch_id, scanned_at, device_time, received_at, applied_at, seq, epoch, device_id,
        area_id, children, capacity, weight_g, kind, outcome, code, target)
    SELECT scan_id, scan_id, at, at, at + interval '1 s', at + interval '1 s',
        %(first_seq)s + number + number / 1000, 1, device_id, area_id,
        CASE WHEN kind = 'child' THEN slot END, CASE WHEN kind = 'child' THEN 30 END,
        CASE WHEN kind = 'child' THEN slot * 1000 END, kind,
        CASE
            WHEN slot = 33 THEN 'known'
            WHEN slot = 32 THEN 'duplicate'
            WHEN slot = 31 AND n %% 50 = 7 THEN 'unknown_bill'
            WHEN slot = 30 AND n %% 10 = 0 THEN 'invalid_code'
            ELSE 'applied'
        END,
        CASE WHEN kind = 'child' THEN 'D' || lpad(n::text, 5, '0') || lpad((slot %% 31)::text, 2, '0') ELSE sack END,
        CASE kind WHEN 'child' THEN sack WHEN 'bill' THEN 'DAY-' || lpad((n / %(per_bill)s)::text, 5, '0') END
    FROM (
        SELECT n, slot, at, uuidv7(at - now()) AS scan_id, 'SB' || lpad(n::text, 5, '0') AS sack,
            CASE WHEN slot IN (0, 33) THEN 'parent' WHEN slot = 31 THEN 'bill' ELSE 'child' END AS kind,
            row_number() OVER (PARTITION BY device.device_id ORDER BY at) AS number, device.device_id, device.area_id
        FROM (
            SELECT n, slot, %(start)s + (n * 34 + slot) * (%(end)s - %(start)s) / (%(sacks)s * 34) AS at
            FROM generate_series(0, %(sacks)s - 1) AS n, generate_series(0, 33) AS slot WHERE slot < 33 OR n %% 3 = 0
        ) AS planned JOIN device ON device.name = 'day-gun-' || (n / %(per_bill)s) %% %(devices)s
    ) AS made
    ORDER BY at
"""

_PEOPLE: Final = (
    """
    INSERT INTO device (name, area_id, token_sha256)
    SELECT 'day-gun-' || n, 1 + n %% (SELECT count(*) FROM area), sha256(('day-gun-' || n)::bytea)
    FROM generate_series(0, %(devices)s - 1) AS n
    """,
    """
    INSERT INTO app_user (username, role, password_hash)
    SELECT 'day_biller_' || n, 'biller', '-' FROM generate_series(0, %(billers)s - 1) AS n
    """,
)

_EFFECTS: Final = (
    """
    INSERT INTO bag (code, area_id, capacity, child_weight_g, children, created_at, created_by)
    SELECT code, area_id, 30, 1000, CASE WHEN substr(code, 3)::int %% 10 = 0 THEN 29 ELSE 30 END, scanned_at, scan_id
    FROM scan
    WHERE scanned_at >= %(start)s AND scanned_at < %(end)s AND kind = 'parent' AND outcome = 'applied'
    """,
    """
    INSERT INTO bag (code, area_id, parent_id, created_at, created_by)
    SELECT scan.code, scan.area_id, sack.bag_id, scanned_at, scan_id FROM scan JOIN bag AS sack ON sack.code = target
    WHERE scanned_at >= %(start)s AND scanned_at < %(end)s AND kind = 'child' AND outcome = 'applied'
    """,
    """
    INSERT INTO bag_link (link_id, child_id, parent_id, valid_from)
    SELECT created_by, bag_id, parent_id, created_at FROM bag WHERE parent_id IS NOT NULL
    """,
    # Made when its first sack comes, complete when its last has come, if every sack that names it is on it.
    """
    INSERT INTO bill (bill_no, area_id, status, capacity, destination, sacks, children, actual_weight_g,
        expected_weight_g, created_by, created_at)
    SELECT target, scan.area_id, CASE WHEN count(*) = %(per_bill)s THEN 'completed' ELSE 'processing' END, %(per_bill)s,
        'Delhi', count(*), sum(bag.children), sum(bag.children) * 1000, count(*) * 30000,
        (SELECT user_id FROM app_user
            WHERE username = 'day_biller_' || substr(target, 5)::int %% %(billers)s), min(scanned_at)
    FROM scan JOIN bag USING (code)
    WHERE scanned_at >= %(start)s AND scanned_at < %(end)s AND kind = 'bill' AND outcome = 'applied'
    GROUP BY target, scan.area_id
    """,
    """
    INSERT INTO bill_sack (entry_id, bill_id, parent_id, valid_from)
    SELECT scan_id, bill.bill_id, bag_id, scanned_at
    FROM scan JOIN bag USING (code) JOIN bill ON bill_no = target
    WHERE scanned_at >= %(start)s AND scanned_at < %(end)s AND kind = 'bill' AND outcome = 'applied'
    """,
    "UPDATE bag SET bill_id = bill_sack.bill_id FROM bill_sack WHERE bill_sack.parent_id = bag_id",
    """
    INSERT INTO bill_state (change_id, bill_id, status, valid_from, valid_until)
    SELECT uuidv7(), bill_id, 'processing', created_at, CASE status WHEN 'completed' THEN last END
    FROM bill JOIN (SELECT bill_id, max(valid_from) AS last FROM bill_sack GROUP BY bill_id) AS loaded USING (bill_id)
    """,
    """
    INSERT INTO bill_state (change_id, bill_id, status, valid_from)
    SELECT uuidv7(), bill_id, 'completed', valid_until FROM bill_state WHERE valid_until IS NOT NULL
    """,
)


class Day(NamedTuple):
    """What is in a day."""

    scans: int
    bills: int


def fill_days(database_url: str, window: Window, earlier: list[Window], scans: int) -> Day:
    """Fill a new database with a day of about so many scans, and with the scans alone of earlier days, oldest first."""
    sacks = scans * 3 // _SCANS_PER_3_SACKS // SACKS_PER_BILL * SACKS_PER_BILL
    values: dict[str, Any] = {
        "sacks": sacks,
        "per_bill": SACKS_PER_BILL,
        "devices": DEVICES,
        "billers": BILLERS,
    }
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET work_mem = '64MB'")
        for statement in _PEOPLE:
            cursor.execute(statement, values)
        first_seq = 0
        for day in (*earlier, window):
            values |= {"start": day.start, "end": day.end, "first_seq": first_seq}
            cursor.execute(_SCANS, values)
            first_seq += scans // DEVICES * 2
        for statement in _EFFECTS:
            cursor.execute(statement, values)
        cursor.execute("SELECT (SELECT count(*) FROM scan WHERE scanned_at >= %(start)s), count(*) FROM bill", values)
        filled = Day(*(cursor.fetchone() or ()))
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM (ANALYZE)")
    return filled
