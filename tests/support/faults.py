"""Faults of the database that last as long as a test wants them to."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.warehouse import Warehouse


@contextmanager
def refusing(warehouse: Warehouse, table: str, condition: str, *, sqlstate: str = "P0001") -> Iterator[None]:
    """Have Postgres refuse rows, until the block ends: what a bad release or a damaged index looks like.

    Parameters
    ----------
    warehouse
        Whose database.
    table, condition
        Which rows: in a condition, ``NEW`` is the row.
    sqlstate
        What it refuses them with.
    """
    action = f"RAISE EXCEPTION 'this row cannot be written' USING ERRCODE = '{sqlstate}'"
    with _faulty(warehouse, table, condition, action):
        yield


@contextmanager
def failing_first(warehouse: Warehouse, table: str, action: str, *, times: int) -> Iterator[None]:
    """Have an action come before the first so many rows; a rollback does not bring them back.

    Parameters
    ----------
    warehouse
        Whose database.
    table
        Whose rows.
    action
        A statement of PL/pgSQL.
    times
        How often.
    """
    warehouse.change("CREATE SEQUENCE fault_turn")
    try:
        with _faulty(warehouse, table, "true", f"IF nextval('fault_turn') <= {times} THEN {action}; END IF"):
            yield
    finally:
        warehouse.change("DROP SEQUENCE fault_turn")


@contextmanager
def _faulty(warehouse: Warehouse, table: str, condition: str, action: str) -> Iterator[None]:
    warehouse.change(
        f"CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action}; RETURN NEW; END $$"
    )
    warehouse.change(
        f"CREATE TRIGGER fault BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION fault()"
    )
    try:
        yield
    finally:
        warehouse.change(f"DROP TRIGGER fault ON {table}")
        warehouse.change("DROP FUNCTION fault")
