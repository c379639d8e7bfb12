"""From the rows of a table to what they ask for (domain.md, Bulk): a row of bags or bills by itself, or in batches."""

import re
from collections.abc import Callable, Iterator, Mapping

from tracetrack_common.contracts import ImportKind
from tracetrack_common.domain.codes import Catalogue
from tracetrack_common.domain.scans import Kind, format_kg
from tracetrack_scan_worker.imports.batches import plan_children, plan_sacks
from tracetrack_scan_worker.imports.heads import Table
from tracetrack_scan_worker.imports.rows import Row
from tracetrack_scan_worker.imports.steps import BillStep, Cells, RowError, ScanStep, Step, read_bill_no

_CAPACITY_MOST = 500
_SHORT_MOST_CHARS = 200
_GRAMS_PER_KG = 1_000
_DEFAULT_SACK_KG = 30
_WHOLE = re.compile(r"(\d{1,6})(?:[.,]0*)?", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_WEIGHT_KG = re.compile(r"(\d{1,7})(?:[.,](\d{0,3})0*)?", re.ASCII)


def plan(table: Table, catalogue: Catalogue) -> Iterator[Step]:
    """Give what the rows of a table ask for, each row once and in their order.

    Parameters
    ----------
    table
        The table.
    catalogue
        Tells sacks from children, where the table does not.
    """
    match table.kind:
        case ImportKind.BAGS:
            return (_plan_row(row, table.columns, _plan_bag) for row in table.rows)
        case ImportKind.BILLS:
            return (_plan_row(row, table.columns, _plan_bill) for row in table.rows)
        case ImportKind.CHILD_TO_PARENT:
            return plan_children(table, catalogue)
        case ImportKind.PARENT_TO_BILL:
            return plan_sacks(table)


def _plan_row(row: Row, columns: Mapping[str, int], read: Callable[[int, Cells], Step]) -> Step:
    try:
        return read(row.number, Cells(row, columns))
    except RowError as error:
        return error.at(row.number)


def _plan_bag(number: int, cells: Cells) -> Step:
    """Read a bag: a sack is registered, a child is put in its sack.

    Raises
    ------
    RowError
        The row says too little, or contradicts itself.
    """
    code, parent_code = cells.code("qrid"), cells.code("parentqrid")
    bag_type = cells.text("type").lower()
    if not code:
        raise RowError("incomplete", "There is no qr_id.")
    if bag_type not in {"", "parent", "child"}:
        raise RowError("incomplete", f"A bag is a parent or a child, not {bag_type[:30]}.")
    is_child = bag_type == "child" or (not bag_type and bool(parent_code))
    if is_child and not parent_code:
        raise RowError("incomplete", f"{code} is a child: it is registered with the sack it is in; give parent_qr_id.")
    if not is_child and parent_code:
        raise RowError("wrong_bag_type", f"{code} is a sack and goes in no other bag; leave parent_qr_id empty.")
    return ScanStep(number, Kind.CHILD, code, parent_code) if is_child else ScanStep(number, Kind.PARENT, code, None)


def _plan_bill(number: int, cells: Cells) -> Step:
    """Read a bill. Where the table has no destination, the description says where it goes.

    Raises
    ------
    RowError
        The row says too little.
    """
    bill_no = read_bill_no(cells.code("billid"))
    capacity = _WHOLE.fullmatch(cells.text("parentbagcount"))
    if capacity is None or not 1 <= int(capacity[1]) <= _CAPACITY_MOST:
        raise RowError("incomplete", f"parent_bag_count is a number from 1 to {_CAPACITY_MOST}.")
    description, destination, vehicle = (
        _UNPRINTABLE.sub(" ", cells.text(head)) for head in ("description", "destination", "vehicle")
    )
    destination = destination or description
    if not destination:
        raise RowError("incomplete", "A bill has a destination; give a description that names it.")
    arguments = {
        "bill_no": bill_no,
        "capacity": int(capacity[1]),
        "destination": destination[:_SHORT_MOST_CHARS],
        "vehicle": vehicle[:_SHORT_MOST_CHARS] or None,
        "description": description or None,
    }
    return BillStep(number, arguments, _remark_on_weight(cells.text("expectedweightkg"), int(capacity[1])))


def _remark_on_weight(weight: str, capacity: int) -> str:
    """Say where the weight a table expects is another than that of the sacks; a bill's own follows from its sacks."""
    if not weight:
        return ""
    found = _WEIGHT_KG.fullmatch(weight)
    if found is None:
        raise RowError("incomplete", "expected_weight_kg is a number of kilograms, or empty.")
    expected_g = int(found[1]) * _GRAMS_PER_KG + int((found[2] or "").ljust(3, "0"))
    usual_kg = capacity * _DEFAULT_SACK_KG
    if expected_g == usual_kg * _GRAMS_PER_KG:
        return ""
    return f"; the file expects {format_kg(expected_g)}, {capacity} full sacks make {usual_kg} kg"
