"""What the rows of a table ask for: heads, single rows, and the grammar of batches (domain.md, Bulk)."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tables import BAG_HEADS, BATCH_HEADS, BILL_HEADS
from tracetrack_common.contracts import ImportKind
from tracetrack_common.domain.codes import BagType, Catalogue
from tracetrack_common.domain.scans import Kind
from tracetrack_common.errors import InvalidInputError
from tracetrack_scan_worker.imports.batches import ROWS_MOST
from tracetrack_scan_worker.imports.heads import read_table
from tracetrack_scan_worker.imports.planning import plan
from tracetrack_scan_worker.imports.rows import Row
from tracetrack_scan_worker.imports.steps import BillStep, Said, ScanStep, Step

_ROOM = 3
CATALOGUE = Catalogue([BagType(1, "wheat", r"SB\d{5}", _ROOM, 1000)])


def _table(*rows: Sequence[str]) -> list[Row]:
    return [Row(number, tuple(cells)) for number, cells in enumerate(rows, start=1)]


def _plan(*rows: Sequence[str], kind: ImportKind | None = None) -> list[Step]:
    return list(plan(read_table(_table(*rows), kind), CATALOGUE))


def _words(steps: Sequence[Step]) -> list[tuple[int, str]]:
    """Say of each step what it is: the target of a scan, or the outcome that was said."""
    return [
        (step.number, step.outcome if isinstance(step, Said) else str(getattr(step, "target", None))) for step in steps
    ]


@pytest.mark.parametrize(
    ("heads", "kind"),
    [
        (BAG_HEADS, ImportKind.BAGS),
        (("QR ID", " Type ", "Parent_QR_ID"), ImportKind.BAGS),
        (BILL_HEADS, ImportKind.BILLS),
        (("Bill ID", "Parent Bag Count"), ImportKind.BILLS),
        (BATCH_HEADS, ImportKind.CHILD_TO_PARENT),
        (("sr no", "qr_code"), ImportKind.CHILD_TO_PARENT),
    ],
)
def test_heads_tell_what_a_table_holds(heads: Sequence[str], kind: ImportKind) -> None:
    """Whatever their case, blanks and marks, and below a title."""
    assert read_table(_table(heads), None).kind is kind
    assert read_table(_table(["March"], [], heads), None).kind is kind


def test_a_sheet_that_names_a_bill_is_of_sacks() -> None:
    """Both kinds of batch sheets have the same heads."""
    rows = _table(BATCH_HEADS, ["1", "SB00001"], ["Bill No", "B-77"])

    assert read_table(rows, None).kind is ImportKind.PARENT_TO_BILL


def test_a_table_without_heads_is_refused() -> None:
    """With a word on which heads there are."""
    with pytest.raises(InvalidInputError, match="qr_id"):
        read_table(_table(["1", "CH0001"]), None)
    with pytest.raises(InvalidInputError, match="qr_id"):
        read_table(_table(BATCH_HEADS), ImportKind.BAGS)


def test_rows_of_bags_are_scans_of_sacks_and_children() -> None:
    """A type that is left out follows from the parent."""
    steps = _plan(
        BAG_HEADS,
        [" sb00001 ", "Parent", ""],
        ["LABEL NO.0016586 LOT 7", "CHILD", "sb00001"],
        [],
        ["CH0001", "", "SB00001"],
        ["SB00002"],
    )

    assert steps == [
        ScanStep(2, Kind.PARENT, "SB00001", None),
        ScanStep(3, Kind.CHILD, "0016586", "SB00001"),
        ScanStep(5, Kind.CHILD, "CH0001", "SB00001"),
        ScanStep(6, Kind.PARENT, "SB00002", None),
    ]


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (["", "parent", ""], "incomplete"),
        (["CH0001", "child", ""], "incomplete"),
        (["CH0001", "pallet", ""], "incomplete"),
        (["SB00001", "parent", "SB00002"], "wrong_bag_type"),
        (["X" * 300, "parent", ""], "invalid_code"),
    ],
)
def test_a_row_that_says_too_little_is_said_to(row: Sequence[str], outcome: str) -> None:
    """It stops no other."""
    assert _words(_plan(BAG_HEADS, row, ["SB00003"])) == [(2, outcome), (3, "None")]


@pytest.mark.parametrize("note", ["a number", "a date, not a code", "an error of a formula", "not UTF-8 text"])
def test_a_code_that_may_have_lost_something_is_not_taken(note: str) -> None:
    """Zeros before a number, whatever a date was, bytes that are no text."""
    rows = [*_table(BAG_HEADS), Row(2, ("16586", "child", "SB00001"), {0: note})]

    (said,) = plan(read_table(rows, None), CATALOGUE)

    assert isinstance(said, Said)
    assert (said.number, said.outcome) == (2, "unreadable")
    assert "column A" in said.sentence.replace("Column", "column")


def test_bills_are_read_with_their_room_and_destination() -> None:
    """A destination of its own comes before the description; a weight that differs is remarked on."""
    steps = _plan(
        (*BILL_HEADS, "Destination"),
        ["b-1", "rice", "5", "150", "Kanpur"],
        ["B/2", "To Agra", "2.0", "55,5", ""],
    )

    assert steps == [
        BillStep(2, _bill("B-1", 5, "Kanpur", "rice"), ""),
        BillStep(3, _bill("B/2", 2, "To Agra", "To Agra"), "; the file expects 55.5 kg, 2 full sacks make 60 kg"),
    ]


def _bill(bill_no: str, capacity: int, destination: str, description: str) -> dict[str, object]:
    return {
        "bill_no": bill_no,
        "capacity": capacity,
        "destination": destination,
        "vehicle": None,
        "description": description,
    }


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (["B", "x", "5"], "no_bill"),
        (["B_1", "x", "5"], "no_bill"),
        (["B-1", "x", "0"], "incomplete"),
        (["B-1", "x", "501"], "incomplete"),
        (["B-1", "x", "many"], "incomplete"),
        (["B-1", "", "5"], "incomplete"),
        (["B-1", "x", "5", "heavy"], "incomplete"),
        (["B-1", "x", "5", "NaN"], "incomplete"),
        (["B-1", "x", "5", "1e400000000"], "incomplete"),
    ],
)
def test_a_bill_that_cannot_be_is_said_to(row: Sequence[str], outcome: str) -> None:
    """Its number, its room, its destination, its weight."""
    assert _words(_plan(BILL_HEADS, row)) == [(2, outcome)]


def test_children_go_in_the_parent_that_closes_their_batch() -> None:
    """And the parent is scanned after them."""
    steps = _plan(BATCH_HEADS, ["1", "CH0001"], ["2", "CH0002"], ["", "SB00001"], ["1", "CH0003"], ["", "SB00002"])

    assert _words(steps) == [(2, "SB00001"), (3, "SB00001"), (4, "None"), (5, "SB00002"), (6, "None")]
    assert [step.kind for step in steps if isinstance(step, ScanStep)][2] is Kind.PARENT


def test_sacks_go_on_the_bill_that_closes_their_batch() -> None:
    """The bill's number stands beside the words or behind them."""
    steps = _plan(
        BATCH_HEADS,
        ["1", "SB00001"],
        ["Bill No", "b-77"],
        ["1", "SB00002"],
        ["", "Bill No: B-78"],
        ["1", "SB00003"],
        ["Bill No", "?"],
        ["Bill No", "B-79"],
    )

    assert _words(steps) == [
        (2, "B-77"),
        (3, "closed"),
        (4, "B-78"),
        (5, "closed"),
        (6, "no_bill"),
        (7, "no_bill"),
        (8, "empty_batch"),
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["", "SB00001"]], [(2, "empty_batch")]),
        ([["1", "CH0001"], ["2", "CH0002"]], [(2, "unclosed"), (3, "unclosed")]),
        (
            [["1", "CH0001"], ["2", "CH0002"], ["1", "CH0003"], ["2", "SB00001"]],
            [(2, "unclosed"), (3, "unclosed"), (4, "SB00001"), (5, "None")],
        ),
        (
            [["1", "CH0001"], ["2", "CH0002"], ["3", "CH0003"], ["4", "CH0004"], ["", "SB00001"], ["1", "CH5555"]],
            [(2, "too_many"), (3, "too_many"), (4, "too_many"), (5, "too_many"), (6, "too_many"), (7, "unclosed")],
        ),
        ([["1", ""], ["2", "CH0002"], ["", "SB00001"]], [(2, "incomplete"), (3, "SB00001"), (4, "None")]),
        (
            [["1", "CH0001"], ["2", "CH0001"], ["3", "CH0001"], ["4", "CH0001"], ["", "SB00001"]],
            [(2, "SB00001"), (3, "SB00001"), (4, "SB00001"), (5, "SB00001"), (6, "None")],
        ),
    ],
)
def test_a_bad_batch_is_not_taken(rows: Sequence[Sequence[str]], words: Sequence[tuple[int, str]]) -> None:
    """One without children or parent, one whose numbers begin anew, one too large; repeated rows count once."""
    assert _words(_plan(BATCH_HEADS, *rows, kind=ImportKind.CHILD_TO_PARENT)) == list(words)


def test_a_sheet_without_any_parent_is_refused_in_pieces() -> None:
    """What waits for a parent is never more than so many rows; the next parent closes none of them."""
    rows = [["", f"CH{number:06d}"] for number in range(ROWS_MOST + 2)]

    steps = _plan(BATCH_HEADS, *rows, ["", "SB00001"], ["", "CH0001"], ["", "SB00001"])

    outcomes = [word for _, word in _words(steps)]
    assert outcomes == ["unclosed"] * ROWS_MOST + ["too_many"] * 3 + ["SB00001", "None"]


_CELLS = st.one_of(
    st.sampled_from(["", "1", "2", "SB00001", "SB00002", "CH0001", "CH0002", "CH0003", "CH0004", "Bill No", "B-77"]),
    st.text(max_size=8),
)
_ROWS = st.lists(st.tuples(_CELLS, _CELLS), max_size=40)


@given(rows=_ROWS, kind=st.sampled_from([ImportKind.CHILD_TO_PARENT, ImportKind.PARENT_TO_BILL, ImportKind.BAGS]))
def test_every_row_is_answered_once_and_in_order(rows: list[tuple[str, str]], kind: ImportKind) -> None:
    """Whatever stands in it."""
    heads = BAG_HEADS if kind is ImportKind.BAGS else BATCH_HEADS
    filled = [number for number, cells in enumerate(rows, start=2) if any(cell.strip() for cell in cells)]

    assert [step.number for step in _plan(heads, *rows, kind=kind)] == filled


@given(rows=_ROWS)
def test_a_child_never_goes_in_a_sack_that_does_not_close_its_batch(rows: list[tuple[str, str]]) -> None:
    """Between a child and its parent no other parent stands, and no more children than it takes."""
    steps = _plan(BATCH_HEADS, *rows, kind=ImportKind.CHILD_TO_PARENT)
    parents = [(step.number, step.code) for step in steps if isinstance(step, ScanStep) and step.kind is Kind.PARENT]
    in_parent: dict[int, set[str]] = {}
    for step in steps:
        if isinstance(step, ScanStep) and step.kind is Kind.CHILD:
            number, code = next(each for each in parents if each[0] > step.number)
            assert step.target == code
            in_parent.setdefault(number, set()).add(step.code)
    assert all(len(children) <= _ROOM for children in in_parent.values())


@given(first=_ROWS, second=_ROWS)
def test_a_closed_batch_stops_no_other(first: list[tuple[str, str]], second: list[tuple[str, str]]) -> None:
    """Whatever came before a closing row, what comes after it is taken as if it stood alone."""
    before = [*first, ("", "SB00009")]
    alone = _plan(BATCH_HEADS, *second, kind=ImportKind.CHILD_TO_PARENT)

    together = _plan(BATCH_HEADS, *before, *second, kind=ImportKind.CHILD_TO_PARENT)

    assert [step[1:3] for step in together[len(together) - len(alone) :]] == [step[1:3] for step in alone]
