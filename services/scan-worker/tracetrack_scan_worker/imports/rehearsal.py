"""Saying what rows would do without doing it: the same decisions, over what the rows before them would have changed.

What would have changed goes to a file, not to memory: a million bags take 300 MB as objects.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from sqlalchemy import Connection, text

from tracetrack_common.domain.decide import Bag, Bill, State, codes_of, decide
from tracetrack_common.domain.scans import Scan
from tracetrack_scan_worker.apply import Applier, load_state
from tracetrack_scan_worker.imports.answers import answer_bill, answer_scan, in_order
from tracetrack_scan_worker.imports.steps import BillStep, Said, ScanStep, Step
from tracetrack_scan_worker.imports.wanted import Wanted

_SELECT_BILLS = text("SELECT bill_no FROM bill WHERE bill_no = ANY(:numbers)")
_LOOKED_UP_AT_ONCE = 500


class Rehearsal:
    """Says what rows would do; use it as a context manager.

    Parameters
    ----------
    applier
        Knows the bag types in force.
    path
        Where to keep what would have changed, until the end.
    """

    def __init__(self, applier: Applier, path: Path) -> None:
        self._applier = applier
        self._path = path
        path.unlink(missing_ok=True)
        self._changes = sqlite3.connect(path, isolation_level=None)
        self._changes.execute("PRAGMA journal_mode = OFF")
        self._changes.execute("PRAGMA synchronous = OFF")
        self._changes.execute("CREATE TABLE changed (name TEXT PRIMARY KEY, fields BLOB) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._changes.close()
        self._path.unlink(missing_ok=True)

    def take(self, connection: Connection, wanted: Wanted, steps: Sequence[Step]) -> list[Said]:
        """Say what these rows would do after those before them; nothing is written."""
        answers = {}
        scan_steps = [step for step in steps if isinstance(step, ScanStep)]
        if scan_steps:
            scans = [wanted.scan_of(step) for step in scan_steps]
            decisions = decide(scans, self._state(connection, scans))
            self._keep({f"bag {code}": bag for code, bag in decisions.bags.items()})
            self._keep({f"bill {number}": bill for number, bill in decisions.bills.items()})
            for step, scan, result in zip(scan_steps, scans, decisions.results, strict=True):
                answers[step.number] = answer_scan(step, scan, result)
        bill_steps = [step for step in steps if isinstance(step, BillStep)]
        if bill_steps:
            answers |= self._create_bills(connection, bill_steps)
        return in_order(steps, answers)

    def _state(self, connection: Connection, scans: Sequence[Scan]) -> State:
        """Give what these scans would meet."""
        state, _ = load_state(connection, scans, self._applier.current_catalogue(connection))
        bags = {code: Bag(**fields) for code, fields in self._changed("bag", codes_of(scans))}
        named = {scan.target for scan in scans if scan.target} | {bag.bill_no for bag in bags.values() if bag.bill_no}
        bills = {number: Bill(**fields) for number, fields in self._changed("bill", named)}
        return replace(state, bags={**state.bags, **bags}, bills={**state.bills, **bills})

    def _create_bills(self, connection: Connection, steps: Sequence[BillStep]) -> dict[int, Said]:
        numbers = [step.arguments["bill_no"] for step in steps]
        taken = set(connection.scalars(_SELECT_BILLS, {"numbers": numbers}))
        taken |= {number for number, _ in self._changed("new bill", numbers)}
        answers = {}
        for step in steps:
            bill_no = step.arguments["bill_no"]
            status, outcome = ("refused", {"code": "conflict"}) if bill_no in taken else ("done", {})
            answers[step.number] = answer_bill(step, status, outcome)
            taken.add(bill_no)
        self._keep({f"new bill {number}": {} for number in numbers})
        return answers

    def _changed(self, what: str, names: Collection[str]) -> Iterable[tuple[str, dict[str, Any]]]:
        """Give what was changed of the things of these names."""
        wanted = [f"{what} {name}" for name in names]
        for start in range(0, len(wanted), _LOOKED_UP_AT_ONCE):
            portion = wanted[start : start + _LOOKED_UP_AT_ONCE]
            marks = ",".join("?" * len(portion))
            found = self._changes.execute(f"SELECT name, fields FROM changed WHERE name IN ({marks})", portion)  # noqa: S608 - question marks
            for name, fields in found:
                yield name.removeprefix(f"{what} "), orjson.loads(fields)

    def _keep(self, things: Mapping[str, object]) -> None:
        self._changes.executemany(
            "INSERT OR REPLACE INTO changed VALUES (?, ?)",
            [(name, orjson.dumps(fields)) for name, fields in things.items()],
        )
