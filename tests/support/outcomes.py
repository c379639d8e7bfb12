"""An example of every outcome in the table of domain.md, Scans.

They are decided purely in one test and go through Postgres in another.
"""

from tests.support.example import Example, GivenBill, GivenReturn
from tests.support.scans import INDORE, Maker, child, come_back, filled, load, sack
from tracetrack_common.domain.scans import Outcome, Result

ELSEWHERE = Maker(device_id=2, area_id=INDORE)
S1, S2, S3 = "SB00001", "SB00002", "SB00003"
B1, B2 = "BILL-1", "BILL-2"
R1, R2 = "RTN-20261123-0001", "RTN-20261123-0002"
BILL = {B1: GivenBill()}
TWO_BILLS = {B1: GivenBill(), B2: GivenBill()}
COMPLETED = {B1: GivenBill(completed=True)}
RETURN = {R1: GivenReturn()}


def counted(outcome: Outcome, children: int, *, refers_to: str | None = None) -> Result:
    """Give a result with the running count of a wheat sack."""
    return Result(outcome, refers_to, children, 30, children * 1000)


EXAMPLES = (
    Example("a new sack", sack(S1), counted(Outcome.APPLIED, 0)),
    Example("a sack that is there", sack(S1), counted(Outcome.KNOWN, 2), given=filled(S1, 2)),
    Example("a sack first seen elsewhere", sack(S1), counted(Outcome.KNOWN, 0), given=[sack(S1, by=ELSEWHERE)]),
    Example("a child's code as a sack", sack("CH12345"), Result(Outcome.WRONG_BAG_TYPE)),
    Example("a child as a sack", sack("CH12345"), Result(Outcome.WRONG_BAG_TYPE), given=[child("CH12345", S1)]),
    Example("a misprint as a sack", sack("SB-00001"), Result(Outcome.INVALID_CODE)),
    Example("the first child of a new sack", child("CH12345", S1), counted(Outcome.APPLIED, 1)),
    Example("a fourth child", child("CH12345", S1), counted(Outcome.APPLIED, 4), given=filled(S1, 3)),
    Example("a child of moong", child("CH12345", "M444-00001"), counted(Outcome.APPLIED, 1)),
    Example("the thirtieth child", child("CH12345", S1), counted(Outcome.APPLIED, 30), given=filled(S1, 29)),
    Example(
        "a child in a sack on an open bill",
        child("CH12345", S1),
        counted(Outcome.APPLIED, 2),
        given=[*filled(S1, 1), load(S1, B1)],
        bills=BILL,
    ),
    Example("a child twice", child("CH12345", S1), counted(Outcome.DUPLICATE, 1), given=[child("CH12345", S1)]),
    Example(
        "a child twice in a full sack",
        child("C00001007", S1),
        counted(Outcome.DUPLICATE, 30),
        given=filled(S1, 30),
    ),
    Example(
        "a child twice in a sack on a completed bill",
        child("C00001001", S1),
        counted(Outcome.DUPLICATE, 1),
        given=[*filled(S1, 1), load(S1, B1)],
        bills=COMPLETED,
    ),
    Example(
        "a child of another sack",
        child("CH12345", S2),
        Result(Outcome.LINKED_ELSEWHERE, S1),
        given=[child("CH12345", S1), sack(S2)],
    ),
    Example(
        "a child of another sack in a new one",
        child("CH12345", S2),
        Result(Outcome.LINKED_ELSEWHERE, S1),
        given=[child("CH12345", S1)],
    ),
    Example(
        "a child of another sack in a full one",
        child("CH12345", S2),
        Result(Outcome.LINKED_ELSEWHERE, S1),
        given=[child("CH12345", S1), *filled(S2, 30)],
    ),
    Example("a thirty-first child", child("CH12345", S1), counted(Outcome.PARENT_FULL, 30), given=filled(S1, 30)),
    Example("a sack in a sack", child(S2, S1), Result(Outcome.WRONG_BAG_TYPE), given=[sack(S1), sack(S2)]),
    Example("a sack in itself", child(S1, S1), Result(Outcome.WRONG_BAG_TYPE), given=[sack(S1)]),
    Example("a sack's code in a new sack", child(S2, S1), Result(Outcome.WRONG_BAG_TYPE)),
    Example("a child in a child's code", child("CH12345", "CH54321"), Result(Outcome.WRONG_BAG_TYPE)),
    Example(
        "a child in a child",
        child("CH12345", "CH54321"),
        Result(Outcome.WRONG_BAG_TYPE),
        given=[child("CH54321", S1)],
    ),
    Example(
        "a child in a sack on a completed bill",
        child("CH12345", S1),
        counted(Outcome.BILL_COMPLETED, 2, refers_to=B1),
        given=[*filled(S1, 2), load(S1, B1)],
        bills=COMPLETED,
    ),
    Example(
        "a child in a full sack on a completed bill",
        child("CH12345", S1),
        counted(Outcome.BILL_COMPLETED, 30, refers_to=B1),
        given=[*filled(S1, 30), load(S1, B1)],
        bills=COMPLETED,
    ),
    Example("a misprint as a child", child("CH 12345", S1), Result(Outcome.INVALID_CODE)),
    Example("a child in a misprint", child("CH12345", "SB-00001"), Result(Outcome.INVALID_CODE)),
    Example("a sack on a bill", load(S1, B1), counted(Outcome.APPLIED, 2), given=filled(S1, 2), bills=BILL),
    Example(
        "a sack on a bill after it came back",
        load(S1, B2),
        counted(Outcome.APPLIED, 0),
        given=[sack(S1), load(S1, B1), come_back(S1, R1)],
        bills=TWO_BILLS,
        returns=RETURN,
    ),
    Example(
        "a sack twice on a bill",
        load(S1, B1),
        counted(Outcome.DUPLICATE, 0),
        given=[sack(S1), load(S1, B1)],
        bills=BILL,
    ),
    Example(
        "a sack twice on a completed bill",
        load(S1, B1),
        counted(Outcome.DUPLICATE, 0),
        given=[sack(S1), load(S1, B1)],
        bills=COMPLETED,
    ),
    Example(
        "a sack of another bill",
        load(S1, B2),
        counted(Outcome.ON_OTHER_BILL, 0, refers_to=B1),
        given=[sack(S1), load(S1, B1)],
        bills=TWO_BILLS,
    ),
    Example(
        "a sack of another bill on a completed one",
        load(S1, B2),
        counted(Outcome.ON_OTHER_BILL, 0, refers_to=B1),
        given=[sack(S1), load(S1, B1)],
        bills={B1: GivenBill(), B2: GivenBill(completed=True)},
    ),
    Example(
        "a sack too many",
        load(S2, B1),
        counted(Outcome.BILL_FULL, 0),
        given=[sack(S1), sack(S2), load(S1, B1)],
        bills={B1: GivenBill(capacity=1)},
    ),
    Example(
        "a sack on a completed bill",
        load(S2, B1),
        counted(Outcome.BILL_COMPLETED, 0, refers_to=B1),
        given=[sack(S1), sack(S2), load(S1, B1)],
        bills=COMPLETED,
    ),
    Example(
        "a sack on a full and completed bill",
        load(S2, B1),
        counted(Outcome.BILL_COMPLETED, 0, refers_to=B1),
        given=[sack(S1), sack(S2), load(S1, B1)],
        bills={B1: GivenBill(capacity=1, completed=True)},
    ),
    Example("a sack on no bill", load(S1, "BILL-9"), Result(Outcome.UNKNOWN_BILL), given=[sack(S1)]),
    Example("an unknown sack on no bill", load(S1, "BILL-9"), Result(Outcome.UNKNOWN_BILL)),
    Example(
        "a sack on a bill elsewhere",
        load(S1, B1),
        Result(Outcome.UNKNOWN_BILL),
        given=[sack(S1)],
        bills={B1: GivenBill(area_id=INDORE)},
    ),
    Example("an unknown sack on a bill", load(S1, B1), Result(Outcome.UNKNOWN_BAG), bills=BILL),
    Example("a child's code on a bill", load("CH12345", B1), Result(Outcome.WRONG_BAG_TYPE), bills=BILL),
    Example("a child's code on no bill", load("CH12345", "BILL-9"), Result(Outcome.WRONG_BAG_TYPE)),
    Example("a misprint on a bill", load("SB_1", B1), Result(Outcome.INVALID_CODE), bills=BILL),
    Example(
        "a sack that comes back from a bill",
        come_back(S1, R1),
        counted(Outcome.APPLIED, 2),
        given=[*filled(S1, 2), load(S1, B1)],
        bills=BILL,
        returns=RETURN,
    ),
    Example(
        "a sack that comes back from a completed bill",
        come_back(S1, R1),
        counted(Outcome.APPLIED, 0),
        given=[sack(S1), load(S1, B1)],
        bills=COMPLETED,
        returns=RETURN,
    ),
    Example(
        "a sack that comes back from no bill",
        come_back(S1, R1),
        counted(Outcome.APPLIED, 0),
        given=[sack(S1)],
        returns=RETURN,
    ),
    Example(
        "a sack that comes back twice",
        come_back(S1, R1),
        counted(Outcome.DUPLICATE, 0),
        given=[sack(S1), come_back(S1, R1)],
        returns=RETURN,
    ),
    Example(
        "a sack that came back on a committed return",
        come_back(S1, R1),
        counted(Outcome.DUPLICATE, 0),
        given=[sack(S1), come_back(S1, R1)],
        returns={R1: GivenReturn(committed=True)},
    ),
    Example(
        "a sack on a committed return",
        come_back(S1, R1),
        counted(Outcome.RETURN_CLOSED, 0),
        given=[sack(S1)],
        returns={R1: GivenReturn(committed=True)},
    ),
    Example("a sack on no return", come_back(S1, R2), Result(Outcome.UNKNOWN_RETURN), given=[sack(S1)]),
    Example(
        "a sack on a return elsewhere",
        come_back(S1, R1),
        Result(Outcome.UNKNOWN_RETURN),
        given=[sack(S1)],
        returns={R1: GivenReturn(area_id=INDORE)},
    ),
    Example("an unknown sack on a return", come_back(S1, R1), Result(Outcome.UNKNOWN_BAG), returns=RETURN),
    Example("a child's code on a return", come_back("CH12345", R1), Result(Outcome.WRONG_BAG_TYPE), returns=RETURN),
    Example("a misprint on a return", come_back("SB_1", R1), Result(Outcome.INVALID_CODE), returns=RETURN),
)
