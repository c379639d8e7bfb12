"""A warehouse that has been in use: bags, their links and loaded bills, written straight into the database."""

from collections.abc import Sequence
from contextlib import closing
from typing import Final, NamedTuple

import psycopg2

CHILDREN_PER_SACK = 30
SACKS_PER_BILL = 20
BILLS_SHARE = 0.5  # of the sacks are on bills

# The devices of the profile fill sacks from here on; those in the warehouse have lower numbers.
FIRST_NEW_SACK = 40_000

_STATEMENTS: Final[Sequence[str]] = (
    # Sacks in turn of the areas, full; the codes are those of `workload.sack_code` and `workload.child_code`.
    """
    INSERT INTO bag (code, area_id, capacity, child_weight_g, children, created_at, created_by)
    SELECT 'SB' || lpad(n::text, 5, '0'), 1 + n %% (SELECT count(*) FROM area), %(children)s, 1000, %(children)s,
        now() - interval '30 days' + n * interval '1 minute', uuidv7()
    FROM generate_series(0, %(sacks)s - 1) AS n
    """,
    """
    INSERT INTO bag (code, area_id, parent_id, children, created_at, created_by)
    SELECT 'C0' || substr(code, 3) || lpad(place::text, 2, '0'), area_id, bag_id, 0, created_at, uuidv7()
    FROM bag, generate_series(0, %(children)s - 1) AS place WHERE capacity IS NOT NULL AND code LIKE 'SB%%'
    """,
    """
    INSERT INTO bag_link (link_id, child_id, parent_id, valid_from)
    SELECT created_by, bag_id, parent_id, created_at FROM bag WHERE parent_id IS NOT NULL
    """,
    """
    INSERT INTO bill (bill_no, area_id, status, capacity, destination, sacks, children, actual_weight_g,
        expected_weight_g, created_by, created_at)
    SELECT 'OLD-' || lpad(n::text, 5, '0'), 1 + n %% (SELECT count(*) FROM area), 'processing', %(per_bill)s, 'Delhi',
        %(per_bill)s, %(per_bill)s * %(children)s, %(per_bill)s * %(children)s * 1000,
        %(per_bill)s * %(children)s * 1000, (SELECT min(user_id) FROM app_user), now() - interval '20 days'
    FROM generate_series(0, %(bills)s - 1) AS n
    """,
    """
    UPDATE bag SET bill_id = bill.bill_id
    FROM bill WHERE bag.capacity IS NOT NULL AND code LIKE 'SB%%' AND code < %(loaded_end)s
        AND bill_no = 'OLD-' || lpad((substr(code, 3)::int / %(per_bill)s)::text, 5, '0')
    """,
    """
    INSERT INTO bill_sack (entry_id, bill_id, parent_id, valid_from)
    SELECT uuidv7(), bill_id, bag_id, created_at FROM bag WHERE bill_id IS NOT NULL
    """,
    """
    INSERT INTO bill_state (change_id, bill_id, status, valid_from)
    SELECT uuidv7(), bill_id, 'processing', created_at FROM bill WHERE bill_no LIKE 'OLD-%%'
    """,
)


class Warehouse(NamedTuple):
    """What is in it."""

    sacks: int
    bills: int

    @property
    def bags(self) -> int:
        """Sacks and children."""
        return self.sacks * (CHILDREN_PER_SACK + 1)


def fill(database_url: str, bags: int) -> Warehouse:
    """Fill a new database with about so many bags.

    Raises
    ------
    ValueError
        More than there are codes before those of the profile's own devices.
    """
    sacks = bags // (CHILDREN_PER_SACK + 1)
    if sacks > FIRST_NEW_SACK:
        raise ValueError(f"at most {FIRST_NEW_SACK * (CHILDREN_PER_SACK + 1)} bags")
    bills = int(sacks * BILLS_SHARE) // SACKS_PER_BILL
    values = {
        "children": CHILDREN_PER_SACK,
        "sacks": sacks,
        "bills": bills,
        "per_bill": SACKS_PER_BILL,
        "loaded_end": f"SB{bills * SACKS_PER_BILL:05d}",
    }
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        for statement in _STATEMENTS:
            cursor.execute(statement, values)
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM (ANALYZE)")
    return Warehouse(sacks, bills)


_SCANS: Final = """
    INSERT INTO scan (scan_id, batch_id, scanned_at, device_time, received_at, applied_at, device_id, area_id, kind,
        outcome, code, target)
    SELECT scan_id, scan_id, at, at, at, at, 1 + n %% 50, 1 + n %% 10, 'child',
        CASE WHEN n %% 100 = 0 THEN 'invalid_code' WHEN n %% 20 = 0 THEN 'duplicate' ELSE 'applied' END,
        'C' || lpad(n::text, 8, '0'), 'SB' || lpad((n / 30)::text, 5, '0')
    FROM (SELECT n, uuidv7(- n * interval '30 s') AS scan_id, now() - n * interval '30 s' AS at
        FROM generate_series(0, %(scans)s - 1) AS n) AS made
"""


def fill_scans(database_url: str, scans: int) -> None:
    """Add so many scans of 50 devices in ten areas, two a minute until now; one in a hundred was no bag's code."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(_SCANS, {"scans": scans})
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM (ANALYZE) scan")
