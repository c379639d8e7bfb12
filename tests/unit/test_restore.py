"""Which sacks a cancelled return gives back: never more than there is room for, never what is elsewhere."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tracetrack_common.domain.decide import Bill
from tracetrack_common.domain.restore import ReturnedSack, decide_restorations

R, OTHER = "RTN-20261123-0001", "RTN-20261123-0002"
NUMBERS = ("BILL-1", "BILL-2", "BILL-3")
SACKS = st.lists(
    st.builds(
        ReturnedSack,
        code=st.from_regex(r"SB\d{5}", fullmatch=True),
        left=st.sampled_from([None, *NUMBERS]),
        bill_no=st.sampled_from([None, None, *NUMBERS]),
        return_no=st.sampled_from([None, R, R, OTHER]),
    ),
    max_size=20,
    unique_by=lambda sack: sack.code,
)
BILLS = st.lists(
    st.builds(
        Bill,
        bill_no=st.sampled_from(NUMBERS),
        bill_id=st.just(1),
        area_id=st.just(1),
        status=st.sampled_from(["processing", "processing", "completed"]),
        capacity=st.integers(3, 5),
        sacks=st.integers(0, 3),
    ),
    unique_by=lambda bill: bill.bill_no,
)


@given(SACKS, BILLS)
def test_every_sack_goes_back_to_the_open_bill_it_left_or_hears_why_not(
    sacks: list[ReturnedSack], found: list[Bill]
) -> None:
    bills = {bill.bill_no: bill for bill in found}

    restorations = decide_restorations(sacks, bills, R)

    assert [each.sack for each in restorations] == sacks
    back = Counter(each.restored_to for each in restorations if each.restored_to is not None)
    for bill_no, restored in back.items():
        assert bills[bill_no].status != "completed"
        assert bills[bill_no].sacks + restored <= bills[bill_no].capacity
    for each in restorations:
        assert (each.restored_to is None) == bool(each.obstacle)
        if each.restored_to is not None:
            assert (each.sack.bill_no, each.restored_to) == (None, each.sack.left)
            assert each.sack.return_no != OTHER
        elif each.obstacle == f"Bill {each.sack.left} is full":
            bill = bills[each.sack.left or ""]
            assert bill.sacks + back[bill.bill_no] == bill.capacity
