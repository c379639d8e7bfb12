"""Every outcome of the table in domain.md, Scans, by example."""

import pytest

from tests.support.example import Example
from tests.support.outcomes import EXAMPLES
from tests.support.strategies import SHIPPED, state_after
from tracetrack_common.domain.decide import Bill, GoodsReturn, State, decide
from tracetrack_common.domain.scans import Feedback, Kind, Outcome

TABLE = {
    Kind.PARENT: {Outcome.APPLIED, Outcome.KNOWN, Outcome.WRONG_BAG_TYPE, Outcome.INVALID_CODE},
    Kind.CHILD: {
        Outcome.APPLIED,
        Outcome.DUPLICATE,
        Outcome.LINKED_ELSEWHERE,
        Outcome.PARENT_FULL,
        Outcome.WRONG_BAG_TYPE,
        Outcome.BILL_COMPLETED,
        Outcome.INVALID_CODE,
    },
    Kind.BILL: {
        Outcome.APPLIED,
        Outcome.DUPLICATE,
        Outcome.ON_OTHER_BILL,
        Outcome.BILL_FULL,
        Outcome.BILL_COMPLETED,
        Outcome.UNKNOWN_BILL,
        Outcome.UNKNOWN_BAG,
        Outcome.WRONG_BAG_TYPE,
        Outcome.INVALID_CODE,
    },
    Kind.RETURN: {
        Outcome.APPLIED,
        Outcome.DUPLICATE,
        Outcome.RETURN_CLOSED,
        Outcome.UNKNOWN_RETURN,
        Outcome.UNKNOWN_BAG,
        Outcome.WRONG_BAG_TYPE,
        Outcome.INVALID_CODE,
    },
}
"""The outcomes of each kind of scan: domain.md, Scans, and for `invalid_code` its chapter Codes."""


def state_before(example: Example) -> State:
    """Give the state that the example's given scans leave behind."""
    bills = {
        number: Bill(number, key, given.area_id, "new", given.capacity)
        for key, (number, given) in enumerate(example.bills.items(), start=1)
    }
    opened = {
        number: GoodsReturn(number, key, given.area_id, "open")
        for key, (number, given) in enumerate(example.returns.items(), start=1)
    }
    state = State(SHIPPED, {}, bills, opened)
    completed = frozenset(number for number, given in example.bills.items() if given.completed)
    state = state_after(state, decide(example.given, state), completed=completed)
    state.returns = {
        number: GoodsReturn(number, each.return_id, each.area_id, "committed") if given.committed else each
        for (number, each), given in zip(opened.items(), example.returns.values(), strict=True)
    }
    return state


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_scan_has_the_outcome_that_the_rules_give_it(example: Example) -> None:
    assert decide([example.scan], state_before(example)).results == [example.expected]


def test_there_is_an_example_of_every_outcome_and_of_no_other() -> None:
    shown = {(example.scan.kind, example.expected.outcome) for example in EXAMPLES}

    assert shown == {(kind, outcome) for kind, outcomes in TABLE.items() for outcome in outcomes}


@pytest.mark.parametrize("outcome", Outcome)
def test_people_hear_ok_when_it_was_done_already_when_it_was_so_and_stop_otherwise(outcome: Outcome) -> None:
    expected = {
        Outcome.APPLIED: Feedback.OK,
        Outcome.KNOWN: Feedback.ALREADY,
        Outcome.DUPLICATE: Feedback.ALREADY,
    }.get(outcome, Feedback.STOP)

    assert outcome.feedback is expected
