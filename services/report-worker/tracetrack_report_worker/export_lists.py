# ruff: noqa: S608 - statements are put together from the constants of this module; values are bound
"""The lists that can be exported: the rows, columns and filters of the gateway's lists, whole and in the same order.

A test holds each against what the gateway gives for the same filters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracetrack_common.db.arrays import text_array_literal
from tracetrack_common.domain.look_alikes import look_alikes
from tracetrack_common.domain.scans import Feedback, Kind, Outcome, Result, describe

Cells = Callable[[Any], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class ExportList:
    """A list that can be exported.

    Parameters
    ----------
    columns
        Their names, as the list's route has them.
    select
        The statement but for its conditions.
    order
        What follows them.
    conditions
        What a filter means, by its name: a condition with its value as a parameter of that name, or one for each value.
    cells
        Gives a row's cells.
    always
        What holds of every row.
    """

    columns: Sequence[str]
    select: str
    order: str
    conditions: Mapping[str, str | Mapping[Any, str]]
    cells: Cells = tuple
    always: str = "true"

    def statement(self, filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Give the statement for these filters, and its values."""
        wanted, values = [self.always], dict[str, Any]()
        for name, value in filters.items():
            if value is None:
                continue
            condition = self.conditions[name]
            if isinstance(condition, str):
                wanted.append(condition)
                values[name] = value
            else:
                wanted.append(condition[value])
        return f"{self.select} WHERE {' AND '.join(wanted)} {self.order}", values


class BagList(ExportList):
    """The list of bags, where one filter says how another one is meant."""

    def statement(self, filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Give the statement for these filters, and its values."""
        others = {name: value for name, value in filters.items() if name not in {"code", "match"}}
        code = filters.get("code")
        if code is None:
            return super().statement(others)
        match = filters.get("match", "prefix")
        condition, order = _MATCHES[match]
        statement, values = super().statement(others)
        statement = statement.removesuffix(self.order) + f"AND {condition} ORDER BY {order}"
        return statement, values | {"code": _searched(code, match)}


_MATCHES: Mapping[str, tuple[str, str]] = {
    "exact": ("bag.code = :code", "bag.code"),
    "prefix": ("bag.code ^@ :code", "bag.code"),
    "part": ("bag.code LIKE :code", "bag.code"),
    "alike": (
        "bag.code = ANY(CAST(:code AS text[]))",
        "array_position(CAST(:code AS text[]), bag.code)",
    ),
}


def _searched(code: str, match: str) -> str:
    if match == "alike":
        return text_array_literal(look_alikes("".join(code.split())))
    if match != "part":
        return code
    escaped = code.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _at(column: str, name: str | None = None) -> str:
    """Give a time as the API writes it: as text, since making a million times anew costs more than all else."""
    written = f"replace(to_char({column}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '.000000', '') || 'Z'"
    return f"{written} AS {name or column}"


def _scan_cells(row: Any) -> Sequence[Any]:
    scan_id, kind, code, target, outcome, refers_to, children, capacity, weight_g, *others = row
    found = _OUTCOMES[outcome]
    message = describe(_KINDS[kind], code, target, Result(found, refers_to, children, capacity, weight_g))
    return scan_id, kind, code, target, outcome, found.feedback.value, message, refers_to, *others


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_KINDS = {kind.value: kind for kind in Kind}
_AREA = "area.code = :area"
_IS_SACK = "bag.capacity IS NOT NULL"
_IS_CHILD = "bag.capacity IS NULL"


def _narrowed(table: str, searched: str) -> dict[str, str]:
    """Give what narrows a list of bills or returns: the days are those of the area's calendar."""
    day = f"CAST({table}.created_at AT TIME ZONE area.zone AS date)"
    return {
        "area": _AREA,
        "created_from": f"{day} >= CAST(:created_from AS date)",
        "created_to": f"{day} <= CAST(:created_to AS date)",
        "created_by": "lower(app_user.username) = lower(:created_by)",
        "text": f"strpos(lower(concat_ws(chr(10), {searched})), lower(:text)) > 0",
    }


_SCAN_TIMES = ("scanned_at", "device_time", "received_at", "applied_at")

_BAGS = BagList(
    columns=("code", "kind", "area", "created_at", "parent", "bill_no", "children", "capacity", "weight_g"),
    select=(
        "SELECT bag.code, CASE WHEN bag.capacity IS NULL THEN 'child' ELSE 'parent' END AS kind, area.code AS area,"
        f" {_at('bag.created_at', 'created_at')}, parent.code AS parent, bill.bill_no,"
        " CASE WHEN bag.capacity IS NOT NULL THEN bag.children END AS children, bag.capacity,"
        " bag.children * bag.child_weight_g AS weight_g"
        " FROM bag LEFT JOIN area ON area.area_id = bag.area_id"
        " LEFT JOIN bag AS parent ON parent.bag_id = bag.parent_id LEFT JOIN bill ON bill.bill_id = bag.bill_id"
    ),
    order="ORDER BY bag.created_at DESC, bag.bag_id DESC",
    conditions={
        "kind": {"parent": _IS_SACK, "child": _IS_CHILD},
        "type": (
            f"{_IS_SACK} AND bag.code ~ (SELECT '^(?:' || parent_pattern || ')$' FROM bag_type"
            " WHERE name = CAST(:type AS text))"
        ),
        "area": _AREA,
        "created_from": "bag.created_at >= CAST(:created_from AS timestamptz)",
        "created_until": "bag.created_at < CAST(:created_until AS timestamptz)",
        "linked": {
            True: f"{_IS_CHILD} AND bag.parent_id IS NOT NULL",
            False: f"{_IS_CHILD} AND bag.parent_id IS NULL",
        },
        "billed": {
            True: f"{_IS_SACK} AND bag.bill_id IS NOT NULL",
            False: f"{_IS_SACK} AND bag.bill_id IS NULL",
        },
        "state": {
            "empty": f"{_IS_SACK} AND bag.children = 0",
            "partly": f"{_IS_SACK} AND bag.children > 0 AND bag.children < bag.capacity",
            "full": f"{_IS_SACK} AND bag.children = bag.capacity",
        },
    },
    always="bag.deleted_at IS NULL",
)

_SCANS = ExportList(
    columns=(
        "scan_id",
        "kind",
        "code",
        "target",
        "outcome",
        "feedback",
        "message",
        "refers_to",
        "area",
        "device",
        "user",
        "scanned_at",
        "device_time",
        "received_at",
        "applied_at",
        "epoch",
        "seq",
    ),
    select=(
        "SELECT CAST(scan_id AS text) AS scan_id, kind, scan.code, target, outcome, refers_to, children, capacity,"
        " weight_g, area.code AS area, device.name AS device, app_user.username AS user,"
        f" {', '.join(map(_at, _SCAN_TIMES))}, epoch, seq FROM scan LEFT JOIN area ON area.area_id = scan.area_id"
        " LEFT JOIN device ON device.device_id = scan.device_id"
        " LEFT JOIN app_user ON app_user.user_id = scan.user_id"
    ),
    order="ORDER BY scan.scan_id DESC",
    conditions={
        "outcome": "outcome = :outcome",
        "feedback": {
            feedback.value: "outcome IN ({})".format(
                ", ".join(f"'{outcome.value}'" for outcome in Outcome if outcome.feedback is feedback)
            )
            for feedback in Feedback
        },
        "kind": "kind = :kind",
        "code": "scan.code = :code",
        "target": "target = :target",
        "device": "device.name = :device",
        "user": "lower(app_user.username) = lower(:user)",
        "area": _AREA,
        "scanned_from": "scanned_at >= CAST(:scanned_from AS timestamptz)",
        "scanned_until": "scanned_at < CAST(:scanned_until AS timestamptz)",
    },
    cells=_scan_cells,
)

_BILLS = ExportList(
    columns=(
        "bill_no",
        "area",
        "status",
        "capacity",
        "destination",
        "vehicle",
        "description",
        "created_by",
        "created_at",
        "sacks",
        "children",
        "actual_weight_g",
        "expected_weight_g",
        "variance_g",
        "version",
    ),
    select=(
        "SELECT bill_no, area.code AS area, status, capacity, destination, vehicle, description,"
        " app_user.username AS created_by,"
        f" {_at('bill.created_at', 'created_at')}, sacks, children, actual_weight_g, expected_weight_g,"
        " actual_weight_g - expected_weight_g AS variance_g, version"
        " FROM bill JOIN area USING (area_id) JOIN app_user ON app_user.user_id = bill.created_by"
    ),
    order="ORDER BY bill.bill_id DESC",
    conditions={
        "status": "status = :status",
        **_narrowed("bill", "bill_no, destination, vehicle, description"),
    },
    always="bill.deleted_at IS NULL",
)

_RETURNS = ExportList(
    columns=("return_no", "area", "state", "notes", "created_by", "created_at", "sacks"),
    select=(
        "SELECT return_no, area.code AS area, state, notes, app_user.username AS created_by,"
        f" {_at('goods_return.created_at', 'created_at')},"
        " (SELECT count(DISTINCT parent_id) FROM return_sack"
        " WHERE return_sack.return_id = goods_return.return_id) AS sacks"
        " FROM goods_return JOIN area USING (area_id) JOIN app_user ON app_user.user_id = goods_return.created_by"
    ),
    order="ORDER BY goods_return.return_id DESC",
    conditions={"state": "state = :state", **_narrowed("goods_return", "return_no, notes")},
)

_AUDIT = ExportList(
    columns=("chain", "seq", "at", "actor", "action", "object", "before", "after", "request_id", "address"),
    select=(
        f"SELECT chain, seq, {_at('audit_log.at', 'at')}, actor, action, object, before, after, request_id, address"
        " FROM audit_log"
    ),
    order="ORDER BY audit_log.at DESC, chain DESC, seq DESC",
    conditions={
        **{name: f"{name} = :{name}" for name in ("actor", "action", "object", "request_id")},
        "since": "at >= CAST(:since AS timestamptz)",
        "until": "at < CAST(:until AS timestamptz)",
    },
)

LISTS: Mapping[str, ExportList] = {
    "bags": _BAGS,
    "scans": _SCANS,
    "bills": _BILLS,
    "returns": _RETURNS,
    "audit": _AUDIT,
}
"""By the name of the list's route."""
